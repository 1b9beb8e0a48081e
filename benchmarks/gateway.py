# SPDX-License-Identifier: Apache-2.0

"""Compare the gateway with a direct connection and a plain TCP relay.

All lead to the same VNC server. Then measure concurrent log-ins with many
consoles in the database.
"""

import asyncio
import collections
import contextlib
import dataclasses
import pathlib
import random
import ssl
import statistics
import sys
import time
import uuid
from collections.abc import Sequence
from concurrent import futures

import fixtures as fixtures_

from benchmarks import painter
from benchmarks.load import Server
from benchmarks.targets import Stage, Subject
from console_svc.consoles import vault
from console_svc.db.tables import console_auth_tokens, consoles
from console_svc.protocols import rfb
from console_svc.proxy.errors import PeerClosed
from console_svc.proxy.handshakes import Answers, perform
from console_svc.proxy.streams import TCPStream
from console_svc.tests import fixtures
from console_svc.tests.integration.service import console_api
from console_svc.tests.programs import certificates, process
from console_svc.tests.programs.gateway import by_target
from console_svc.tests.programs.proxy import Proxy

_MIB = 2**20
_SET_UPS = 200
_UPDATES = 200
_IDLE = 1000
# Concurrent log-ins.
_AT_ONCE = 16
_PATIENCE = 120
# Number of servers for the log-ins.
_SERVERS = 1000
# Rows per INSERT.
_BATCH = 5000
_NEVER = 2**40


