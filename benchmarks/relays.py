# SPDX-License-Identifier: Apache-2.0

"""Compare the console proxy with websockify and a plain TCP relay.

All lead to the same echo server. Measure the CPU time of the relay while one
session echoes, and its memory with many idle sessions.
"""

import asyncio
import contextlib
import dataclasses
import functools
import pathlib
import resource
import ssl
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence

import fixtures as fixtures_
from websockets.asyncio import client

from benchmarks.load import Server
from console_svc.tests import fixtures
from console_svc.tests.integration.service import Service
from console_svc.tests.programs import certificates, process
from console_svc.tests.programs.proxy import Proxy

_MIB = 2**20
_ECHOED = 50 * _MIB
_FRAME = 32 * 1024
# Number of sessions whose set-up is timed.
_SET_UPS = 100
# Sessions that are opened concurrently.
_AT_ONCE = 50


@dataclasses.dataclass
class Session:
    """The client side of a session."""

    send: Callable[[bytes], object]
    receive: Callable[[], object]


@dataclasses.dataclass
class Relay:
    """A program to measure.

    :param sizes: numbers of idle sessions
    """

    name: str
    server: Server
    url: str
    sizes: Sequence[int]


def run(sizes: Sequence[int]) -> None:
    """Measure, and print a table.

    :param sizes: numbers of idle sessions of the console proxy
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with contextlib.ExitStack() as stack:
        relays = _relays(stack, sizes)
        line = '  '.join('=' * width for width in (26, 8, 11, 10, 10, 9))
        print(line)
        print(
            f'{"":26}  sessions  KiB/session  idle CPU %  ms CPU/MiB  '
            'set-up ms'
        )
        print(line)
        for relay in relays:
            asyncio.run(_measure(relay))
        print(line)


def _relays(
    stack: contextlib.ExitStack, sizes: Sequence[int]
) -> Sequence[Relay]:
    folder = pathlib.Path(
        stack.enter_context(fixtures_.TempDir()).path  # type: ignore[attr-defined]
    )
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
            'TCP relay',
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
    for scheme, options in (
        ('ws', {}),
        (
            'wss',
            {
                'cert': folder / 'server-cert.pem',
                'key': folder / 'server-key.pem',
            },
        ),
    ):
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


async def _measure(relay: Relay) -> None:
    async with _session(relay) as session:
        await _echo(session, _FRAME)
        empty = relay.server.memory_of_all()
        before = relay.server.seconds()
        await _echo(session, _ECHOED)
        cpu = (relay.server.seconds() - before) * 1000 / (_ECHOED / _MIB)
    set_ups = [await _set_up(relay) for _ in range(_SET_UPS)]
    for size in relay.sizes:
        async with contextlib.AsyncExitStack() as stack:
            gate = asyncio.Semaphore(_AT_ONCE)

            async def enter(
                stack: contextlib.AsyncExitStack = stack,
                gate: asyncio.Semaphore = gate,
            ) -> None:
                async with gate:
                    session = await stack.enter_async_context(_session(relay))
                    await _echo(session, 1)

            await asyncio.gather(*(enter() for _ in range(size)))
            await asyncio.sleep(5)
            memory = (relay.server.memory_of_all() - empty) / size
            before = relay.server.seconds()
            await asyncio.sleep(10)
            idle = (relay.server.seconds() - before) * 10
        print(
            f'{relay.name:26}  {size:8}  {memory:11.1f}  {idle:10.1f}  '
            f'{cpu:10.2f}  {statistics.median(set_ups) * 1000:9.1f}'
        )


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
    context = _unverified() if scheme == 'wss' else None
    async with client.connect(
        relay.url,
        ssl=context,
        subprotocols=['binary'],  # type: ignore[list-item]
        compression=None,
        ping_interval=None,
        max_size=None,
    ) as connection:
        yield Session(connection.send, connection.recv)


@functools.cache
def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


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
