# SPDX-License-Identifier: Apache-2.0

"""Many console proxies with many sessions, and the API that they use.

Two API hosts behind HAProxy share a MariaDB. The proxies are real, but their
sessions have no clients: see fleet_proxy.py.
"""

import dataclasses
import functools
import json
import pathlib
import sys
import time
from collections.abc import Sequence
from concurrent import futures
from typing import Any, Final

import fixtures as fixtures_
import requests

from benchmarks import fleet_proxy
from benchmarks.fleet_proxy import identifier
from benchmarks.load import Server
from benchmarks.targets import Stage, Subject
from console_svc.tests import fixtures
from console_svc.tests.integration.mariadb import MariaDB
from console_svc.tests.integration.service import console_api
from console_svc.tests.programs import process
from console_svc.tests.programs.proxy import Proxy

PROXIES: Final = 20

#: Sessions of each proxy that are ended before the loss, and as many after it.
ENDED: Final = 10
#: Sessions of the lost proxy that are observed.
OBSERVED: Final = 3

# As in the installation guide, with a second host.
_BALANCER = """\
defaults
    mode http
    timeout connect 30s
    timeout client 60s
    timeout server 60s
frontend console-api
    bind 127.0.0.1:{port}
    default_backend console-svc
backend console-svc
    option httpchk GET /healthcheck
    option redispatch
    server api1 127.0.0.1:{hosts[0]} check
    server api2 127.0.0.1:{hosts[1]} check
"""


@dataclasses.dataclass(frozen=True)
class Cores:
    """CPU seconds per second.

    :param seconds: the time that was measured
    """

    seconds: float
    api: float
    database: float
    proxies: float


class Fleet:
    """The API hosts, their database, and the proxies.

    :param size: number of sessions
    """

    def __init__(self, stage: Stage, size: int) -> None:
        self._stage = stage
        self._project = stage.keystone.projects['demo']
        self._folder = pathlib.Path(self._use(fixtures_.TempDir()).path)
        # Its own: keystone uses the other one.
        self.database: MariaDB = self._use(MariaDB())
        url = self.database.database()
        self.hosts: Sequence[Subject] = [
            self._use(Subject(stage, url_of_database=url)) for _ in range(2)
        ]
        for host in self.hosts:
            host.write_inventory(self._inventory())
        self._port = process.free_port()
        self._balance()
        token = self.hosts[0].issue()
        self.loads = [
            fleet_proxy.Load(
                number,
                size // PROXIES,
                token,
                url,
                str(self._folder / f'events-{number}'),
            )
            for number in range(PROXIES)
        ]
        self.proxies = [self._proxy(load) for load in self.loads]
        #: The number of users' requests that had to be repeated.
        self.unanswered = 0
        self._api = requests.Session()
        self._api.headers['X-Auth-Token'] = stage.token('member', 'demo')

    @property
    def keep_interval(self) -> int:
        """The proxies' option: its default."""
        return int(self.hosts[0].conf.proxy.keep_interval)

    def start(self) -> None:
        """Start the proxies, and wait until they have their sessions."""
        with futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(self._use, self.proxies))
        for load in self.loads:
            process.wait_for(
                functools.partial(self._is_filled, load.number),
                f'the sessions of proxy {load.number}',
            )

    def _is_filled(self, number: int) -> bool:
        failures = self.events(number, 'failed')
        assert not failures, failures
        return bool(self.events(number, 'filled'))

    def events(self, number: int, name: str) -> Sequence[dict[str, Any]]:
        """Return the events of a proxy that have a name."""
        file = pathlib.Path(self.loads[number].events)
        if not file.exists():
            return []
        # The last line may be incomplete.
        lines = file.read_text().split('\n')[:-1]
        return [
            event for event in map(json.loads, lines) if event['event'] == name
        ]

    def request(self, method: str, path: str) -> requests.Response:
        """Send a user's request, again while no API host answers."""
        until = time.monotonic() + process.PATIENCE
        while True:
            try:
                answer = self._api.request(
                    method,
                    f'http://127.0.0.1:{self._port}/v2.1/servers/{path}',
                    timeout=process.PATIENCE,
                )
            except requests.ConnectionError:
                # So HAProxy ends a kept connection whose server has died.
                assert time.monotonic() < until, path
            else:
                if answer.status_code < 500 or time.monotonic() > until:
                    answer.raise_for_status()
                    return answer
            self.unanswered += 1
            time.sleep(0.5)

    def cores(self, seconds: float) -> Cores:
        """Measure the CPU time of the coming seconds."""
        servers = (
            [host.server for host in self.hosts],
            [Server(self.database.server.pid)],
            [Server(proxy.process.pid) for proxy in self.proxies],
        )

        def used() -> Sequence[float]:
            return [sum(it.seconds() for it in group) for group in servers]

        began, before = time.monotonic(), used()
        time.sleep(seconds)
        took = time.monotonic() - began
        return Cores(
            took,
            *((b - a) / took for a, b in zip(before, used(), strict=True)),
        )

    def stop(self) -> None:
        """Kill the proxies; otherwise each would close all its sessions."""
        for proxy in self.proxies:
            proxy.process.kill()

    def _use(self, fixture: Any) -> Any:
        self._stage.use(fixture)
        return fixture

    def _inventory(self) -> dict[str, Any]:
        document = fixtures.inventory()
        first = document['servers'][0]
        first['project_id'] = self._project
        ids = [
            identifier(number, session)
            for number in range(PROXIES)
            for session in range(1, 2 * ENDED + OBSERVED + 1)
        ]
        return {
            'servers': [
                first,
                *(
                    {**first, 'id': it, 'name': it, 'instance_name': it}
                    for it in ids
                ),
            ]
        }

    def _balance(self) -> None:
        file = self._folder / 'haproxy.cfg'
        file.write_text(
            _BALANCER.format(
                port=self._port, hosts=[host.port for host in self.hosts]
            )
        )
        balancer = self._use(
            process.Program(
                ['haproxy', '-db', '-f', str(file)],
                self._folder / 'haproxy.log',
            )
        )
        balancer.wait_for(lambda: process.listens(self._port), 'HAProxy')

    def _proxy(self, load: fleet_proxy.Load) -> Proxy:
        return Proxy(
            self.hosts[0],
            {
                **console_api(self._stage.keystone),
                'endpoint_override': f'http://127.0.0.1:{self._port}/v2.1',
            },
            environment={
                fleet_proxy.VARIABLE: json.dumps(dataclasses.asdict(load))
            },
            command=(sys.executable, '-m', 'benchmarks.fleet_proxy'),
            max_sessions=load.size + 1,
        )
