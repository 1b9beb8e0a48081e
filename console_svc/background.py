# SPDX-License-Identifier: Apache-2.0

"""Background threads of the API, supervised."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

LOG = logging.getLogger(__name__)

# Seconds until the next round after one that failed: one that fails at once
# must not fill the log.
_PAUSE: Final = 1

#: Counts an unexpected exception of a thread, given its name.
Failed = Callable[[str], None]


def ignore(name: str) -> None:
    """Count nothing: metrics are off."""


def repeat(
    name: str,
    act: Callable[[], object],
    failed: Failed = ignore,
    pause: float = _PAUSE,
) -> None:
    """Repeat an action for ever, in a daemon thread.

    An unexpected exception is logged and counted, and costs a single round.
    The process does not end: each round starts anew.

    :param name: of the thread, for the log and the metrics
    :param act: one round, with its waits; it handles the errors that it
        expects
    :param pause: seconds until the next round after one that failed
    """

    def run() -> None:
        while True:
            try:
                act()
            # SystemExit, too, would end the thread, and silently.
            except BaseException:
                LOG.exception(
                    'The background thread "%s" failed unexpectedly and '
                    'continues',
                    name,
                )
                failed(name)
                time.sleep(pause)

    threading.Thread(target=run, name=name, daemon=True).start()
