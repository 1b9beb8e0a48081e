# SPDX-License-Identifier: Apache-2.0

"""Programs that tests start and stop."""

import atexit
import contextlib
import functools
import itertools
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import fixtures

_Fixture = TypeVar('_Fixture', bound=fixtures.Fixture)

#: Seconds until something that is started must answer, on a busy machine.
PATIENCE = 120

#: Keeps this process's range of ports, until the process ends.
_reservation: list[socket.socket] = []
_tried = itertools.count()


def program(name: str) -> str:
    """The path of a program: of this environment, or of the machine.

    :raises FileNotFoundError: it is not installed; tests don't skip for it
    """
    here = str(pathlib.Path(sys.executable).parent)
    path = shutil.which(name, path=f'{here}:{os.environ["PATH"]}')
    if path is None:
        raise FileNotFoundError(f'{name} is not installed: see bindep.txt')
    return path


@functools.cache
def _ports() -> range:
    """The ports of this test process.

    No other test process has them: two that look for a free port at the
    same time would find the same. They are below the ports of outgoing
    connections.
    """
    for first in range(20000, 32500, 250):
        try:
            # A range is taken by listening on its first port.
            _reservation.append(socket.create_server(('127.0.0.1', first)))
        except OSError:
            continue
        return range(first + 1, first + 250)
    raise AssertionError('too many test processes: no ports are left')


def display_ports() -> range:
    """Ports of 127.0.0.1 for the displays of guests."""
    return _ports()[:20]


def free_port() -> int:
    """A free port of 127.0.0.1."""
    return free_ports(1)[0]


def free_ports(number: int) -> range:
    """Consecutive free ports of 127.0.0.1."""
    ports = _ports()[20:]
    while True:
        # Ports are not given twice before all others have been given.
        first, *_ = itertools.islice(_tried, number)
        first %= len(ports)
        found = ports[first : first + number]
        if len(found) == number and all(map(_is_free, found)):
            return found


def _is_free(port: int) -> bool:
    try:
        socket.create_server(('127.0.0.1', port)).close()
    except OSError:
        return False
    return True


def wait_for(condition: Callable[[], object], what: str) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f'timed out waiting for {what}')
        time.sleep(0.05)


def listens(port: int) -> bool:
    """Whether a program listens on a port of 127.0.0.1."""
    with socket.socket() as client:
        return client.connect_ex(('127.0.0.1', port)) == 0


def children(pid: int) -> set[int]:
    """The ids of a process's children."""
    found = set()
    for stat in pathlib.Path('/proc').glob('[0-9]*/stat'):
        with contextlib.suppress(OSError):
            # Its parent is the second field behind the name: proc(5).
            if int(stat.read_text().rpartition(')')[2].split()[1]) == pid:
                found.add(int(stat.parent.name))
    return found


@functools.cache
def shared(kind: type[_Fixture]) -> _Fixture:
    """The one of all tests of a run; ended with the run."""
    fixture = kind()
    fixture.setUp()
    atexit.register(fixture.cleanUp)
    return fixture


class Program(fixtures.Fixture):
    """A program in the background, ended with the test.

    :param log: where its output goes
    """

    def __init__(
        self,
        command: Sequence[str],
        log: pathlib.Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._command = [program(command[0]), *command[1:]]
        self._environment = {**os.environ, **(environment or {})}
        self.log = log

    def _setUp(self) -> None:
        # An interrupted run does not clean up its classes.
        atexit.register(self.stop)
        self.addCleanup(atexit.unregister, self.stop)
        self.addCleanup(self.stop)
        self.start()

    def start(self) -> None:
        """Start it (again)."""
        with self.log.open('ab') as output:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The first process's id, and that of its group."""
        return self._process.pid

    def wait_for(self, condition: Callable[[], object], what: str) -> None:
        """Wait for a condition, as long as the program runs."""

        def holds() -> object:
            if self._process.poll() is not None:
                raise AssertionError(
                    f'{self._command[0]} has ended:\n{self.log.read_text()}'
                )
            return condition()

        wait_for(holds, what)

    def signal(self, number: int) -> None:
        """Send the program a signal."""
        self._process.send_signal(number)

    def signal_all(self, number: int) -> None:
        """Send the program and all that it has started a signal."""
        os.killpg(self._process.pid, number)

    def is_gone(self) -> bool:
        """Whether neither it runs nor anything that it has started."""
        try:
            self.signal_all(0)
        except ProcessLookupError:
            return True
        return False

    def wait(self) -> int:
        """Wait for its end; its status."""
        return self._process.wait(PATIENCE)

    def stop(self) -> None:
        """End it, and whatever it has started."""
        if self._process.poll() is None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(20)
        self.kill()

    def kill(self) -> None:
        """End it at once, and whatever it has started."""
        with contextlib.suppress(ProcessLookupError):
            self.signal_all(signal.SIGKILL)
        self._process.wait()
