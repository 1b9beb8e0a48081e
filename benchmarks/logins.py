# SPDX-License-Identifier: Apache-2.0

"""Measure concurrent log-ins of native clients with many consoles."""

import asyncio
import collections
import random
import statistics
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence

from benchmarks import routes, table
from benchmarks.load import Server
from benchmarks.targets import Subject
from console_svc.consoles import vault
from console_svc.db.tables import console_auth_tokens, consoles
from console_svc.protocols import rfb
from console_svc.proxy.errors import PeerClosed
from console_svc.proxy.handshakes import perform
from console_svc.tests.programs.gateway import by_target

#: Concurrent log-ins.
AT_ONCE = 16

# Rows per INSERT.
_BATCH = 5000
_NEVER = 2**40


async def measure(
    log_in: Callable[[], Awaitable[object]],
    relay: routes.Route,
    proxy: Server,
    api: Server,
    seconds: int,
) -> table.Row:
    """Log in from several clients at once, and print what it costs.

    :param log_in: logs in, and disconnects
    :param relay: connect through it for comparison
    :param seconds: duration
    """
    servers = (proxy, api)
    before = [server.seconds() for server in servers]
    waited = await _repeat(log_in, seconds)
    after = [server.seconds() for server in servers]
    done = len(waited)
    if done:
        proxy_ms, api_ms = (
            (now - then) * 1000 / done
            for then, now in zip(before, after, strict=True)
        )
        print(
            f'{AT_ONCE} clients: {done / seconds:.0f} log-ins a second, '
            f'median {statistics.median(waited) * 1000:.0f} ms; CPU '
            f'{proxy_ms:.2f} ms of the gateway and {api_ms:.2f} ms of the '
            'API each'
        )

    async def connect() -> None:
        async with relay.connected():
            pass

    connected = len(await _repeat(connect, seconds))
    return table.Row(
        'log-ins a second',
        done / seconds,
        peers={relay.name: connected / seconds},
        goal='≥ 400',
    )


async def _repeat(
    action: Callable[[], Awaitable[object]], seconds: int
) -> list[float]:
    """Repeat an action; return the seconds that each successful one took."""
    took: list[float] = []
    refused: collections.Counter[str] = collections.Counter()
    until = time.perf_counter() + seconds

    async def user() -> None:
        while (began := time.perf_counter()) < until:
            try:
                await action()
            except (rfb.RFBError, PeerClosed, OSError) as error:
                refused[str(error) or type(error).__name__] += 1
            else:
                took.append(time.perf_counter() - began)

    await asyncio.gather(*(user() for _ in range(AT_ONCE)))
    for reason, number in refused.items():
        print(f'refused: {number}, {reason}')
    return took


async def log_in(port: int, servers: Sequence[str], password: str) -> None:
    """Log in to the console of one of some servers, and disconnect."""
    async with routes.tcp(port) as stream:
        await perform(
            stream,
            by_target(random.choice(servers)),
            routes.PATIENCE,
            routes.Credentials(stream, password),
        )


def fill(
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
