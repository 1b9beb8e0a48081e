# SPDX-License-Identifier: Apache-2.0

"""Measure the service, and compare it with other programs.

Starts MariaDB, keystone, memcached and the service as they are deployed: uWSGI
with two processes, keystone's tokens, and a warm cache. Without arguments, it
measures all parts beside nova, websockify and a plain TCP relay, and prints a
table of all goals in the end:

gateway  opening consoles, by browsers and by native clients
api      requests of the API
relays   the console proxy with idle sessions, and with one that echoes
fleet    100,000 sessions of 20 console proxies
"""

import argparse
import functools
import pathlib
import signal
import sys
from collections.abc import Callable, Mapping, Sequence

from benchmarks import api, gateway, growth, relays, simulation, table, targets

_Part = Callable[[], Sequence[table.Row]]


def main() -> int:
    """Run the benchmarks that the command line selects."""
    arguments = _arguments()
    # The programs that were started end with an exit, not with a signal.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with targets.stage() as stage:
        if arguments.growth:
            rows = [int(number) for number in arguments.growth.split(',')]
            growth.run(stage, rows, arguments.rounds, arguments.seconds)
            return 0
        found: list[table.Row] = []
        try:
            for name, part in _selected(stage, arguments).items():
                print(f'\n{name}\n', flush=True)
                found += part()
        finally:
            # Whatever fails: the parts before it took minutes.
            text = table.goals(found)
            print(f'\n{text}')
            if arguments.rst:
                arguments.rst.write_text(f'{text}\n')
    return 0


def _selected(
    stage: targets.Stage, arguments: argparse.Namespace
) -> Mapping[str, _Part]:
    only = arguments.only
    measure_api = functools.partial(
        api.run,
        stage,
        arguments.rounds,
        arguments.seconds,
        with_nova=arguments.nova,
        pymysql=arguments.pymysql,
        against=arguments.against,
    )
    sizes = [int(number) for number in (arguments.relays or '1000').split(',')]
    parts: Mapping[str, _Part] = {
        'gateway': lambda: gateway.run(
            stage,
            arguments.gateway or 100_000,
            3 * arguments.seconds,
            arguments.against,
        ),
        'api': measure_api,
        'relays': lambda: relays.run(sizes),
        'fleet': lambda: simulation.run(stage, arguments.fleet or 100_000),
    }
    is_api = arguments.pymysql or arguments.against
    if only not in parts and (only or is_api):
        return {'api': functools.partial(measure_api, only=only)}
    chosen = (
        {only}
        if only
        else {
            name
            for name in ('gateway', 'relays', 'fleet')
            if getattr(arguments, name)
        }
    )
    return {
        name: part
        for name, part in parts.items()
        if not chosen or name in chosen
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='python -m benchmarks',
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument(
        '--seconds', type=int, default=4, help='duration of each round'
    )
    parser.add_argument(
        '--only',
        metavar='NAME',
        help='measure only this part; or only the requests of the API whose '
        'name contains NAME: "look-up"',
    )
    parser.add_argument(
        '--rst',
        type=pathlib.Path,
        metavar='FILE',
        help='also write the table of goals to a file',
    )
    parser.add_argument(
        '--against',
        type=pathlib.Path,
        metavar='CHECKOUT',
        help='measure only requests of the API, and also those of another '
        'checkout of the service; or with --only gateway, only what opening '
        'costs with both',
    )
    parser.add_argument(
        '--nova',
        action=argparse.BooleanOptionalAction,
        default=True,
        help='measure the same look-up in a real nova',
    )
    parser.add_argument(
        '--pymysql',
        action='store_true',
        help='measure only requests of the API, and also with this driver '
        'instead of mysqlclient',
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
        help='measure only this part, with these numbers of idle sessions '
        'instead of 1000',
    )
    parser.add_argument(
        '--gateway',
        metavar='CONSOLES',
        type=int,
        help='measure only this part, with log-ins among this number of '
        'consoles instead of 100,000',
    )
    parser.add_argument(
        '--fleet',
        metavar='SESSIONS',
        type=int,
        help='measure only this part, with this number of sessions instead of '
        '100,000',
    )
    return parser.parse_args()


if __name__ == '__main__':
    sys.exit(main())
