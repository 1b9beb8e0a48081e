# SPDX-License-Identifier: Apache-2.0

import socket
import threading
from collections.abc import Callable

import testtools

from console_svc import rfb


def serve(*pieces: bytes) -> int:
    """Say these things to one client, then hang up; the port."""
    listener = socket.create_server(('127.0.0.1', 0))

    def run() -> None:
        client, _ = listener.accept()
        with listener, client:
            for piece in pieces:
                client.sendall(piece)
            client.shutdown(socket.SHUT_WR)
            while client.recv(4096):
                pass

    threading.Thread(target=run, daemon=True).start()
    port: int = listener.getsockname()[1]
    return port


VERSION = b'RFB 003.008\n'
VENCRYPT = b'\x01\x13' + b'\x00\x02' + b'\x00'


class ProtectedTest(testtools.TestCase):
    def is_protected(self, *pieces: bytes) -> bool:
        return rfb.is_protected('127.0.0.1', serve(*pieces), 5)

    def test_by_a_password(self) -> None:
        self.assertTrue(self.is_protected(VERSION, b'\x01\x02'))

    def test_by_a_password_inside_tls(self) -> None:
        subtypes = b'\x01\x00\x00\x01\x05'
        self.assertTrue(self.is_protected(VERSION, VENCRYPT, subtypes))

    def test_not_at_all(self) -> None:
        self.assertFalse(self.is_protected(VERSION, b'\x01\x01'))

    def test_not_where_a_client_can_choose(self) -> None:
        self.assertFalse(self.is_protected(VERSION, b'\x02\x01\x02'))
        self.assertFalse(self.is_protected(VERSION, b'\x02\x02\x13'))

    def test_not_by_tls_alone(self) -> None:
        subtypes = b'\x01\x00\x00\x01\x04'
        self.assertFalse(self.is_protected(VERSION, VENCRYPT, subtypes))

    def test_who_knows(self) -> None:
        for pieces in (
            (),
            (b'SSH-2.0-OpenSSH\r\n',),
            (VERSION,),
            (VERSION, b'\x00', b'\x00\x00\x00\x04', b'busy'),
            (VERSION, b'\x05\x02'),
            (VERSION, b'\x01\x13', b'\x00\x02', b'\x01'),
        ):
            self.assertRaises(rfb.RFBError, self.is_protected, *pieces)

    def test_nobody_listens(self) -> None:
        with socket.create_server(('127.0.0.1', 0)) as listener:
            port = listener.getsockname()[1]
        self.assertRaises(rfb.RFBError, rfb.is_protected, '127.0.0.1', port, 5)


class AuthenticationTest(testtools.TestCase):
    def talk(
        self, action: Callable[[socket.socket], None], *pieces: bytes
    ) -> None:
        with rfb.connected('127.0.0.1', serve(*pieces), 5) as stream:
            action(stream)

    def test_a_known_answer(self) -> None:
        # DES of zeros with a key of zeros, and with one of ones: both stay
        # the same with their bits reversed.
        self.assertEqual(
            '8ca64de9c1b123a7' * 2, rfb.response(bytes(16), '').hex()
        )
        self.assertEqual(
            'caaaaf4deaf1dbae' * 2,
            rfb.response(bytes(16), '\xff' * 8).hex(),
        )

    def test_eight_characters_count(self) -> None:
        challenge = bytes(range(16))
        self.assertEqual(
            rfb.response(challenge, 'password'),
            rfb.response(challenge, 'password-and-more'),
        )
        self.assertNotEqual(
            rfb.response(challenge, 'password'),
            rfb.response(challenge, 'passworD'),
        )

    def test_let_in(self) -> None:
        self.talk(
            lambda stream: rfb.authenticate(stream, 'sesame'),
            bytes(16),
            bytes(4),
        )

    def test_refused(self) -> None:
        refusal = bytes(16), b'\0\0\0\1', b'\0\0\0\3', b'No!'
        error = self.assertRaises(
            rfb.RFBError,
            self.talk,
            lambda stream: rfb.authenticate(stream, 'sesame'),
            *refusal,
        )
        self.assertEqual('No!', str(error))
