# SPDX-License-Identifier: Apache-2.0

"""Hosts of several addresses."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import testtools
import uvloop

from console_svc.proxy import dialing

_IPV4, _IPV6 = socket.AF_INET, socket.AF_INET6


@contextlib.contextmanager
def live() -> Iterator[dialing.Address]:
    """An address that accepts connections."""
    with socket.create_server(('127.0.0.1', 0)) as listener:
        yield _IPV4, listener.getsockname()


@contextlib.contextmanager
def dead() -> Iterator[dialing.Address]:
    """An address that does not answer: its queue is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(
            socket.create_server(('127.0.0.1', 0), backlog=0)
        )
        for _ in range(8):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        yield _IPV4, listener.getsockname()


@contextlib.contextmanager
def closed() -> Iterator[dialing.Address]:
    """An address that refuses connections."""
    # Bound, so that no other program listens on it.
    with socket.socket() as unused:
        unused.bind(('127.0.0.1', 0))
        yield _IPV4, unused.getsockname()


class DialingTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.stack = self.enterContext(contextlib.ExitStack())

    def addresses(self, *kinds: Any) -> list[dialing.Address]:
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
                    addresses[number][1], connection.getpeername()
                )

    def test_all_addresses_refuse(self) -> None:
        self.assertRaises(
            ConnectionRefusedError,
            uvloop.run,
            dialing.connect_first(self.addresses(closed, closed)),
        )

    def test_host_is_resolved(self) -> None:
        ((_, address),) = self.addresses(live)
        with uvloop.run(dialing.connect(*address)) as connection:
            self.assertEqual(address, connection.getpeername())

    def test_families_alternate(self) -> None:
        given = [(_IPV6, 1), (_IPV6, 2), (_IPV6, 3), (_IPV4, 4), (_IPV4, 5)]
        self.assertEqual(
            [1, 4, 2, 5, 3], [it for _, it in dialing.interleaved(given)]
        )
