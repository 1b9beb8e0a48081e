# SPDX-License-Identifier: Apache-2.0

"""Concurrent requests for native consoles on the gateway."""

import threading
from typing import Any

import testtools

from console_svc.tests import fixtures
from console_svc.tests.functional.test_console_gateway import GatewayApi


class RacesTest(testtools.TestCase):
    """Concurrent requests, in threads, with SQLite."""

    def together(self, function: Any, number: int) -> list[Any]:
        came: list[Any] = []
        start = threading.Barrier(number)

        def run(index: int) -> None:
            start.wait(20)
            came.append(function(index))

        threads = [
            threading.Thread(target=run, args=(index,))
            for index in range(number)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return came

    def test_concurrent_guesses_cannot_exceed_the_limit(self) -> None:
        api = self.useFixture(GatewayApi(rfb={'max_failures': 5}))
        console = api.open()
        came = self.together(
            lambda _: api.log_in('guess', port=console['port']).status_int, 16
        )
        self.assertEqual([403] * 4 + [429] * 12, sorted(came))

    def test_concurrent_creates_never_share_a_port(self) -> None:
        api = self.useFixture(GatewayApi(consoles={'port_range': '5901-5906'}))
        servers = [f'00000000-0000-4000-8000-{n:012}' for n in range(8)]
        document = fixtures.inventory()
        document['servers'] = [
            {**document['servers'][0], 'id': server} for server in servers
        ]
        api.write_inventory(document)

        def create(index: int) -> int:
            path = f'/v2.1/servers/{servers[index // 2]}/consoles'
            return api.request('POST', path).status_int

        came = self.together(create, 16)
        self.assertEqual([200] * 12 + [503] * 4, sorted(came))
        ports = [it.port for it in api.database.native_consoles.list_ports()]
        self.assertEqual(list(range(5901, 5907)), sorted(ports))
