# SPDX-License-Identifier: Apache-2.0

"""Load by wrk, and what it costs those who answer."""

import dataclasses
import json
import os
import pathlib
import subprocess
from collections.abc import Mapping

from console_svc.tests.programs import process

_TICKS = os.sysconf('SC_CLK_TCK')
_REPORT = pathlib.Path(__file__).with_name('report.lua')


@dataclasses.dataclass(frozen=True)
class Request:
    """What is asked again and again."""

    url: str
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    method: str = 'GET'
    body: str = ''
    #: A prefix, and up to which number: each request ends in another one.
    random: tuple[str, int] = ('', 0)


@dataclasses.dataclass(frozen=True)
class Sample:
    """One round of load.

    :param rate: answers per second
    :param p50: milliseconds
    :param p99: milliseconds
    :param cpu: milliseconds of CPU per answer, of all of a server's processes
    """

    rate: float
    p50: float
    p99: float
    cpu: float


class Server:
    """A program whose cost is measured.

    :param pid: the process that leads its group
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def processes(self) -> list[int]:
        """All processes of the group."""
        return [
            int(entry.name)
            for entry in pathlib.Path('/proc').iterdir()
            if entry.name.isdigit() and _group(int(entry.name)) == self._pid
        ]

    def seconds(self) -> float:
        """CPU that they have spent, in user and system mode."""
        return sum(
            sum(map(int, _stat(pid)[11:13])) for pid in self.processes()
        ) / float(_TICKS)

    def memory_of_all(self) -> float:
        """KiB (PSS) of all processes together."""
        return sum(map(_pss, self.processes()))

    def memory(self) -> float:
        """MiB (PSS) of a worker, on average."""
        workers = [pid for pid in self.processes() if pid != self._pid]
        return sum(map(_pss, workers)) / len(workers) / 1024


def run(
    request: Request, server: Server, seconds: int, connections: int = 4
) -> Sample:
    """Ask for some seconds.

    :raises AssertionError: an answer was no 2xx
    """
    before = server.seconds()
    found = wrk(request, seconds, connections)
    cpu = server.seconds() - before
    return Sample(
        rate=found['requests'] / found['microseconds'] * 1e6,
        p50=found['p50'] / 1e3,
        p99=found['p99'] / 1e3,
        cpu=cpu * 1e3 / found['requests'],
    )


def wrk(
    request: Request, seconds: int, connections: int = 4
) -> dict[str, int]:
    """What wrk says (report.lua)."""
    command = [
        process.program('wrk'),
        *('--threads', '1', '--connections', str(connections)),
        *('--duration', f'{seconds}s', '--timeout', '30s', '--latency'),
        *('--script', str(_REPORT), request.url),
    ]
    for name, value in request.headers.items():
        command += ['--header', f'{name}: {value}']
    output = subprocess.run(
        [
            *(*command, '--', request.method, request.body),
            *map(str, request.random),
        ],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    found: dict[str, int] = json.loads(output.strip().splitlines()[-1])
    assert found['requests'], output
    assert not found['failed'], output
    return found


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat, from the third on: proc(5)."""
    text = pathlib.Path(f'/proc/{pid}/stat').read_text()
    return text.rpartition(')')[2].split()


def _group(pid: int) -> int | None:
    try:
        return int(_stat(pid)[2])
    except (FileNotFoundError, ProcessLookupError):
        return None


def _pss(pid: int) -> int:
    """KiB."""
    rollup = pathlib.Path(f'/proc/{pid}/smaps_rollup').read_text()
    for line in rollup.splitlines():
        if line.startswith('Pss:'):
            return int(line.split()[1])
    raise LookupError(pid)
