# SPDX-License-Identifier: Apache-2.0

"""The handshakes with clients of RFB consoles."""

import asyncio
from typing import Any

import testtools
import uvloop

from console_svc.protocols import rfb
from console_svc.proxy.errors import ClientFailed, PeerClosed
from console_svc.proxy.handshakes import Browser, NativeClient

_BANNER = b'RFB 003.008\n'
_REASON = b'\0\0\0\3No!'
_CHALLENGE, _RESPONSE = b'c' * 16, b'r' * 16


class FakeStream:
    """A client that sends some data.

    :param sent: what it sends
    :param closed: whether it then closes the connection; otherwise it waits
    """

    def __init__(self, sent: bytes, closed: bool = True) -> None:
        self._sent = sent
        self._closed = closed
        self.received = b''

    async def read(self) -> bytes:
        raise NotImplementedError

    async def write(self, data: bytes) -> None:
        self.received += data

    async def read_exactly(self, number: int) -> bytes:
        if number > len(self._sent):
            if self._closed:
                raise PeerClosed
            await asyncio.Event().wait()
        data, self._sent = self._sent[:number], self._sent[number:]
        return data


def run(coroutine: Any) -> Any:
    return uvloop.run(coroutine)


class BrowserTest(testtools.TestCase):
    def browser(self, sent: bytes, closed: bool = True) -> Browser:
        self.stream = FakeStream(sent, closed)
        return Browser(self.stream, 0.05)

    def test_welcome_without_a_password(self) -> None:
        run(self.browser(_BANNER + b'\1').welcome())
        self.assertEqual(_BANNER + b'\1\1' + bytes(4), self.stream.received)

    def test_welcome_after_a_password(self) -> None:
        browser = self.browser(_BANNER + b'\2' + _RESPONSE)
        self.assertEqual(_RESPONSE, run(browser.respond(_CHALLENGE)))
        run(browser.welcome())
        self.assertEqual(
            _BANNER + b'\1\2' + _CHALLENGE + bytes(4), self.stream.received
        )

    def test_refusal_without_a_password(self) -> None:
        run(self.browser(_BANNER).refuse('No!'))
        self.assertEqual(_BANNER + b'\0' + _REASON, self.stream.received)

    def test_refusal_after_a_password(self) -> None:
        browser = self.browser(_BANNER + b'\2' + _RESPONSE)
        run(browser.respond(_CHALLENGE))
        run(browser.refuse('No!'))
        self.assertEqual(
            _BANNER + b'\1\2' + _CHALLENGE + b'\0\0\0\1' + _REASON,
            self.stream.received,
        )

    def test_failed_handshakes_have_a_close_reason(self) -> None:
        for sent, closed, reason in (
            (
                b'GET / HTTP/1.1\r\n\r\n',
                True,
                'This console requires an RFB client.',
            ),
            (b'', True, 'The client closed the connection.'),
            (b'', False, 'The client timed out.'),
        ):
            browser = self.browser(sent, closed)
            error = self.assertRaises(ClientFailed, run, browser.welcome())
            self.assertEqual(reason, error.reason)
            self.assertEqual(1002, error.code)

    def test_shared_flag_of_the_client_or_of_the_proxy(self) -> None:
        for is_shared, sent, passed in (
            (False, b'\0', b'\0'),
            (False, b'\1', b'\1'),
            (True, b'\0', b'\1'),
            (True, b'\1', b'\1'),
        ):
            server: Any = FakeStream(b'')
            run(self.browser(sent).initialise(server, is_shared))
            self.assertEqual(passed, server.received)

    def test_client_without_client_init_fails(self) -> None:
        for closed in True, False:
            server: Any = FakeStream(b'')
            initialise = self.browser(b'', closed).initialise(server, True)
            self.assertRaises(ClientFailed, run, initialise)
            self.assertEqual(b'', server.received)

    def test_refusing_after_a_failed_handshake_is_not_an_error(self) -> None:
        for sent in b'GET / HTTP/1.1\r\n\r\n', b'':
            run(self.browser(sent).refuse('No!'))
        run(self.browser(b'', closed=False).refuse('No!'))


class NativeClientTest(testtools.TestCase):
    def client(self) -> NativeClient:
        self.stream = FakeStream(b'')
        return NativeClient(self.stream, 0.05, minor=8)

    def test_welcome(self) -> None:
        run(self.client().welcome())
        self.assertEqual(bytes(4), self.stream.received)

    def test_refusal(self) -> None:
        run(self.client().refuse('No!'))
        self.assertEqual(b'\0\0\0\1' + _REASON, self.stream.received)

    def test_it_cannot_be_asked_for_a_second_password(self) -> None:
        self.assertRaises(rfb.RFBError, run, self.client().respond(_CHALLENGE))
        self.assertEqual(b'', self.stream.received)
