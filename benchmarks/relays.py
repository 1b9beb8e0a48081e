# SPDX-License-Identifier: Apache-2.0

"""Compare the console proxy with websockify and a plain TCP relay.

All lead to the same echo server. Measure the memory of each with many idle
sessions, and its CPU time while one session echoes.
"""

import asyncio
import contextlib
import dataclasses
import pathlib
import resource
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import fixtures as fixtures_

from benchmarks import routes, table
from benchmarks.load import Server
from console_svc.tests import fixtures
from console_svc.tests.integration.service import Service
from console_svc.tests.programs import certificates, process
from console_svc.tests.programs.proxy import Proxy

_MIB = 2**20
_ROUNDS = 3
_ECHOED = 50 * _MIB
_FRAME = 32 * 1024
# Number of sessions whose set-up is timed.
_SET_UPS = 100
# Sessions that are opened concurrently.
_AT_ONCE = 50


@dataclasses.dataclass
class Session:
    """The client side of a session."""

    send: Callable[[bytes], Awaitable[object]]
    receive: Callable[[], Awaitable[bytes]]


@dataclasses.dataclass
class Relay:
    """A program to measure, and what was measured.

    :param sizes: numbers of idle sessions
    :param memory: KiB of an idle session, by size
    :param idle: per cent of a core for the idle sessions, by size
    :param echoes: milliseconds of CPU time of a MiB, by round
    :param set_up: milliseconds until a new session has echoed a byte
    """

    name: str
    server: Server
    url: str
    sizes: Sequence[int]
    memory: list[float] = dataclasses.field(default_factory=list)
    idle: list[float] = dataclasses.field(default_factory=list)
    echoes: list[float] = dataclasses.field(default_factory=list)
    set_up: float = 0

    @property
    def cpu(self) -> float:
        """The median of the rounds, in milliseconds of a MiB."""
        return statistics.median(self.echoes)


