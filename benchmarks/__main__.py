# SPDX-License-Identifier: Apache-2.0

"""Measure the service, and compare it with other programs.

Starts MariaDB, keystone, memcached and the service as they are deployed: uWSGI
with two processes, keystone's tokens, and a warm cache. The rounds of all
targets are interleaved, so that noise affects them alike. Prints medians.
"""

import argparse
import pathlib
import statistics
import sys
from collections.abc import Sequence

from benchmarks import gateway, growth, load, nova, relays, targets


def main() -> int:
    """Run the benchmark that the command line selects."""
    parser = argparse.ArgumentParser(
        prog='python -m benchmarks',
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument(
        '--seconds', type=int, default=5, help='duration of each round'
    )
    parser.add_argument(
        '--against',
        type=pathlib.Path,
        metavar='CHECKOUT',
        help='also measure another checkout of the service',
    )
    parser.add_argument(
        '--only',
        metavar='NAME',
        help='measure only requests whose name contains NAME: "look-up"',
    )
    parser.add_argument(
        '--nova',
        action='store_true',
        help='also measure the same look-up in a real nova',
    )
    parser.add_argument(
        '--mysqlclient',
        action='store_true',
        help='also measure the service with this driver instead of PyMySQL',
    )
    parser.add_argument(
        '--growth',
        metavar='ROWS,...',
        help='measure only look-ups: among these numbers of rows, and during '
        'a purge',
    )
    parser.add_argument(
        '--relays',
        metavar='SESSIONS,...',
        help='measure only the console proxy, with these numbers of idle '
        'sessions, and compare it with websockify and a plain TCP relay',
    )
    parser.add_argument(
        '--gateway',
        metavar='CONSOLES',
        type=int,
        help='measure only the gateway for native clients, compare it with a '
        'direct connection and a plain TCP relay, and measure log-ins among '
        'this number of consoles',
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
    """Rotate the order, so that no target always follows the same one."""
    by %= len(found)
    return [*found[by:], *found[:by]]


def _print(rounds: dict[str, list[load.Sample]]) -> None:
    """Print a table in reStructuredText."""
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
