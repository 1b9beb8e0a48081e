# SPDX-License-Identifier: Apache-2.0

import contextlib
from typing import Any

import testtools
from hypothesis import given
from hypothesis import strategies as st

from console_svc.protocols import rdp as subject
from console_svc.tests.programs import rdp
from console_svc.tests.unit.fuzz import SETTINGS
from console_svc.tests.unit.protocols.rdp.peer import NoMoreData, talk

CONTEXTS = range(0xA0, 0xAA)


def received(data: bytes) -> Any:
    return talk(subject.receive_request(), data)[0]


class RequestTest(testtools.TestCase):
    def check_refused(self, data: bytes) -> None:
        self.assertRaises(subject.RDPError, received, data)

    def test_x224_request_is_all_that_is_used(self) -> None:
        for data in (
            rdp.request(),
            rdp.request(blob='another console'),
            # Lengths of one and of two bytes more.
            rdp.request(destination='x' * 150),
            rdp.request(destination='x' * 3000),
        ):
            self.assertEqual(rdp.REQUEST, received(data))

    def test_request_without_x224(self) -> None:
        self.assertIsNone(received(rdp.request(None, blob='a console')))

    def test_what_follows_a_request_is_not_read(self) -> None:
        _, _, rest = talk(subject.receive_request(), rdp.request() + b'rest')
        self.assertEqual(b'rest', rest)

    def test_other_versions_are_refused(self) -> None:
        for version in (0, 3389, 3391, 2**70):
            self.check_refused(rdp.request(version=version))

    def test_long_requests_are_refused_by_their_length(self) -> None:
        for head in (
            b'\x30\x82\x20\x01',
            b'\x30\x83\x00\x00\x01',
            b'\x30\x84\x7f\xff\xff\xff',
            b'\x30\xff',
        ):
            self.check_refused(head)

    def test_indefinite_lengths_are_refused(self) -> None:
        content = rdp.request()[2:]
        self.check_refused(b'\x30\x80' + content + bytes(2))

    def test_another_protocol_is_refused(self) -> None:
        for data in (b'RFB 003.008\n', b'GET / HTTP/1.1\r\n', rdp.REQUEST):
            self.check_refused(data)

    def test_missing_and_wrong_members_are_refused(self) -> None:
        version = {0: rdp.number(rdp.VERSION)}
        x224 = {6: rdp.der(4, rdp.REQUEST)}
        for members in (
            {},
            x224,
            {**x224, **version},
            {0: rdp.der(12, b'text'), **x224},
            {**version, 6: rdp.der(12, b'text')},
        ):
            self.check_refused(rdp.message(members))

    def test_x224_that_is_no_connection_request_is_refused(self) -> None:
        for x224 in (
            b'',
            rdp.REQUEST[:10],
            rdp.REQUEST[:-1],
            rdp.REQUEST + b'x',
            # Of another kind, and with another length inside.
            rdp.TLS,
            rdp.REQUEST[:4] + b'\x0d' + rdp.REQUEST[5:],
            b'\x02' + rdp.REQUEST[1:],
            # Too long.
            b'\x03\x00\x04\x01' + bytes(1021),
        ):
            self.check_refused(rdp.request(x224))

    def test_deep_nesting_is_clean(self) -> None:
        for tag in (0x30, 0xA0, 0xA1, 0x24, 0x2C):
            value = b''
            while len(value) < 7000:
                value = rdp.der(tag, value)
            members = {0: rdp.number(rdp.VERSION)}
            for context in (1, 2, 7):
                self.assertIsNone(
                    received(rdp.message({**members, context: value}))
                )
            self.check_refused(rdp.message({0: value}))
            self.check_refused(rdp.message({**members, 6: value}))

    def test_every_truncation_is_refused(self) -> None:
        data = rdp.request(destination='x' * 200, blob='a console')
        for length in range(len(data)):
            # Incomplete, and with the length of the whole corrected.
            self.assertRaises(NoMoreData, received, data[:length])
            if length > 3:
                self.check_clean(rdp.der(0x30, data[4:length]))

    def check_clean(self, data: bytes) -> None:
        """Check that the outcome is a request or a refusal, and no bug."""
        try:
            request = received(data)
        except (subject.RDPError, NoMoreData):
            return
        self.assertIn(request, (None, rdp.REQUEST))

    def test_every_changed_byte_is_clean(self) -> None:
        data = rdp.request(blob='a')
        for index in range(len(data)):
            for value in (0, 1, 0x24, 0x30, 0x7F, 0x80, 0x84, 0xA1, 0xFF):
                changed = bytearray(data)
                changed[index] = value
                with contextlib.suppress(subject.RDPError, NoMoreData):
                    received(bytes(changed))

    @SETTINGS
    @given(st.binary(max_size=300))
    def test_any_content_is_clean(self, content: bytes) -> None:
        self.check_clean(rdp.der(0x30, content))

    @SETTINGS
    @given(
        st.lists(
            st.tuples(
                st.sampled_from(CONTEXTS),
                st.sampled_from((1, 2, 4, 12, 0x24, 0x30, 0x31, 0xA0)),
                st.binary(max_size=30),
            )
        )
    )
    def test_any_members_are_clean(
        self, members: list[tuple[int, int, bytes]]
    ) -> None:
        self.check_clean(
            rdp.der(
                0x30,
                b''.join(
                    rdp.der(context, rdp.der(tag, content))
                    for context, tag, content in members
                ),
            )
        )


class AnswerTest(testtools.TestCase):
    def test_response_has_confirm_and_certificates(self) -> None:
        members = rdp.members(subject.response(rdp.TLS, [b'own', b'ca']))
        self.assertEqual(
            {
                0: rdp.number(rdp.VERSION),
                6: rdp.der(4, rdp.TLS),
                7: rdp.der(0x30, rdp.der(4, b'own') + rdp.der(4, b'ca')),
                9: rdp.der(12, b'0.0.0.0:3389'),
            },
            members,
        )

    def test_response_without_confirm(self) -> None:
        members = rdp.members(subject.response(None, [b'own']))
        self.assertEqual({0, 7, 9}, {*members})

    def test_refusal_has_a_status(self) -> None:
        self.assertEqual(
            {
                0: rdp.number(rdp.VERSION),
                1: rdp.message({0: rdp.number(1), 1: rdp.number(502)}),
            },
            rdp.members(subject.refusal(502)),
        )

    def test_refusal_of_the_server_has_its_confirm(self) -> None:
        self.assertEqual(
            {
                0: rdp.number(rdp.VERSION),
                1: rdp.message({0: rdp.number(2)}),
                6: rdp.der(4, rdp.NO_CERTIFICATE),
            },
            rdp.members(subject.refusal(502, rdp.NO_CERTIFICATE)),
        )
