# SPDX-License-Identifier: Apache-2.0

"""A VNC server, the ways to it, and the service in front of it."""

import contextlib
import pathlib
import sys
import uuid
from collections.abc import Sequence
from concurrent import futures

import fixtures as fixtures_

from benchmarks.load import Server
from benchmarks.routes import Browser, Route
from benchmarks.targets import HERE, Stage, Subject
from console_svc.protocols import rfb
from console_svc.tests import fixtures
from console_svc.tests.integration.service import console_api
from console_svc.tests.programs import certificates, process
from console_svc.tests.programs.proxy import Proxy

#: Number of idle sessions.
IDLE = 1000

# Number of servers for the log-ins.
_SERVERS = 1000
_THREADS = 16


class Scene:
    """A VNC server, the ways to it, and the service in front of it.

    :param exits: stops them
    :param checkout: of the service and the console proxy
    """

    def __init__(
        self,
        stage: Stage,
        exits: contextlib.ExitStack,
        checkout: pathlib.Path = HERE,
    ) -> None:
        self._stage = stage
        self._exits = exits
        self._checkout = checkout
        self._folder = pathlib.Path(
            exits.enter_context(fixtures_.TempDir()).path
        )
        certificates.write(self._folder)
        self._screen = process.free_port()
        self._start(self._screen, 'benchmarks.painter', str(self._screen))
        self.listen_port, self._own_port = process.free_ports(2)
        self._range = f'{self._own_port}-{self._own_port}'
        self.subject = Subject(
            stage,
            checkout,
            consoles={'mode': 'gateway', 'port_range': self._range},
            rfb={'listen_port': self.listen_port},
        )
        stage.use(self.subject)
        self.servers = _inventory(
            self.subject, self._screen, stage.keystone.projects['demo']
        )
        self.password = _open(stage, self.subject)

    def gateway(self) -> Proxy:
        """Return a console proxy that is not started yet."""
        return Proxy(
            self.subject,
            {
                **console_api(self._stage.keystone),
                'endpoint_override': f'{self.subject.url}/v2.1',
            },
            rfb={
                'listen_port': self.listen_port,
                'cert': self._folder / 'server-cert.pem',
                'key': self._folder / 'server-key.pem',
                'max_connections_per_address': 2 * IDLE,
            },
            port_range=self._range,
            # It takes precedence over the installed package.
            environment={'PYTHONPATH': str(self._checkout)},
        )

    def peers(self) -> Sequence[Route]:
        """Start the other programs."""
        tcp, ws = process.free_ports(2)
        relay = self._start(
            tcp, 'benchmarks.echo', str(tcp), str(self._screen)
        )
        websockify = self._start(
            ws, 'websockify', f'127.0.0.1:{ws}', f'127.0.0.1:{self._screen}'
        )
        return [
            Route('direct', self._screen),
            Route('plain relay', tcp, relay),
            Browser('websockify', ws, websockify),
        ]

    def native(self, proxy: Proxy) -> Sequence[Route]:
        """Return the routes of native clients through a proxy."""
        return [
            Route(
                name,
                self._own_port,
                Server(proxy.process.pid),
                self.subject.server,
                (handshake,),
                self.password,
            )
            for name, handshake in (
                ('gateway, VNC', rfb.VNC),
                ('gateway, X509Vnc', rfb.VENCRYPT),
            )
        ]

    def browser(self, proxy: Proxy) -> Route:
        """Return the route of browsers through a proxy."""
        return Browser(
            'browser',
            proxy.port,
            Server(proxy.process.pid),
            self.subject.server,
            token=self.subject.issue(),
        )

    def _start(self, port: int, module: str, *arguments: str) -> Server:
        program = process.Program(
            [sys.executable, '-m', module, *arguments],
            self._folder / f'{module}.log',
        )
        self._exits.enter_context(program)
        program.wait_for(lambda: process.listens(port), module)
        return Server(program.pid)


def _inventory(subject: Subject, port: int, project: str) -> Sequence[str]:
    """Write an inventory of servers whose console is the painter."""
    servers = [fixtures.SERVER, *(str(uuid.uuid4()) for _ in range(_SERVERS))]
    where = {'type': 'novnc', 'host': '127.0.0.1', 'port': port}
    subject.write_inventory(
        {
            'servers': [
                {
                    'id': server,
                    'project_id': project,
                    'name': f'web-{number}',
                    'instance_name': f'instance-{number:08x}',
                    'host': 'compute-1',
                    'consoles': [where],
                }
                for number, server in enumerate(servers)
            ]
        }
    )
    return servers[1:]


def _open(stage: Stage, subject: Subject) -> str:
    """Open the only console with a port of its own; return its password."""
    path = f'/v2.1/servers/{fixtures.SERVER}/consoles'
    token = stage.token('member', 'demo')
    answer = subject.request('POST', path, token)
    assert answer.status_code == 200, answer.text
    # Each process reads the inventory at its first request, which takes a
    # second or more.
    with futures.ThreadPoolExecutor(_THREADS) as pool:
        list(
            pool.map(
                lambda _: subject.request('GET', path, token),
                range(2 * _THREADS),
            )
        )
    found = subject.request('GET', path, token).json()['consoles'][0]
    console = subject.request('GET', f'{path}/{found["console"]["id"]}', token)
    return str(console.json()['console']['password'])
