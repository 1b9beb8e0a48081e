# SPDX-License-Identifier: Apache-2.0

"""Faults inside of a Python program that a test starts."""

import os
import pathlib

import fixtures

# Python runs it at the start of a program. It must import nothing that reads
# the environment of the console proxy.
_SITE = """
import asyncio
import pathlib
import time

from websockets import protocol

from console_svc.proxy import streams

_FOLDER = pathlib.Path(__file__).parent


def _can_fail(owner, name):
    function = getattr(owner, name)

    def call(*arguments, **more):
        if (_FOLDER / name).exists():
            raise RuntimeError('injected by a test')
        return function(*arguments, **more)

    setattr(owner, name, call)


_can_fail(asyncio, 'all_tasks')
_can_fail(streams, 'connected')
_can_fail(protocol.Protocol, 'send_binary')

_time = time.time
_ahead = _FOLDER / 'clock-is-ahead'
if _ahead.exists():
    _seconds = float(_ahead.read_text())
    time.time = lambda: _time() + _seconds
"""

#: Names for :meth:`Faults.inject`, and what fails then.
KEEP = 'all_tasks'
CONNECT = 'connected'
RELAY = 'send_binary'


class Faults(fixtures.Fixture):
    """Functions that fail on demand, and a wrong clock.

    :param ahead: seconds by which the program's clock is ahead
    """

    def __init__(self, ahead: int = 0) -> None:
        self._ahead = ahead

    def _setUp(self) -> None:
        self._folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        (self._folder / 'sitecustomize.py').write_text(_SITE)
        if self._ahead:
            (self._folder / 'clock-is-ahead').write_text(str(self._ahead))
        path = [str(self._folder), os.environ.get('PYTHONPATH', '')]
        #: For the program.
        self.environment = {'PYTHONPATH': os.pathsep.join(filter(None, path))}

    def inject(self, name: str) -> None:
        """Let a function fail."""
        (self._folder / name).touch()

    def clear(self, name: str) -> None:
        """Let it work again."""
        (self._folder / name).unlink()
