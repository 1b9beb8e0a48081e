# SPDX-License-Identifier: Apache-2.0

"""Generate load with wrk, and measure the CPU time of the server."""

import dataclasses
import json
import os
import pathlib
import subprocess
from collections.abc import Mapping
from concurrent import futures

import requests

from console_svc.tests.programs import process

_TICKS = os.sysconf('SC_CLK_TCK')
_REPORT = pathlib.Path(__file__).with_name('report.lua')


@dataclasses.dataclass(frozen=True)
class Request:
    """A request that wrk repeats."""

    url: str
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    method: str = 'GET'
    body: str = ''
    #: Each path ends in this prefix and a random number up to this one.
    random: tuple[str, int] = ('', 0)


@dataclasses.dataclass(frozen=True)
class Sample:
    """One round of load.

    :param rate: answers per second
    :param p50: median latency in milliseconds
    :param p99: 99th percentile of the latency in milliseconds
    :param cpu: milliseconds of CPU time per answer, of all processes
    """

    rate: float
    p50: float
    p99: float
    cpu: float


class Server:
    """A program whose CPU time and memory are measured.

    :param pid: the leader of its process group
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def processes(self) -> list[int]:
        """Return all processes of the group."""
        return [
            int(entry.name)
            for entry in pathlib.Path('/proc').iterdir()
            if entry.name.isdigit() and _group(int(entry.name)) == self._pid
        ]

    def seconds(self) -> float:
        """Return the CPU seconds of all processes, user and system.

        Those of children that have ended count, too.
        """
        return sum(
            sum(map(int, _stat(pid)[11:15])) for pid in self.processes()
        ) / float(_TICKS)

    def memory_of_all(self) -> float:
        """Return the memory (PSS) of all processes together, in KiB."""
        return sum(map(_pss, self.processes()))

    def memory(self) -> float:
        """Return the average memory (PSS) of a worker, in MiB."""
        workers = [pid for pid in self.processes() if pid != self._pid]
        return sum(map(_pss, workers)) / len(workers) / 1024


def warm_up(request: Request) -> None:
    """Send some requests at once, and wait for each as long as it takes.

    A process loads much at its first request.
    """

    def send(_: int) -> None:
        requests.request(
            request.method,
            request.url,
            headers=dict(request.headers),
            data=request.body or None,
            timeout=process.PATIENCE,
        ).raise_for_status()

    with futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(send, range(100)))


def run(
    request: Request, server: Server, seconds: int, connections: int = 4
) -> Sample:
    """Generate load for some seconds.

    :raises AssertionError: a request failed or got an error
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
    """Run wrk and return the result of report.lua."""
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
    """Return the fields of /proc/PID/stat from the third on; see proc(5)."""
    text = pathlib.Path(f'/proc/{pid}/stat').read_text()
    return text.rpartition(')')[2].split()


def _group(pid: int) -> int | None:
    try:
        return int(_stat(pid)[2])
    except (FileNotFoundError, ProcessLookupError):
        return None


def _pss(pid: int) -> int:
    """Return the memory (PSS) of a process, in KiB."""
    rollup = pathlib.Path(f'/proc/{pid}/smaps_rollup').read_text()
    for line in rollup.splitlines():
        if line.startswith('Pss:'):
            return int(line.split()[1])
    raise LookupError(pid)
