# SPDX-License-Identifier: Apache-2.0

"""Which PDUs of RDP clients pass, and when keys are released."""

import contextlib
import random
import struct

import testtools

from console_svc.protocols import rdp
from console_svc.protocols.input_filter import ProtocolError
from console_svc.tests.unit.protocols.fuzz import fragments, mutated
from console_svc.tests.unit.protocols.rdp import pdus
from console_svc.tests.unit.protocols.rdp.pdus import fast_path, key, pointer


def started(is_view: bool) -> rdp.Filter:
    """A filter behind the connection sequence."""
    filter_ = rdp.Filter(is_view=is_view, credssp=False)
    for pdu in pdus.CONNECTION:
        filter_.feed(pdu)
    return filter_


class ViewTest(testtools.TestCase):
    def test_the_connection_sequence_passes(self) -> None:
        for start in ((), (pdus.CREDSSP, b'\x30\x03abc')):
            data = b''.join((*start, *pdus.CONNECTION))
            for step in (1, 50, 9999):
                filter_ = rdp.Filter(is_view=True, credssp=bool(start))
                passed = b''.join(
                    filter_.feed(data[at : at + step])
                    for at in range(0, len(data), step)
                )
                self.assertEqual(data, passed)
                self.assertFalse(filter_.input_seen)

    def test_a_connection_inside_of_tls_passes(self) -> None:
        """Of Hyper-V."""
        request = pdus.tpkt(bytes(12), b'\x0e\xe0\x00')
        disconnect = pdus.tpkt(b'\x00\x00\x00\x00', b'\x06\x80\x00')
        filter_ = rdp.Filter(is_view=True, credssp=True)
        for data in (pdus.CREDSSP, request, pdus.CONNECT_INITIAL, disconnect):
            self.assertEqual(data, filter_.feed(data))

    def test_requests_of_pictures_pass(self) -> None:
        filter_ = started(is_view=True)
        for pdu in pdus.PICTURES:
            self.assertEqual(pdu, filter_.feed(pdu))
        self.assertFalse(filter_.input_seen)

    def test_input_is_dropped_and_seen(self) -> None:
        filter_ = started(is_view=True)
        for pdu in pdus.INPUT:
            filter_.input_seen = False
            self.assertEqual(b'', filter_.feed(pdu))
            self.assertTrue(filter_.input_seen)

    def test_other_pdus_are_dropped(self) -> None:
        filter_ = started(is_view=True)
        for pdu in pdus.OTHERS:
            self.assertEqual(b'', filter_.feed(pdu))
        self.assertFalse(filter_.input_seen)

    def test_no_program_can_be_started(self) -> None:
        filter_ = rdp.Filter(is_view=True, credssp=False)
        self.assertRaises(
            ProtocolError, filter_.feed, pdus.send_data(pdus.info('cmd.exe'))
        )

    def test_a_second_log_in_is_dropped_after_control(self) -> None:
        filter_ = started(is_view=False)
        filter_.is_view = True
        self.assertEqual(b'', filter_.feed(pdus.send_data(pdus.info())))

    def test_other_protocols_end_the_session(self) -> None:
        for credssp, data in (
            # CredSSP where the server expects none, and what is not DER.
            (False, pdus.CREDSSP),
            (True, b'\x30\x80'),
            (True, b'\x30\x85\x00\x00\x00\x00'),
            (True, b'\x30\x83\x02\x00\x00'),
            # Fast-path before the connection sequence.
            (False, fast_path(key(1, True))),
            (True, fast_path(key(1, True))),
            # Neither fast-path nor a TPKT, and lengths below the headers.
            (False, pdus.CONNECT_INITIAL + b'\x01\x03a'),
            (False, pdus.CONNECT_INITIAL + b'\x04\x01'),
            (False, pdus.CONNECT_INITIAL + b'\x04\x80\x02'),
            (False, b'\x03\x00\x00\x06'),
            (False, b'\x03\x01'),
            # Segments of X.224, and unknown PDUs of it.
            (False, pdus.tpkt(b'\x28', b'\x02\xf0\x00')),
            (False, pdus.tpkt(b'\x28', b'\x02\x70\x80')),
            (False, pdus.tpkt(b'\x28', b'\x02\xe0\x00')),
        ):
            filter_ = rdp.Filter(is_view=True, credssp=credssp)
            self.assertRaises(ProtocolError, filter_.feed, data)

    def test_credssp_ends_with_the_first_tpkt(self) -> None:
        """Its first byte is that of fast-path input, then."""
        filter_ = rdp.Filter(is_view=True, credssp=True)
        filter_.feed(pdus.CREDSSP + pdus.CONNECT_INITIAL)
        self.assertEqual(b'', filter_.feed(b'\x30\x04\x00\x1e'))
        self.assertTrue(filter_.input_seen)


class ControlTest(testtools.TestCase):
    def test_everything_passes(self) -> None:
        data = b''.join(
            (*pdus.CONNECTION, *pdus.PICTURES, *pdus.INPUT, *pdus.OTHERS)
        )
        filter_ = rdp.Filter(is_view=False, credssp=False)
        self.assertIs(data, filter_.feed(data))
        program = pdus.send_data(pdus.info('cmd.exe'))
        filter_ = rdp.Filter(is_view=False, credssp=False)
        self.assertIs(program, filter_.feed(program))

    def test_input_is_seen(self) -> None:
        filter_ = started(is_view=False)
        for pdu in (*pdus.PICTURES, *pdus.OTHERS):
            filter_.feed(pdu)
        self.assertFalse(filter_.input_seen)
        for pdu in pdus.INPUT:
            filter_.input_seen = False
            filter_.feed(pdu)
            self.assertTrue(filter_.input_seen)


class SwitchTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.filter = started(is_view=False)

    def withdraw(self) -> bytes:
        self.filter.is_view = True
        return self.filter.feed(b'')

    def test_keys_and_buttons_that_are_down_are_released(self) -> None:
        self.filter.feed(
            fast_path(key(0x1D, True), key(0x1E, True), key(0x1E, False))
            # Locks, a character, a relative movement, a time stamp.
            + fast_path(b'\x60', b'\x80ab', b'\xa0' + bytes(6), b'\xc0abcd')
            + fast_path(key(0x38, True, extended=True))
            + fast_path(pointer(0x9000), pointer(0xA000), pointer(0x2000))
            + fast_path(struct.pack('<BHHH', 2 << 5, 0x8001, 3, 4))
            + fast_path(pointer(0x800, 5, 6))
        )
        self.assertEqual(
            fast_path(
                key(0x1D, False),
                key(0x38, False, extended=True),
                pointer(0x1000, 5, 6),
                struct.pack('<BHHH', 2 << 5, 1, 5, 6),
            ),
            self.withdraw(),
        )
        self.assertEqual(b'', self.filter.feed(b''))

    def test_many_keys_are_released_by_several_pdus(self) -> None:
        self.filter.feed(fast_path(*(key(it, True) for it in range(20))))
        self.assertEqual(
            fast_path(*(key(it, False) for it in range(15)))
            + fast_path(*(key(it, False) for it in range(15, 20))),
            self.withdraw(),
        )

    def test_malformed_events_are_ignored(self) -> None:
        for pdu in (b'\x00\x02', b'\x08\x04\x00\x1e', b'\x04\x03\xe0'):
            self.assertEqual(pdu, self.filter.feed(pdu))
        self.assertEqual(fast_path(key(0x1E, False)), self.withdraw())

    def test_encrypted_events_are_ignored(self) -> None:
        self.filter.feed(b'\xc4' + fast_path(key(0x1E, True))[1:])
        self.assertEqual(b'', self.withdraw())


class Server:
    """A stub that records input. Its parser is one of its own."""

    def __init__(self) -> None:
        self.data = b''
        self.received = 0
        self.others: list[bytes] = []

    def receive(self, data: bytes) -> None:
        self.data += data
        while len(self.data) > 3:
            pdu = self.data[: self.data[2] << 8 | self.data[3]]
            if self.data[:2] != b'\x03\x00' or not pdu:
                self.others.append(self.data[:9])
                return
            if len(pdu) > len(self.data):
                return
            self.data = self.data[len(pdu) :]
            self.received += 1
            if pdu[7:8] == b'\x64' and not self.is_harmless(pdu[7:]):
                self.others.append(pdu)

    def is_harmless(self, mcs: bytes) -> bool:
        payload = mcs[8:] if mcs[6] & 128 else mcs[7:]
        if mcs[3:5] != b'\x03\xeb':
            return False
        while len(payload) > 18 and payload[2] & 15 == 7:
            if payload[14] == 28:
                return False
            payload = payload[payload[0] | payload[1] << 8 :]
        return True


class FuzzTest(testtools.TestCase):
    ALL = (*pdus.PICTURES, *pdus.INPUT, *pdus.OTHERS)

    def stream(self, rng: random.Random, number: int) -> bytes:
        return b''.join(rng.choices(self.ALL, k=number))

    def test_no_input_passes_in_view_mode(self) -> None:
        rng = random.Random(20)
        for _ in range(100):
            server, filter_ = Server(), started(is_view=True)
            for piece in fragments(rng, self.stream(rng, 500)):
                server.receive(filter_.feed(piece))
            self.assertEqual(([], b''), (server.others, server.data))
            self.assertGreater(server.received, 20)

    def test_no_input_of_invalid_streams_passes(self) -> None:
        rng = random.Random(21)
        for _ in range(3000):
            server, filter_ = Server(), started(is_view=True)
            data = mutated(rng, self.stream(rng, 20))
            with contextlib.suppress(ProtocolError):
                for piece in fragments(rng, data):
                    server.receive(filter_.feed(piece))
            self.assertEqual([], server.others)

    def test_everything_passes_unchanged_in_control_mode(self) -> None:
        rng = random.Random(22)
        for _ in range(30):
            filter_ = started(is_view=False)
            data = self.stream(rng, 500)
            passed = [filter_.feed(it) for it in fragments(rng, data)]
            self.assertEqual(data, b''.join(passed))


class CredSSPTest(testtools.TestCase):
    def test_confirms_tell_whether_it_follows(self) -> None:
        for protocol, expected in ((1, False), (2, True), (8, True)):
            confirm = bytes(11) + struct.pack('<BBHI', 2, 0, 8, protocol)
            self.assertEqual(expected, rdp.selects_credssp(confirm))
        self.assertTrue(rdp.selects_credssp(None))
