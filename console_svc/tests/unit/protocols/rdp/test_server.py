# SPDX-License-Identifier: Apache-2.0

import testtools
from hypothesis import given
from hypothesis import strategies as st

from console_svc.protocols import rdp as subject
from console_svc.tests.programs import rdp
from console_svc.tests.unit.fuzz import SETTINGS
from console_svc.tests.unit.protocols.rdp.peer import NoMoreData, talk


def connected(
    sent: bytes,
    request: bytes | None = rdp.REQUEST,
    identifier: str | None = None,
) -> tuple[bytes | None, bytes]:
    """The confirm, and what the server has received."""
    confirm, received, _ = talk(subject.connect(request, identifier), sent)
    return confirm, received


class ConnectTest(testtools.TestCase):
    def test_request_is_sent_as_it_is(self) -> None:
        for confirm in (rdp.TLS, rdp.CREDSSP):
            self.assertEqual(
                (confirm, rdp.REQUEST + b'<TLS>'), connected(confirm)
            )

    def test_identifier_is_sent_first(self) -> None:
        # [MS-RDPEPS] 4.2 has the layout.
        pdu = (
            b'\x1a\0\0\0' + bytes(4) + b'\2\0\0\0' + bytes(4) + b'\4\0'
            b'a\0\xe9\0Z\0\0\0'
        )
        self.assertEqual(
            (rdp.TLS, pdu + rdp.REQUEST + b'<TLS>'),
            connected(rdp.TLS, identifier='aéZ'),
        )

    def test_tls_starts_at_once_without_a_request(self) -> None:
        confirm, received = connected(b'', None, 'a')
        self.assertIsNone(confirm)
        self.assertTrue(received.endswith(b'a\0\0\0<TLS>'), received)

    def test_server_without_tls_is_refused(self) -> None:
        for confirm, reason in (
            (rdp.OLD, 'it does not support TLS'),
            (rdp.PLAIN, 'it selects RDP security without TLS'),
            (rdp.NO_CERTIFICATE, 'it has no certificate for TLS'),
            (rdp.NO_CERTIFICATE[:-4] + b'\x63\0\0\0', 'failure 99'),
        ):
            error = self.assertRaises(
                subject.NegotiationError, connected, confirm
            )
            self.assertEqual((reason, confirm), (str(error), error.confirm))

    def test_bad_confirms_are_refused(self) -> None:
        for confirm in (
            b'HTTP/1.1 400 Bad Request\r\n\r\n',
            b'SSH-2.0-OpenSSH_9\r\n',
            # TPKT: too short, and too long.
            b'\x03\x00\x00\x07' + bytes(7),
            b'\x03\x00\x04\x01' + bytes(1021),
            b'\x03\x00\xff\xff',
            # Of another kind, and with another length inside.
            rdp.REQUEST,
            rdp.TLS[:4] + b'\x0d' + rdp.TLS[5:],
            # The negotiation: of another kind, and of other lengths.
            rdp.TLS.replace(b'\x02\0\x08\0', b'\x04\0\x08\0'),
            rdp.TLS.replace(b'\x02\0\x08\0', b'\x02\0\x07\0'),
            b'\x03\0\0\x12\x0d' + rdp.TLS[5:-1],
            b'\x03\0\0\x14\x0f' + rdp.TLS[5:] + b'\0',
        ):
            error = self.assertRaises(subject.RDPError, connected, confirm)
            self.assertNotIsInstance(error, subject.NegotiationError)

    def test_every_truncation_waits_for_more(self) -> None:
        for length in range(len(rdp.TLS)):
            self.assertRaises(NoMoreData, connected, rdp.TLS[:length])

    @SETTINGS
    @given(st.binary(max_size=40), st.binary(max_size=40))
    def test_any_confirm_is_clean(self, head: bytes, content: bytes) -> None:
        size = (len(content) + 4).to_bytes(2)
        for sent in (head + content, b'\x03\0' + size + content):
            try:
                confirm, _ = connected(sent)
            except (subject.RDPError, NoMoreData):
                continue
            assert confirm is not None
            self.assertEqual(19, len(confirm))


class IdentifierTest(testtools.TestCase):
    def test_identifiers(self) -> None:
        for text in ('51af38c3-555e-4884-a314-6c8cdde37444', 'é', 'x' * 255):
            self.assertTrue(subject.is_identifier(text), text)
        for text in ('', 'x' * 256, 'a\0b', 'a\nb', '\ud800'):
            self.assertFalse(subject.is_identifier(text), text)
