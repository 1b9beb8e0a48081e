# SPDX-License-Identifier: Apache-2.0

"""PDUs of an RDP server, received in pieces of any size."""

import testtools
from hypothesis import given, settings
from hypothesis import strategies as st

from console_svc.protocols import rdp

TPKT = b'\x03\x00\x00\x08' + b'abcd'
SHORT = b'\x00\x05xyz'
LONG = b'\x00\x81\x02' + bytes(255)
#: A message of CredSSP, which is DER.
CREDSSP = b'\x30\x82\x01\x00' + bytes(256)


def cut(*received: bytes) -> list[bytes]:
    cutter = rdp.Cutter()
    return [piece for data in received for piece in cutter.cut(data)]


class CutterTest(testtools.TestCase):
    def test_pdus_are_apart(self) -> None:
        pdus = [TPKT, SHORT, LONG, TPKT, TPKT]
        self.assertEqual(pdus, cut(b''.join(pdus)))

    def test_a_long_pdu_passes_in_parts(self) -> None:
        """The proxy does not wait for the rest of it."""
        self.assertEqual(
            [LONG[:99], LONG[99:], TPKT], cut(LONG[:99], LONG[99:] + TPKT)
        )

    @settings(deadline=None)
    @given(
        pdus=st.lists(st.sampled_from([TPKT, SHORT, LONG])),
        sizes=st.lists(st.integers(1, 300)),
    )
    def test_no_piece_goes_past_a_pdu(
        self, pdus: list[bytes], sizes: list[int]
    ) -> None:
        data = b''.join(pdus)
        received = []
        for size in sizes:
            received.append(data[:size])
            data = data[size:]
        pieces = cut(*received, data)
        self.assertEqual(b''.join(pdus), b''.join(pieces))
        for pdu in pdus:
            while pdu:
                piece = pieces.pop(0)
                self.assertTrue(pdu.startswith(piece))
                pdu = pdu[len(piece) :]
        self.assertEqual([], pieces)

    def test_other_messages_pass_as_they_are(self) -> None:
        for data in (
            CREDSSP,
            CREDSSP[:100],
            # An early user authorization result ([MS-RDPBCGR] 2.2.10.2).
            bytes(4),
            b'\x05\x00\x00\x00',
            # Lengths that are shorter than the header.
            b'\x03\x00\x00\x04',
            b'\x00\x02',
            b'\x00\x80\x03abc',
        ):
            self.assertEqual([data, TPKT], cut(data, TPKT))

    @settings(deadline=None)
    @given(st.lists(st.binary()))
    def test_nothing_is_lost_or_added(self, received: list[bytes]) -> None:
        data = b''.join(received)
        passed = b''.join(cut(*received))
        self.assertTrue(data.startswith(passed))
        # No more than the start of a header waits for the rest.
        self.assertLess(len(data) - len(passed), 4)