def run(sizes: Sequence[int]) -> Sequence[table.Row]:
    """Measure, and print what each program costs.

    :param sizes: numbers of idle sessions of the console proxy
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with contextlib.ExitStack() as stack:
        relays = _relays(stack, sizes)
        asyncio.run(_measure(relays))
    print(
        table.render(
            (
                *('', 'sessions', 'KiB/session', 'idle CPU %'),
                *('ms CPU/MiB', 'set-up ms'),
            ),
            [
                (
                    relay.name,
                    str(size),
                    f'{memory:.1f}',
                    f'{idle:.1f}',
                    f'{relay.cpu:.2f}',
                    f'{relay.set_up:.1f}',
                )
                for relay in relays
                for size, memory, idle in zip(
                    relay.sizes, relay.memory, relay.idle, strict=True
                )
            ],
        )
    )
    return _rows(relays)


def _rows(relays: Sequence[Relay]) -> Sequence[table.Row]:
    memory = {relay.name: relay.memory[0] for relay in relays}
    cpu = {relay.name: relay.cpu for relay in relays}
    _, _, plain, tls = cpu
    return [
        table.Row(
            what,
            values[name],
            unit,
            {peer: values[peer] for peer in list(values)[:2]},
            goal,
        )
        for what, values, name, unit, goal in (
            ('idle session', memory, plain, 'KiB', '≤ 1.5 times'),
            ('idle session with TLS', memory, tls, 'KiB', '≤ 4 times'),
            ('CPU of a MiB', cpu, plain, 'ms', ''),
            ('CPU of a MiB with TLS', cpu, tls, 'ms', '≤ 1.5 times'),
        )
    ]


def _relays(
    stack: contextlib.ExitStack, sizes: Sequence[int]
) -> Sequence[Relay]:
    folder = pathlib.Path(stack.enter_context(fixtures_.TempDir()).path)
    echo = process.free_port()

    def start(name: str, *command: str) -> process.Program:
        program = process.Program(command, folder / f'{name}.log')
        stack.enter_context(program)
        return program

    def listening(name: str, port: int, *command: str) -> Server:
        program = start(name, *command)
        program.wait_for(lambda: process.listens(port), name)
        return Server(program.pid)

    ours = [sys.executable, '-m', 'benchmarks.echo']
    listening('echo', echo, *ours, str(echo))
    tcp, ws = process.free_port(), process.free_port()
    found = [
        Relay(
            'plain relay',
            listening('tcp', tcp, *ours, str(tcp), str(echo)),
            f'tcp://127.0.0.1:{tcp}',
            [1000],
        ),
        Relay(
            'websockify',
            listening(
                'websockify',
                ws,
                'websockify',
                f'127.0.0.1:{ws}',
                f'127.0.0.1:{echo}',
            ),
            f'ws://127.0.0.1:{ws}',
            [50],
        ),
    ]
    service = stack.enter_context(Service())
    document = fixtures.inventory()
    for console in document['servers'][0]['consoles']:
        if console['type'] == 'serial':
            console.update(host='127.0.0.1', port=echo)
    service.write_inventory(document)
    token = service.issue('serial')
    certificates.write(folder)
    tls: dict[str, Any] = {
        'cert': folder / 'server-cert.pem',
        'key': folder / 'server-key.pem',
    }
    options: dict[str, Any]
    for scheme, options in (('ws', {}), ('wss', tls)):
        proxy = stack.enter_context(
            Proxy(
                service,
                max_sessions=max(sizes) + 1,
                max_connections_per_address=max(sizes) + 1,
                **options,
            )
        )
        found.append(
            Relay(
                f'console-svc-proxy, {scheme}',
                Server(proxy.process.pid),
                f'{scheme}://127.0.0.1:{proxy.port}/?token={token}',
                sizes,
            )
        )
    return found


async def _measure(relays: Sequence[Relay]) -> None:
    # Memory first: a process keeps what it has freed.
    for relay in relays:
        await _rest(relay)
    for _ in range(_ROUNDS):
        for relay in relays:
            async with _session(relay) as session:
                await _echo(session, _FRAME)
                before = relay.server.seconds()
                await _echo(session, _ECHOED)
                cpu = (relay.server.seconds() - before) * 1000
                relay.echoes.append(cpu / (_ECHOED / _MIB))
    for relay in relays:
        set_ups = [await _set_up(relay) for _ in range(_SET_UPS)]
        relay.set_up = statistics.median(set_ups) * 1000


async def _rest(relay: Relay) -> None:
    """Measure idle sessions."""
    async with _session(relay) as session:
        await _echo(session, _FRAME)
        empty = relay.server.memory_of_all()
    gate = asyncio.Semaphore(_AT_ONCE)
    for size in relay.sizes:
        async with contextlib.AsyncExitStack() as stack:

            async def enter(stack: contextlib.AsyncExitStack = stack) -> None:
                async with gate:
                    session = await stack.enter_async_context(_session(relay))
                    await _echo(session, 1)

            await asyncio.gather(*(enter() for _ in range(size)))
            await asyncio.sleep(5)
            relay.memory.append((relay.server.memory_of_all() - empty) / size)
            before = relay.server.seconds()
            await asyncio.sleep(10)
            relay.idle.append((relay.server.seconds() - before) * 10)


async def _set_up(relay: Relay) -> float:
    """Return the seconds until a new session has echoed a byte."""
    # Let the relay close the previous session first.
    await asyncio.sleep(0.05)
    began = time.perf_counter()
    async with _session(relay) as session:
        await _echo(session, 1)
        return time.perf_counter() - began


@contextlib.asynccontextmanager
async def _session(relay: Relay) -> AsyncIterator[Session]:
    scheme, _, where = relay.url.partition('://')
    if scheme == 'tcp':
        host, _, port = where.partition(':')
        reader, writer = await asyncio.open_connection(host, int(port))

        async def send(data: bytes) -> None:
            writer.write(data)
            await writer.drain()

        yield Session(send, lambda: reader.read(65536))
        writer.close()
        return
    async with routes.websocket(relay.url) as connection:
        yield Session(connection.send, lambda: connection.recv(decode=False))


async def _echo(session: Session, number: int) -> None:
    """Send a number of bytes, and wait until they have come back."""

    async def send() -> None:
        for start in range(0, number, _FRAME):
            await session.send(bytes(min(_FRAME, number - start)))

    async def receive() -> None:
        left = number
        while left:
            left -= len(await session.receive())

    await asyncio.gather(send(), receive())
