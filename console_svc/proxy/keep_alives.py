# SPDX-License-Identifier: Apache-2.0

"""The keep-alive requests of a process: which sessions they name, and when.

To the API, the sessions live with the process: most requests name only those
that were opened since the last one, and the answers those that have ended. All
are named if the API counts fewer than there are, and once a minute.
"""

import itertools
import time
from collections.abc import Callable, KeysView, Mapping, Sequence
from typing import Final

from console_svc.proxy.closer import BATCH
from console_svc.proxy.console_api import ConsoleApi
from console_svc.proxy.keep_alive_answers import Others

# Seconds between two requests that name all sessions; also until an older API
# is asked again whether it knows processes.
_INTERVAL: Final = 60


class KeepAlives:
    """Keeps the sessions of this process alive.

    :param ids: of the sessions; a live view
    :param kept: called with the id of a session that continues, and the
        monotonic time at which it must end; None: never
    :param ended: called with the id of a session that has ended, and the
        reason for its user; None: there is none
    :param changed: called with the id of a session that continues, and its
        new mode, which is then confirmed to the API
    :param others: called with the other sessions on the consoles of sessions,
        where there are some, by id; there are none on the others
    :param has_pages: whether a page shows them
    :param clock: monotonic, in seconds
    """

    def __init__(
        self,
        api: ConsoleApi,
        ids: KeysView[str],
        kept: Callable[[str, float | None], None],
        ended: Callable[[str, str | None], None],
        changed: Callable[[str, str], None],
        others: Callable[[Mapping[str, Others]], None],
        has_pages: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._ids = ids
        self._kept = kept
        self._ended = ended
        self._changed = changed
        self._others = others
        self._has_pages = has_pages
        self._clock = clock
        # A number that changes with the others: the API's, and as of those
        # that the pages show.
        self._others_changes: int | None = None
        self._shown_changes: int | None = None
        # Those that the API does not count as this process's.
        self._uncounted: set[str] = set()
        # Modes that have changed, until the API knows that they are obeyed.
        self._modes: dict[str, str] = {}
        # Whether an API has known processes; if not, when to ask again.
        self._is_known = False
        self._next_attempt = 0.0
        # When to name all sessions.
        self._next_complete = 0.0

    def opened(self, session_id: str) -> None:
        """A session was opened; the next keep-alive names it."""
        self._uncounted.add(session_id)

    def closed(self, session_id: str) -> None:
        """A session is closed at the API."""
        self._uncounted.discard(session_id)

    async def send(self) -> None:
        """Keep the sessions alive, as long as there are any.

        :raises console_svc.proxy.errors.ApiUnavailable: it does not answer
        """
        if not self._ids:
            return
        now = self._clock()
        if now >= self._next_attempt:
            if await self._keep_process(now):
                return
            # An older API, or an older one of its hosts.
            if not self._is_known:
                self._next_attempt = now + _INTERVAL
        ids = [*self._ids]
        self._uncounted.update(ids)
        for batch in _batches(ids):
            self._apply(batch, await self._api.keep(batch))

    async def _keep_process(self, now: float) -> bool:
        """Keep the process alive.

        :returns: whether the API knows processes
        """
        is_complete = now >= self._next_complete
        count = await self._name(
            [*(self._ids if is_complete else self._uncounted)]
        )
        if count is None:
            return False
        self._is_known = True
        if not is_complete and count < len(self._ids) - len(self._uncounted):
            is_complete = True
            if await self._name([*self._ids]) is None:
                return False
        if is_complete:
            self._next_complete = now + _INTERVAL
        await self._show_others(is_complete)
        return True

    async def _show_others(self, is_complete: bool) -> None:
        """Ask for the other sessions on the consoles, if they have changed.

        Once a minute, ask in any case: hosts of the previous version do not
        count changes.
        """
        changes = self._others_changes
        is_known = changes == self._shown_changes and not is_complete
        if changes is None or is_known or not self._has_pages():
            return
        answer = await self._api.keep_process([], {}, asks_for_others=True)
        if answer is not None and answer.others_changes is not None:
            self._shown_changes = answer.others_changes
            self._others(answer.others)

    async def _name(self, ids: Sequence[str]) -> int | None:
        """Name sessions to the API, and hear of all.

        :returns: the number of those that continue; None: it does not know
            processes
        """
        count = None
        for batch in _batches(ids) or [[]]:
            obeyed = dict(itertools.islice(self._modes.items(), BATCH))
            answer = await self._api.keep_process(batch, obeyed)
            if answer is None:
                return None
            for session_id in obeyed:
                del self._modes[session_id]
            count = answer.count
            self._others_changes = answer.others_changes
            self._uncounted.difference_update(batch)
            self._apply(batch, answer.kept, answer.reasons)
            for session_id in answer.ended:
                self._end(session_id, answer.reasons.get(session_id))
            for session_id, mode in answer.modes.items():
                if session_id in self._ids:
                    self._changed(session_id, mode)
                    self._modes[session_id] = mode
        return count

    def _apply(
        self,
        ids: Sequence[str],
        kept: Mapping[str, float | None],
        reasons: Mapping[str, str] = {},
    ) -> None:
        for session_id in ids:
            if session_id not in kept:
                self._end(session_id, reasons.get(session_id))
            elif session_id in self._ids:
                self._kept(session_id, kept[session_id])

    def _end(self, session_id: str, reason: str | None) -> None:
        # It may have been closed meanwhile.
        if session_id in self._ids:
            self._uncounted.add(session_id)
            self._ended(session_id, reason)


def _batches(ids: Sequence[str]) -> Sequence[Sequence[str]]:
    return [ids[at : at + BATCH] for at in range(0, len(ids), BATCH)]
