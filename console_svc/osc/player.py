# SPDX-License-Identifier: Apache-2.0

"""Plays asciicast files (asciinema's, version 2) in the terminal."""

import contextlib
import json
import os
import select
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from console_svc.osc import terminal

# What ends it: "q", and Ctrl+C.
_KEYS: Final = b'q\x03'

# They end it, so that the terminal is restored.
_SIGNALS: Final = (signal.SIGTERM, signal.SIGHUP)

# Ends what the recording may have begun: attributes and a hidden cursor.
_RESET: Final = b'\x1b[0m\x1b[?25h\r\n'


def events(parts: Iterable[bytes]) -> Iterator[tuple[float, bytes]]:
    """The output in a file: seconds from the start, and bytes.

    Lines that have none are left out.

    :param parts: the file
    """
    for line in _lines(parts):
        with contextlib.suppress(ValueError, TypeError):
            at, code, text = json.loads(line)
            if code == 'o':
                yield float(at), text.encode(errors='replace')


def play(
    found: Iterable[tuple[float, bytes]],
    source: int,
    target: int,
    speed: float = 1,
    max_idle: float | None = None,
    wait: Callable[[int, float], bool] | None = None,
) -> None:
    """Write output in its time, until it or the user ends.

    :param source: file descriptor of what the user types
    :param target: file descriptor of the screen
    :param max_idle: seconds of the longest pause; None: any
    :param wait: waits for a number of seconds, and returns whether the user
        wants to end; None: :func:`is_ended`
    """
    wait = wait or is_ended
    before = 0.0
    with _ending_by_signals(), terminal.raw(source):
        # Of a terminal that is gone, or a signal.
        with contextlib.suppress(OSError, _Signalled):
            for at, data in found:
                pause = max(0.0, at - before)
                if max_idle is not None:
                    pause = min(pause, max_idle)
                before = at
                if wait(source, pause / speed):
                    break
                while data:
                    data = data[os.write(target, data) :]
        with contextlib.suppress(OSError):
            os.write(target, _RESET)


def is_ended(source: int, seconds: float) -> bool:
    """Wait, and return whether the user has typed what ends it."""
    deadline = time.monotonic() + seconds
    while True:
        left = max(0.0, deadline - time.monotonic())
        if not select.select([source], [], [], left)[0]:
            return False
        typed = os.read(source, 4096)
        if not typed or any(key in _KEYS for key in typed):
            return True


class _Signalled(Exception):
    """A signal has ended it."""


@contextlib.contextmanager
def _ending_by_signals() -> Iterator[None]:
    def end(*_: Any) -> None:
        raise _Signalled

    before = {number: signal.signal(number, end) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _lines(parts: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of a file."""
    rest = b''
    for part in parts:
        *lines, rest = (rest + part).split(b'\n')
        yield from lines
    yield rest
