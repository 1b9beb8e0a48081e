# SPDX-License-Identifier: Apache-2.0

"""Keep-alives: console proxies extend their sessions."""

import time
from collections.abc import Callable, Mapping, Sequence

from oslo_config import cfg

from console_svc.db.database import Database
from console_svc.endings import KeptProxy
from console_svc.objects import SessionMode


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
    ) -> KeptProxy:
        """Keep the sessions of a process of a proxy alive.

        As with :meth:`keep`, they are revived if they have lapsed.

        :param proxy_id: a UUID that the process has chosen
        :param session_ids: those that the API may not know to be its own
        :param modes: new ones of its sessions that it enforces, by id
        """
        now = int(self._clock())
        lapse = self._conf.consoleauth.session_lapse
        return self._database.proxies.keep(
            proxy_id,
            session_ids,
            now,
            now + lapse,
            now + lapse * 2 // 3,
            modes,
        )
