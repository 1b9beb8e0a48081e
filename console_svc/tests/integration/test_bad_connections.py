# SPDX-License-Identifier: Apache-2.0

"""Thousands of bad connections; the functional tests have hundreds.

``CONSOLE_SVC_BAD_CONNECTIONS`` is how many times as many are opened.
"""

import contextlib
import os
import resource
import socket
import ssl
import struct
from collections.abc import Sequence
from typing import Any

from websockets.sync.client import ClientConnection

from console_svc.protocols import rfb
from console_svc.tests.functional.proxy import (
    test_bad_input,
    test_limits,
    test_native_bad_input,
)
from console_svc.tests.programs import (
    bad_input,
    consoles,
    process,
)

EXTENT = int(os.environ.get('CONSOLE_SVC_BAD_CONNECTIONS', '1'))

#: Of each front end, with TLS and without: bad connections, and mutations.
BAD = 250 * EXTENT
MUTATED = 500 * EXTENT

#: Idle connections at a time, and those of each address.
BURST = 10_000
PER_ADDRESS = 400


class BrowsersTest(test_bad_input.LeakTest):
    PROXY: dict[str, Any] = {'handshake_timeout': 1}
    NUMBER = BAD + MUTATED

    def bad(self) -> Sequence[tuple[bytes, bool]]:
        bad = list(super().bad())
        bad = [bad[at % len(bad)] for at in range(BAD)]
        return bad + bad_input.mutated(bad, MUTATED, 16)


class TLSBrowsersTest(BrowsersTest):
    context: ssl.SSLContext

    @classmethod
    def setUpClass(cls) -> None:
        cls.context = cls.use_tls()
        super().setUpClass()

    def start_tls(self, stream: socket.socket, port: int) -> socket.socket:
        return self.context.wrap_socket(stream, server_hostname='127.0.0.1')

    def connect(
        self, target: str | None = None, **more: Any
    ) -> ClientConnection:
        return super().connect(target, ssl=self.context, **more)


class NativeClientsTest(test_native_bad_input.LeakTest):
    PROXY = {'handshake_timeout': 1}
    NUMBER = BAD + MUTATED
    TLS = False

    def bad(self) -> Sequence[tuple[bytes, bool]]:
        bad = list(super().bad())
        bad = [bad[at % len(bad)] for at in range(BAD)]
        return bad + bad_input.mutated(bad, MUTATED, 16)


class TLSNativeClientsTest(NativeClientsTest):
    TLS = True

    def start_tls(self, stream: socket.socket, port: int) -> socket.socket:
        """Start VeNCrypt's TLS; the data is the response to a challenge."""
        subtype = (
            rfb.X509_PLAIN
            if port == self.gateway.shared_port
            else rfb.X509_VNC
        )
        hello = struct.pack('>I', subtype)
        stream.sendall(bad_input.TO_TLS + hello)
        consoles.heard(stream, bytes([0, 1]) + hello + bytes([1]))
        context = ssl.create_default_context(cafile=self.gateway.authority)
        return context.wrap_socket(stream, server_hostname='127.0.0.1')


class BurstTest(test_limits.LimitsTest):
    """Of bursts of idle connections, a worker keeps no memory."""

    PROXY: dict[str, Any] = {'handshake_timeout': 600, 'max_sessions': BURST}
    NUMBER = BURST
    TIMES = 3

    def test_memory_of_repeated_bursts_is_returned(self) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.addCleanup(
            resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard)
        )
        before = self.proxy.memory()
        for number in range(self.TIMES):
            self.burst()
            process.wait_for(
                lambda: self.proxy.memory() < before * 1.2,
                f'no more memory after burst {number} than before: '
                f'{before} KiB',
            )

    def burst(self) -> None:
        """Open idle connections, and close them."""
        idle = self.proxy.descriptors()
        with contextlib.ExitStack() as stack:
            for at in range(self.NUMBER):
                address = f'127.0.1.{1 + at // PER_ADDRESS}'
                stream = self.start_tls(
                    bad_input.connect(self.proxy.port, address=address)
                )
                stack.enter_context(stream)
                stream.sendall(b'GET / HTTP/1.1\r\nX: ')
        process.wait_for(
            lambda: self.proxy.descriptors() <= idle, 'all to be closed'
        )

    def start_tls(self, stream: socket.socket) -> socket.socket:
        return stream


class TLSBurstTest(BurstTest):
    # A handshake takes far more time than the rest.
    NUMBER = BURST // 2
    TIMES = 2
    context: ssl.SSLContext

    @classmethod
    def setUpClass(cls) -> None:
        cls.context = cls.use_tls()
        super().setUpClass()

    def start_tls(self, stream: socket.socket) -> socket.socket:
        return self.context.wrap_socket(stream, server_hostname='127.0.0.1')
