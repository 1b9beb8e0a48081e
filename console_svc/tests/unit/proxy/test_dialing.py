# SPDX-License-Identifier: Apache-2.0

"""Hosts of several addresses."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import testtools
import uvloop
from aiohappyeyeballs import AddrInfoType

from console_svc.proxy import dialing


def _info(address: tuple[str, int]) -> AddrInfoType:
    return (
        socket.AF_INET,
        socket.SOCK_STREAM,
        socket.IPPROTO_TCP,
        '',
        address,
    )


@contextlib.contextmanager
def live() -> Iterator[AddrInfoType]:
    """An address that accepts connections."""
    with socket.create_server(('127.0.0.1', 0)) as listener:
        yield _info(listener.getsockname())


@contextlib.contextmanager
def dead() -> Iterator[AddrInfoType]:
    """An address that does not answer: its queue is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(
            socket.create_server(('127.0.0.1', 0), backlog=0)
        )
        for _ in range(8):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        yield _info(listener.getsockname())


@contextlib.contextmanager
def closed() -> Iterator[AddrInfoType]:
    """An address that refuses connections."""
    # Bound, so that no other program listens on it.
    with socket.socket() as unused:
        unused.bind(('127.0.0.1', 0))
        yield _info(unused.getsockname())


class DialingTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.stack = self.enterContext(contextlib.ExitStack())

    def addresses(self, *kinds: Any) -> list[AddrInfoType]:
        return [self.stack.enter_context(kind()) for kind in kinds]

    def test_an_address_that_answers_is_used(self) -> None:
        for kinds, number in (
            ((live, dead), 0),
            ((dead, live), 1),
            ((dead, closed, dead, live), 3),
        ):
            addresses = self.addresses(*kinds)
            # Less than the kernel waits for a dead address.
            connecting = asyncio.wait_for(
                dialing.connect_first(addresses), timeout=60
            )
            with uvloop.run(connecting) as connection:
                self.assertEqual(
                    addresses[number][-1], connection.getpeername()
                )

    def test_all_addresses_refuse(self) -> None:
        self.assertRaises(
            OSError,
            uvloop.run,
            dialing.connect_first(self.addresses(closed, closed)),
        )

    def test_host_is_resolved(self) -> None:
        ((*_, address),) = self.addresses(live)
        with uvloop.run(dialing.connect(*address)) as connection:
            self.assertEqual(address, connection.getpeername())
