# SPDX-License-Identifier: Apache-2.0

"""Keep-alive requests: console proxies extend their sessions."""

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence

from oslo_config import cfg

from console_svc.consoles.console_types import of_same_console
from console_svc.db.database import Database
from console_svc.endings import KeptProxy, Others
from console_svc.objects import ConsoleSession, SessionMode


class KeepAlives:
    """Extends sessions, and tells console proxies what has changed.

    :param clock: seconds of the UTC epoch
    """

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        database: Database,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._conf = conf
        self._database = database
        self._clock = clock

    def keep(self, session_ids: Sequence[str]) -> Mapping[str, int | None]:
        """Keep sessions alive: a proxy's regular request for all of its own.

        A session that has lapsed, while the API was unavailable for example,
        is revived unless it was purged.

        :returns: id -> expiry of the sessions that continue; None: they do
            not expire
        """
        now = int(self._clock())
        lapse = self._conf.consoleauth.session_lapse
        # To write less, extend a session only after a third of its time.
        return self._database.sessions.keep(
            session_ids, now, now + lapse, now + lapse * 2 // 3
        )

    def keep_proxy(
        self,
        proxy_id: str,
        session_ids: Sequence[str],
        modes: Mapping[str, SessionMode] = {},
        asks_for_others: bool = False,
    ) -> KeptProxy:
        """Keep the sessions of a process of a proxy alive.

        As with :meth:`keep`, they are revived if they have lapsed.

        :param proxy_id: a UUID that the process has chosen
        :param session_ids: those that the API may not know to be its own
        :param modes: new ones of its sessions that it enforces, by id
        :param asks_for_others: whether it shows its users who else is there
        """
        now = int(self._clock())
        lapse = self._conf.consoleauth.session_lapse
        kept = self._database.proxies.keep(
            proxy_id,
            session_ids,
            now,
            now + lapse,
            now + lapse * 2 // 3,
            modes,
        )
        if not asks_for_others:
            return kept
        # Not before: the number of changes must not be newer than these.
        found = self._database.others.find(proxy_id, now)
        return dataclasses.replace(kept, others=_others(found))


def _others(
    found: Sequence[tuple[ConsoleSession, bool]],
) -> Mapping[str, Others]:
    """The other sessions on the consoles of a process, by id of its own."""
    by_server: dict[str, list[ConsoleSession]] = {}
    for session, _ in found:
        by_server.setdefault(session.server_id, []).append(session)
    return {
        own.id: others
        for own, is_own in found
        if is_own and (others := _beside(own, by_server[own.server_id]))
    }


def _beside(
    own: ConsoleSession, sessions: Sequence[ConsoleSession]
) -> Others | None:
    """The other sessions on the console of a session; None: there are none.

    :param sessions: all on its server
    """
    types = of_same_console(own.console_type)
    others = [
        it for it in sessions if it.console_type in types and it.id != own.id
    ]
    if not others:
        return None
    control = sum(it.mode == SessionMode.CONTROL for it in others)
    return Others(
        control, len(others) - control, others if own.lists_sessions else ()
    )