class Credentials(Answers):
    """Answers the gateway's challenge."""

    def __init__(self, stream: TCPStream, password: str) -> None:
        self._stream = stream
        self._password = password

    async def respond(self, challenge: bytes) -> bytes:
        return rfb.response(challenge, self._password)

    async def start_tls(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        await self._stream.start_tls(context, '127.0.0.1')


@dataclasses.dataclass
class Route:
    """A route to the VNC server.

    :param handshake: the security types that the client accepts
    :param relay: the program between client and VNC server
    :param asks: the program that the relay sends requests to
    """

    name: str
    port: int
    handshake: Sequence[int]
    password: str = ''
    relay: Server | None = None
    asks: Server | None = None

    async def connect(self) -> TCPStream:
        """Connect, and perform the handshake up to ServerInit."""
        stream = TCPStream(
            *await asyncio.open_connection('127.0.0.1', self.port)
        )
        await perform(
            stream,
            rfb.log_in(self.handshake),
            _PATIENCE,
            Credentials(stream, self.password),
        )
        await perform(stream, painter.enter(), _PATIENCE)
        return stream

    def seconds(self) -> float:
        """Return the CPU seconds of the relay and of the program it asks."""
        servers = (self.relay, self.asks)
        return sum(server.seconds() for server in servers if server)

    def memory(self) -> float:
        """Return the memory (PSS) of the relay, in KiB."""
        return self.relay.memory_of_all() if self.relay else 0


def run(stage: Stage, rows: int, seconds: int) -> None:
    """Measure, and print two tables.

    :param rows: number of consoles in the database during the log-ins
    :param seconds: duration of the log-ins
    """
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(
            stack.enter_context(fixtures_.TempDir()).path  # type: ignore[attr-defined]
        )
        certificates.write(folder)
        screen, relay = process.free_port(), process.free_port()
        _start(stack, folder, 'benchmarks.painter', screen)
        tcp = _start(stack, folder, 'benchmarks.echo', relay, screen)
        listen_port, own_port = process.free_ports(2)
        subject = Subject(
            stage,
            consoles={
                'mode': 'gateway',
                'port_range': f'{own_port}-{own_port}',
            },
            rfb={'listen_port': listen_port},
        )
        stage.use(subject)
        servers = _inventory(subject, screen, stage.keystone.projects['demo'])
        password = _open(stage, subject)

        def gateway() -> Proxy:
            return Proxy(
                subject,
                {
                    **console_api(stage.keystone),
                    'endpoint_override': f'{subject.url}/v2.1',
                },
                rfb={
                    'listen_port': listen_port,
                    'cert': folder / 'server-cert.pem',
                    'key': folder / 'server-key.pem',
                    'max_connections_per_address': 2 * _IDLE,
                },
                port_range=f'{own_port}-{own_port}',
            )

        direct = [
            Route('direct', screen, (rfb.NONE,)),
            Route('TCP relay', relay, (rfb.NONE,), '', tcp),
        ]
        line = '  '.join('=' * width for width in (18, 9, 12, 8, 10, 11))
        print(line)
        print(
            f'{"":18}  set-up ms  ms CPU/login     MB/s  ms CPU/MiB  '
            'KiB/session'
        )
        print(line)
        for route in direct:
            asyncio.run(_measure(route))
        for name, handshake in (
            ('gateway, VNC', rfb.VNC),
            ('gateway, X509Vnc', rfb.VENCRYPT),
        ):
            # A new proxy for each, because a process keeps freed memory.
            with gateway() as proxy:
                asyncio.run(
                    _measure(
                        Route(
                            name,
                            own_port,
                            (handshake,),
                            password,
                            Server(proxy.process.pid),
                            subject.server,
                        )
                    )
                )
        print(line)
        _fill(subject, servers, rows, password)
        with gateway() as proxy:
            ours = [Server(proxy.process.pid), subject.server]
            asyncio.run(
                _log_in(listen_port, servers, password, seconds, rows, ours)
            )


def _start(
    stack: contextlib.ExitStack,
    folder: pathlib.Path,
    module: str,
    *ports: int,
) -> Server:
    program = process.Program(
        [sys.executable, '-m', module, *map(str, ports)],
        folder / f'{module}.log',
    )
    stack.enter_context(program)
    program.wait_for(lambda: process.listens(ports[0]), module)
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
    with futures.ThreadPoolExecutor(_AT_ONCE) as pool:
        list(
            pool.map(
                lambda _: subject.request('GET', path, token),
                range(2 * _AT_ONCE),
            )
        )
    found = subject.request('GET', path, token).json()['consoles'][0]
    console = subject.request('GET', f'{path}/{found["console"]["id"]}', token)
    return str(console.json()['console']['password'])


async def _measure(route: Route) -> None:
    """Measure, and print a row of the table."""
    (await route.connect()).abort()
    set_ups = []
    before = route.seconds()
    for _ in range(_SET_UPS):
        await asyncio.sleep(0.02)
        began = time.perf_counter()
        stream = await route.connect()
        set_ups.append(time.perf_counter() - began)
        stream.abort()
    login = (route.seconds() - before) * 1000 / _SET_UPS
    stream = await route.connect()
    before, began = route.seconds(), time.perf_counter()
    for _ in range(_UPDATES):
        await stream.write(painter.REQUEST)
        await stream.read_exactly(painter.UPDATE_SIZE)
    took = time.perf_counter() - began
    megabytes = _UPDATES * painter.UPDATE_SIZE / 1e6
    cpu = (route.seconds() - before) * 1000 / (megabytes * 1e6 / _MIB)
    stream.abort()
    await asyncio.sleep(2)
    empty = route.memory()
    gate = asyncio.Semaphore(_AT_ONCE)

    async def enter() -> TCPStream:
        async with gate:
            return await route.connect()

    streams = await asyncio.gather(*(enter() for _ in range(_IDLE)))
    await asyncio.sleep(5)
    memory = (route.memory() - empty) / _IDLE
    for stream in streams:
        stream.abort()
    print(
        f'{route.name:18}  {statistics.median(set_ups) * 1000:9.1f}  '
        f'{login:12.2f}  {megabytes / took:7.0f}  {cpu:10.2f}  {memory:11.1f}'
    )


def _fill(
    subject: Subject, servers: Sequence[str], rows: int, password: str
) -> None:
    """Store consoles: those of the servers, and others up to ``rows``."""
    now = int(time.time())
    encrypted = vault.Vault(subject.conf).encrypt(password)
    every = [
        *servers,
        *(str(uuid.uuid4()) for _ in range(rows - len(servers))),
    ]
    for start in range(0, rows, _BATCH):
        batch = [
            (server, f'{start + number:064x}')
            for number, server in enumerate(every[start : start + _BATCH])
        ]
        with subject.database.writing() as connection:
            connection.execute(
                consoles.insert(),
                [
                    {
                        'server_id': server,
                        'server_host': 'compute-1',
                        'console_type': 'vnc',
                        'instance_name': f'instance-{server}',
                        'host': '127.0.0.1',
                        'port': 5900,
                        'encrypted_password': encrypted,
                        'created_at': now,
                        'token_hash': token_hash,
                    }
                    for server, token_hash in batch
                ],
            )
            connection.execute(
                console_auth_tokens.insert(),
                [
                    {
                        'token_hash': token_hash,
                        'server_id': server,
                        'project_id': 'demo',
                        'console_type': 'novnc',
                        'host': '127.0.0.1',
                        'port': 5900,
                        'created_at': now,
                        'expires': _NEVER,
                    }
                    for server, token_hash in batch
                ],
            )


async def _log_in(
    port: int,
    servers: Sequence[str],
    password: str,
    seconds: int,
    rows: int,
    ours: Sequence[Server],
) -> None:
    """Log in by server id from several clients at once, and disconnect."""
    waited: list[float] = []
    refused: collections.Counter[str] = collections.Counter()
    until = time.perf_counter() + seconds

    async def user() -> None:
        while (began := time.perf_counter()) < until:
            try:
                await _enter(port, random.choice(servers), password)
            except (rfb.RFBError, PeerClosed, OSError) as error:
                refused[str(error) or type(error).__name__] += 1
            else:
                waited.append(time.perf_counter() - began)

    before = [server.seconds() for server in ours]
    await asyncio.gather(*(user() for _ in range(_AT_ONCE)))
    after = [server.seconds() for server in ours]
    for reason, number in refused.items():
        print(f'refused: {number} log-ins, {reason}')
    done = len(waited)
    if not done:
        print('no log-in succeeded')
        return
    proxy, api = (
        (now - then) * 1000 / done
        for then, now in zip(before, after, strict=True)
    )
    print(
        f'{rows} consoles, {_AT_ONCE} clients: {done / seconds:.0f} log-ins a '
        f'second, median {statistics.median(waited) * 1000:.0f} ms; '
        f'CPU {proxy:.2f} ms of the gateway and {api:.2f} ms of the API each'
    )


async def _enter(port: int, server: str, password: str) -> None:
    """Log in to a server's console, and disconnect."""
    stream = TCPStream(*await asyncio.open_connection('127.0.0.1', port))
    try:
        await perform(
            stream, by_target(server), _PATIENCE, Credentials(stream, password)
        )
    finally:
        stream.abort()
