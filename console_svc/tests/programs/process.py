# SPDX-License-Identifier: Apache-2.0

"""Programs that tests start and stop."""

import atexit
import contextlib
import functools
import os
import pathlib
import random
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


def program(name: str) -> str:
    """The path of a program: of this environment, or of the machine.

    :raises FileNotFoundError: it is not installed; tests don't skip for it
    """
    here = str(pathlib.Path(sys.executable).parent)
    path = shutil.which(name, path=f'{here}:{os.environ["PATH"]}')
    if path is None:
        raise FileNotFoundError(f'{name} is not installed: see bindep.txt')
    return path


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        port: int = listener.getsockname()[1]
        return port


def wait_for(condition: Callable[[], object], what: str) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f'timed out waiting for {what}')
        time.sleep(0.05)


def listens(port: int) -> bool:
    """Whether somebody listens on a port of 127.0.0.1."""
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


class Ports(fixtures.Fixture):
    """Consecutive ports of 127.0.0.1 that are free for one program.

    They are reserved: other tests that run at the same time get others, and
    no outgoing connection gets one of them.
    """

    def __init__(self, number: int) -> None:
        self._number = number

    def _setUp(self) -> None:
        self._sockets: list[socket.socket] = []
        self.addCleanup(self._release)
        while not self._sockets:
            # Below the range of outgoing connections.
            first = random.randrange(20000, 30000)
            self.ports = range(first, first + self._number)
            with contextlib.suppress(OSError):
                for port in self.ports:
                    self._reserve(port)
                return
            self._release()

    def _reserve(self, port: int) -> None:
        reservation = socket.socket()
        self._sockets.append(reservation)
        # Without SO_REUSEADDR, so that a second reservation fails...
        reservation.bind(('127.0.0.1', port))
        # ... and with it, so that a server's bind() does not.
        reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)

    def _release(self) -> None:
        while self._sockets:
            self._sockets.pop().close()


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
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
