# SPDX-License-Identifier: Apache-2.0

"""Measures the service beside what it is compared with.

Starts MariaDB, keystone, memcached and the service as they are deployed: uWSGI
with two processes, tokens of keystone, a warm cache. Rounds are interleaved,
so that what disturbs the machine disturbs all alike; medians are printed.
"""

import argparse
import pathlib
import statistics
import sys
from collections.abc import Sequence

from benchmarks import gateway, growth, load, nova, relays, targets


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(
        prog='python -m benchmarks',
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument(
        '--seconds', type=int, default=5, help='of each round of a target'
    )
    parser.add_argument(
        '--against',
        type=pathlib.Path,
        metavar='CHECKOUT',
        help='another checkout of the service, to be measured beside this',
    )
    parser.add_argument(
        '--only', metavar='NAME', help='of the requests, such as "look-up"'
    )
    parser.add_argument(
        '--nova',
        action='store_true',
        help='the same look-up in a real nova, beside',
    )
    parser.add_argument(
        '--mysqlclient',
        action='store_true',
        help='the service with this driver, too, beside PyMySQL',
    )
    parser.add_argument(
        '--growth',
        metavar='ROWS,...',
        help='instead: look-ups among so many rows, and during a purge',
    )
    parser.add_argument(
        '--relays',
        metavar='SESSIONS,...',
        help='instead: the console proxy with so many idle sessions, beside '
        'websockify and a plain TCP relay',
    )
    parser.add_argument(
        '--gateway',
        metavar='CONSOLES',
        type=int,
        help='instead: the gateway for native clients beside a direct '
        'connection and a plain TCP relay, and log-ins among so many consoles',
    )
    arguments = parser.parse_args()
    if arguments.relays:
        relays.run([int(number) for number in arguments.relays.split(',')])
        return 0
    with targets.stage() as stage:
        if arguments.gateway:
            gateway.run(stage, arguments.gateway, arguments.seconds)
        elif arguments.growth:
            rows = [int(number) for number in arguments.growth.split(',')]
            growth.run(stage, rows, arguments.rounds, arguments.seconds)
        else:
            _compare(stage, arguments)
    return 0


def _compare(stage: targets.Stage, arguments: argparse.Namespace) -> None:
    found: list[targets.Target] = []
    subject = targets.Subject(stage)
    stage.use(subject)
    subjects = {'': subject}
    if arguments.mysqlclient:
        subjects['mysqlclient: '] = targets.Subject(stage, driver='mysqldb')
    if arguments.against:
        subjects['before: '] = targets.Subject(stage, arguments.against)
    for it in list(subjects.values())[1:]:
        stage.use(it)
    memory = {
        name or 'now: ': it.server.memory() for name, it in subjects.items()
    }
    for prefix, it in subjects.items():
        found += [
            targets.Target(f'{prefix}{name}', it.server, request)
            for name, request in it.requests().items()
            if not arguments.only or arguments.only in name
        ]
    found += targets.floors(stage, subject)
    if arguments.nova:
        server, request = nova.target(stage, subject)
        found.append(targets.Target('nova: token look-up', server, request))
    for target in found:
        load.wrk(target.request, 1, connections=1)
    print('MiB (PSS) of a worker, at rest:')
    for name, mib in memory.items():
        print(f'  {name}{mib:.1f}')
    rounds = {target.name: [] for target in found}
    for number in range(arguments.rounds):
        for target in _rotated(found, number):
            rounds[target.name].append(
                load.run(target.request, target.server, arguments.seconds)
            )
    _print(rounds)


def _rotated(
    found: Sequence[targets.Target], by: int
) -> Sequence[targets.Target]:
    """The same, beginning elsewhere: nobody always comes after the same."""
    by %= len(found)
    return [*found[by:], *found[:by]]


def _print(rounds: dict[str, list[load.Sample]]) -> None:
    """A table, as reStructuredText has it."""
    width = max(map(len, rounds))
    line = f'{"=" * width}  =======  =======  =======  ========  ============='
    print(line)
    print(
        f'{"":{width}}   ms CPU     +-%      p50       p99       1/s'.rstrip()
    )
    print(line)
    for name, samples in rounds.items():
        cpu = [sample.cpu for sample in samples]
        middle = statistics.median(cpu)
        noise = (max(cpu) - min(cpu)) / 2 / middle * 100
        p50, p99, rate = (
            statistics.median(getattr(sample, what) for sample in samples)
            for what in ('p50', 'p99', 'rate')
        )
        print(
            f'{name:{width}}  {middle:7.3f}  {noise:7.1f}  {p50:7.2f}  '
            f'{p99:8.2f}  {rate:13.0f}'
        )
    print(line)


if __name__ == '__main__':
    sys.exit(main())
