# SPDX-License-Identifier: Apache-2.0

"""What opening a console costs, and what a native session costs then.

Compare browsers and native clients through the proxy with websockify, a plain
TCP relay and a direct connection. All lead to the same VNC server.
"""

import asyncio
import contextlib
import dataclasses
import pathlib
import statistics
import time
from collections.abc import Sequence

from benchmarks import logins, painter, table
from benchmarks.load import Server
from benchmarks.routes import Route
from benchmarks.scene import IDLE, Scene
from benchmarks.targets import Stage

_MIB = 2**20
_ROUNDS = 3
# Rounds that compare two versions.
_COMPARED_ROUNDS = 8
# Sessions that each route opens in a round.
_SET_UPS = 100
_UPDATES = 200


@dataclasses.dataclass
class Costs:
    """What a route costs, by round.

    :param set_ups: seconds to the first byte of the console, by session
    :param opens: milliseconds of CPU time of a session, from open to close
    :param bytes: milliseconds of CPU time of a MiB
    :param rates: megabytes per second
    :param memory: KiB of an idle session; None: not measured
    """

    set_ups: list[float] = dataclasses.field(default_factory=list)
    opens: list[float] = dataclasses.field(default_factory=list)
    bytes: list[float] = dataclasses.field(default_factory=list)
    rates: list[float] = dataclasses.field(default_factory=list)
    memory: float | None = None

    @property
    def set_up(self) -> float:
        """The median in milliseconds."""
        return statistics.median(self.set_ups) * 1000

    @property
    def opening(self) -> float:
        """The median."""
        return statistics.median(self.opens)

    def cells(self) -> Sequence[str]:
        """Return the row's texts, without the name."""
        return (
            f'{self.set_up:.1f}',
            f'{self.opening:.2f}',
            f'{statistics.median(self.rates):.0f}',
            f'{statistics.median(self.bytes):.2f}',
            '' if self.memory is None else f'{self.memory:.1f}',
        )


def run(
    stage: Stage,
    consoles: int,
    seconds: int,
    against: pathlib.Path | None = None,
) -> Sequence[table.Row]:
    """Measure, and print what each route costs.

    :param consoles: number of consoles in the database during the log-ins
    :param seconds: duration of the log-ins
    :param against: only compare what opening costs with this checkout
    """
    if against is not None:
        return _compare(stage, against)
    with contextlib.ExitStack() as exits:
        scene = Scene(stage, exits)
        peers = scene.peers()
        with scene.gateway() as proxy:
            found = [*peers, scene.browser(proxy), *scene.native(proxy)]
            costs = asyncio.run(_open_and_use(found))
        costs['plain relay'].memory = asyncio.run(_memory(peers[1]))
        for number, name in enumerate(('gateway, VNC', 'gateway, X509Vnc')):
            # A new proxy for each, because a process keeps freed memory.
            with scene.gateway() as proxy:
                route = scene.native(proxy)[number]
                costs[name].memory = asyncio.run(_memory(route))
        heads = ('set-up ms', 'ms CPU/session', 'MB/s', 'ms CPU/MiB')
        print(
            table.render(
                ('', *heads, 'KiB/session'),
                [(name, *cost.cells()) for name, cost in costs.items()],
            )
        )
        logins.fill(scene.subject, scene.servers, consoles, scene.password)
        with scene.gateway() as proxy:
            log_ins = asyncio.run(
                logins.measure(
                    lambda: logins.log_in(
                        scene.listen_port, scene.servers, scene.password
                    ),
                    peers[1],
                    Server(proxy.process.pid),
                    scene.subject.server,
                    seconds,
                )
            )
    return [*_rows(costs), log_ins]


def _compare(stage: Stage, against: pathlib.Path) -> Sequence[table.Row]:
    with contextlib.ExitStack() as exits:
        scene = Scene(stage, exits)
        _, relay, _ = scene.peers()
        found = [relay]
        for prefix, it in (
            ('', scene),
            ('before: ', Scene(stage, exits, against)),
        ):
            proxy = exits.enter_context(it.gateway())
            for route in (it.browser(proxy), *it.native(proxy)):
                route.name = f'{prefix}{route.name}'
                found.append(route)
        costs = asyncio.run(_only_open(found))
    print(
        table.render(
            ('', 'set-up ms', 'ms CPU/session', 'lowest'),
            [
                (
                    name,
                    f'{it.set_up:.1f}',
                    f'{it.opening:.2f}',
                    f'{min(it.opens):.2f}',
                )
                for name, it in costs.items()
            ],
        )
    )
    return []


def _rows(costs: dict[str, Costs]) -> Sequence[table.Row]:
    opens = {name: cost.opening for name, cost in costs.items()}
    relay = {'plain relay': opens['plain relay']}
    return [
        table.Row(
            'browser session, open to close',
            opens['browser'],
            'ms',
            {**relay, 'websockify': opens['websockify']},
            '≤ 3 ms, ≤ 2.5 times',
        ),
        table.Row(
            'VNC authentication, open to close',
            opens['gateway, VNC'],
            'ms',
            relay,
            '≤ 4 ms, ≤ 3.5 times',
        ),
        table.Row(
            'X509Vnc, open to close',
            opens['gateway, X509Vnc'],
            'ms',
            relay,
            '≤ 5 times',
        ),
        table.Row(
            'set-up to the first byte',
            costs['gateway, VNC'].set_up,
            'ms',
            {'direct': costs['direct'].set_up},
            '≤ 5 ms',
        ),
    ]


async def _open_and_use(found: Sequence[Route]) -> dict[str, Costs]:
    costs = {route.name: Costs() for route in found}
    for route in found:
        async with route.connected():
            pass
    for _ in range(_ROUNDS):
        for route in found:
            await _openings(route, costs[route.name])
            await _updates(route, costs[route.name])
    return costs


async def _only_open(found: Sequence[Route]) -> dict[str, Costs]:
    costs = {route.name: Costs() for route in found}
    # Not the first round: it fills caches.
    for number in range(-1, _COMPARED_ROUNDS):
        for route in found:
            await _openings(
                route, costs[route.name] if number >= 0 else Costs()
            )
    return costs


async def _openings(route: Route, costs: Costs) -> None:
    before = route.seconds()
    for _ in range(_SET_UPS):
        # Let the previous session close first.
        await asyncio.sleep(0.02)
        began = time.perf_counter()
        async with route.connected():
            costs.set_ups.append(time.perf_counter() - began)
    await asyncio.sleep(1)
    costs.opens.append((route.seconds() - before) * 1000 / _SET_UPS)


async def _updates(route: Route, costs: Costs) -> None:
    async with route.connected() as stream:
        before, began = route.seconds(), time.perf_counter()
        for _ in range(_UPDATES):
            await stream.write(painter.REQUEST)
            await stream.read_exactly(painter.UPDATE_SIZE)
        took = time.perf_counter() - began
        moved = _UPDATES * painter.UPDATE_SIZE
        costs.rates.append(moved / 1e6 / took)
        costs.bytes.append((route.seconds() - before) * 1000 / moved * _MIB)


async def _memory(route: Route) -> float:
    """Return the KiB of an idle session."""
    async with route.connected():
        pass
    await asyncio.sleep(2)
    empty = route.memory()
    gate = asyncio.Semaphore(logins.AT_ONCE)
    async with contextlib.AsyncExitStack() as stack:

        async def enter() -> None:
            async with gate:
                await stack.enter_async_context(route.connected())

        await asyncio.gather(*(enter() for _ in range(IDLE)))
        await asyncio.sleep(5)
        return (route.memory() - empty) / IDLE
