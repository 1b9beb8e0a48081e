# SPDX-License-Identifier: Apache-2.0

"""What the API's requests cost, beside nova's and lower bounds.

The rounds of all targets are interleaved, so that noise affects them alike.
"""

import pathlib
import statistics
from collections.abc import Sequence
from importlib import metadata

from benchmarks import load, nova, table
from benchmarks.targets import Stage, Subject, Target, floors

_LOOK_UP = 'token look-up'
_ISSUE = 'token issue'


def run(
    stage: Stage,
    rounds: int,
    seconds: int,
    *,
    only: str | None = None,
    with_nova: bool = True,
    pymysql: bool = False,
    against: pathlib.Path | None = None,
) -> Sequence[table.Row]:
    """Measure, and print the cost of each request.

    :param rounds: number of rounds; medians count
    :param seconds: duration of a round
    :param only: measure only requests whose name contains this
    :param with_nova: also measure nova's look-up
    :param pymysql: also measure the service with this driver
    :param against: also measure the service of this checkout
    """
    subjects = {'': Subject(stage)}
    if pymysql:
        subjects['PyMySQL: '] = Subject(stage, driver='pymysql')
    if against:
        subjects['before: '] = Subject(stage, against)
    for subject in subjects.values():
        stage.use(subject)
    print('MiB (PSS) of a worker, at rest:')
    for prefix, subject in subjects.items():
        print(f'  {prefix or "now: "}{subject.server.memory():.1f}')
    found = [
        Target(f'{prefix}{name}', subject.server, request)
        for prefix, subject in subjects.items()
        for name, request in subject.requests().items()
        if not only or only in name
    ]
    found += floors(stage, subjects[''])
    peer, problem = f'nova {_version()}', ''
    if with_nova:
        try:
            server, request = nova.target(stage, subjects[''])
        except Exception as error:
            # It needs programs of its own: RabbitMQ and placement.
            reason = str(error).partition('\n')[0] or type(error).__name__
            problem = f'was not measured: {reason}'
            print(f'{peer} {problem}')
        else:
            found.append(Target(f'{peer}: {_LOOK_UP}', server, request))
    samples = _measure(found, rounds, seconds)
    print(_table(samples))
    return _rows(samples, peer, problem)


def _measure(
    found: Sequence[Target], rounds: int, seconds: int
) -> dict[str, list[load.Sample]]:
    for target in found:
        load.warm_up(target.request)
    samples: dict[str, list[load.Sample]] = {
        target.name: [] for target in found
    }
    for number in range(rounds):
        for target in _rotated(found, number):
            samples[target.name].append(
                load.run(target.request, target.server, seconds)
            )
    return samples


def _rows(
    samples: dict[str, list[load.Sample]], peer: str, problem: str
) -> Sequence[table.Row]:
    cpu = {name: _median(it, 'cpu') for name, it in samples.items()}
    rows = []
    if _LOOK_UP in cpu:
        theirs = cpu.get(f'{peer}: {_LOOK_UP}', problem)
        rows.append(
            table.Row(
                'token look-up',
                cpu[_LOOK_UP],
                'ms',
                {peer: theirs} if theirs else {},
                '≤ 1/10',
                is_saving=True,
            )
        )
    if _ISSUE in cpu:
        rows.append(table.Row(_ISSUE, cpu[_ISSUE], 'ms', goal='≤ 0.9 ms'))
    return rows


def _rotated(found: Sequence[Target], by: int) -> Sequence[Target]:
    """Rotate the order, so that no target always follows the same one."""
    by %= len(found)
    return [*found[by:], *found[:by]]


def _table(samples: dict[str, list[load.Sample]]) -> str:
    rows = []
    for name, found in samples.items():
        cpu = [sample.cpu for sample in found]
        noise = (max(cpu) - min(cpu)) / 2 / statistics.median(cpu) * 100
        rows.append(
            (
                name,
                f'{_median(found, "cpu"):.3f}',
                f'{noise:.1f}',
                f'{_median(found, "p50"):.2f}',
                f'{_median(found, "p99"):.2f}',
                f'{_median(found, "rate"):.0f}',
            )
        )
    return table.render(('', 'ms CPU', '+-%', 'p50', 'p99', '1/s'), rows)


def _median(samples: Sequence[load.Sample], what: str) -> float:
    return float(
        statistics.median(getattr(sample, what) for sample in samples)
    )


def _version() -> str:
    try:
        return metadata.version('nova')
    except metadata.PackageNotFoundError:
        return '34'
