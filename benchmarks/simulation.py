# SPDX-License-Identifier: Apache-2.0

"""Measure the keep-alive requests of a fleet of proxies, and what a loss does to it.

An API host and a proxy are killed halfway. Sessions end through the API before
and after that.
"""

import dataclasses
import statistics
import time
from collections.abc import Sequence

from benchmarks import table
from benchmarks.fleet import ENDED, OBSERVED, PROXIES, Cores, Fleet
from benchmarks.fleet_proxy import identifier
from benchmarks.targets import Stage

# Seconds over which CPU time is measured.
_WINDOW = 30

# Seconds between two requests that end sessions.
_PAUSE = 0.05

# Seconds until sessions that have ended must be cut, and lost ones lapsed.
_PATIENCE = 120


def run(stage: Stage, size: int) -> Sequence[table.Row]:
    """Measure, and print what happens.

    :param size: number of sessions
    """
    fleet = Fleet(stage, size)
    try:
        fleet.start()
        return _measure(fleet, size)
    finally:
        fleet.stop()


def _measure(fleet: Fleet, size: int) -> Sequence[table.Row]:
    lost = PROXIES - 1
    before = _steady(fleet, 'two API hosts', PROXIES)
    first = _end(fleet, range(PROXIES), 1)
    _wait(fleet, first)
    fleet.hosts[1].process.kill()
    fleet.proxies[lost].process.kill()
    lapse = _lapse(fleet, lost)
    after = _steady(fleet, 'one API host, one proxy less', lost)
    second = _end(fleet, range(lost), 1 + ENDED)
    _wait(fleet, second)
    ended = {**first, **second}
    cut = _cut(fleet)
    wrong = cut.keys() - ended
    late = [_lateness(cut, it) for it in (first, second)]
    print(
        f'{len(ended)} sessions were ended, half of them by revocation. '
        f'Cut after {late[0]}, and after {late[1]} without the API host.\n'
        f'{len(wrong)} other sessions were cut.\n'
        f'{fleet.unanswered} requests of users had to be repeated.\n'
        f'The sessions of the lost proxy lapsed after {lapse:.0f} s.'
    )
    delays = [cut[it] - at for it, at in ended.items()]
    return [
        *_keep_alives(f'keep-alive of {size:,} sessions', before, True),
        *_keep_alives('the same with one API host', after, False),
        table.Row(
            'from the end of a session to its cut, median',
            statistics.median(delays),
            's',
        ),
        table.Row(
            'the longest', max(delays), 's', goal=f'≤ {fleet.keep_interval} s'
        ),
        table.Row('sessions cut that were not ended', len(wrong), goal='0'),
        table.Row('lapse of the sessions of a lost proxy', lapse, 's'),
    ]


def _keep_alives(
    name: str, cores: Cores, has_goal: bool
) -> Sequence[table.Row]:
    return [
        table.Row(
            f'{name}, {what}', used, 'cores', goal=goal if has_goal else ''
        )
        for what, used, goal in (
            ('API', cores.api, '≤ 0.3'),
            ('database', cores.database, '≤ 0.2'),
        )
    ]


def _steady(fleet: Fleet, what: str, proxies: int) -> Cores:
    """Measure while nothing ends, and print it.

    :param proxies: number of proxies that live
    :returns: what is used if no round of keep-alive requests is late
    """
    began = time.time()
    cores = fleet.cores(_WINDOW)
    rounds = [
        event['value']
        for number in range(PROXIES)
        for event in fleet.events(number, 'kept')
        if event['at'] >= began
    ]
    rate = len(rounds) / cores.seconds
    due = proxies / fleet.keep_interval
    print(
        f'{what}: {cores.api:.2f} cores of the API, {cores.database:.2f} of '
        f'the database, {cores.proxies:.2f} of the proxies; {rate:.1f} rounds '
        f'of keep-alive requests a second ({due:.1f} are due), each took '
        f'{statistics.median(rounds):.2f} s (median), {max(rounds):.2f} s at '
        'most',
        flush=True,
    )
    return dataclasses.replace(
        cores,
        api=cores.api * due / rate,
        database=cores.database * due / rate,
    )


def _end(fleet: Fleet, proxies: Sequence[int], first: int) -> dict[str, float]:
    """End sessions of all proxies in turn.

    :param first: number of the first session of each proxy
    :returns: id -> when the API had answered, in seconds of the epoch
    """
    ended = {}
    for number in range(first, first + ENDED):
        for proxy in proxies:
            it = identifier(proxy, number)
            # The session and its server have the same id.
            what = 'console-auth-tokens'
            if number % 2:
                what = f'console-sessions/{it}'
            fleet.request('DELETE', f'{it}/{what}')
            ended[it] = time.time()
            time.sleep(_PAUSE)
    return ended


def _wait(fleet: Fleet, ended: dict[str, float]) -> None:
    """Wait until sessions are cut."""
    until = time.monotonic() + _PATIENCE
    while missing := ended.keys() - _cut(fleet):
        if time.monotonic() > until:
            raise AssertionError(f'{len(missing)} sessions were not cut')
        time.sleep(1)


def _cut(fleet: Fleet) -> dict[str, float]:
    """Return the sessions that the proxies have cut, and when."""
    return {
        event['value']: event['at']
        for number in range(PROXIES)
        for event in fleet.events(number, 'ended')
    }


def _lateness(cut: dict[str, float], ended: dict[str, float]) -> str:
    late = [cut[it] - at for it, at in ended.items()]
    return f'{statistics.median(late):.1f} s (median), {max(late):.1f} at most'


def _lapse(fleet: Fleet, lost: int) -> float:
    """Return the seconds until a proxy's sessions are no longer listed."""
    began = time.monotonic()
    first = 2 * ENDED + 1
    for number in range(first, first + OBSERVED):
        path = f'{identifier(lost, number)}/console-sessions'
        while fleet.request('GET', path).json()['console_sessions']:
            if time.monotonic() - began > _PATIENCE:
                raise AssertionError('sessions of a lost proxy do not lapse')
            time.sleep(1)
    return time.monotonic() - began
