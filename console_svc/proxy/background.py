# SPDX-License-Identifier: Apache-2.0

"""Background tasks of a worker, supervised."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from console_svc.proxy.monitoring import Metrics

LOG = logging.getLogger(__name__)

#: Rounds in a row that may fail before the worker ends. An exception that
#: comes back so often does not go away by itself, and with the default
#: keep_interval the sessions have not yet lapsed.
MAX_FAILURES: Final = 5


class BackgroundTask:
    """Repeats an action. An unexpected exception costs a single round.

    :param name: for the log and the metrics
    :param act: one round; it handles the errors that it expects
    :param interval: seconds between two rounds
    """

    def __init__(
        self,
        name: str,
        act: Callable[[], Awaitable[None]],
        interval: float,
        metrics: Metrics,
    ) -> None:
        self.name = name
        #: Rounds in a row that have failed.
        self.failures = 0
        self._act = act
        self._interval = interval
        self._metrics = metrics

    async def run(self) -> None:
        """Repeat rounds until cancelled.

        :raises Exception: that of the last of :data:`MAX_FAILURES` rounds
        """
        while True:
            await asyncio.sleep(self._interval)
            try:
                await self._act()
            except Exception:
                self.failures += 1
                LOG.exception(
                    'The background task "%s" failed unexpectedly, %d times '
                    'in a row; after %d times the worker ends',
                    self.name,
                    self.failures,
                    MAX_FAILURES,
                )
                self._metrics.unexpected(self.name)
                if self.failures >= MAX_FAILURES:
                    raise
            else:
                self.failures = 0


def failing(tasks: Iterable[BackgroundTask]) -> str | None:
    """The names of the tasks whose last round failed; None: all are well."""
    names = [task.name for task in tasks if task.failures]
    return ', '.join(names) or None
