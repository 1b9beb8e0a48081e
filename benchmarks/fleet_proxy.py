# SPDX-License-Identifier: Apache-2.0

"""A console proxy whose sessions have no clients.

``python -m benchmarks.fleet_proxy --config-file FILE``: console-svc-proxy with
many sessions. The environment variable FLEET_PROXY has a :class:`Load` in
JSON. All that the proxy does with its sessions is its own code.
"""

import asyncio
import dataclasses
import json
import os
import pathlib
import sys
import time
from typing import Any, Final
from unittest import mock

import pymysql
import sqlalchemy as sa
from oslo_config import cfg

from console_svc.cmd import proxy
from console_svc.proxy import session as one_session
from console_svc.proxy import sessions, worker
from console_svc.proxy.activity import Activity
from console_svc.proxy.api_answers import OpenedSession
from console_svc.proxy.console_api import ConsoleApi
from console_svc.proxy.errors import Ended, TryAgainLater
from console_svc.proxy.monitoring import Metrics
from console_svc.proxy.recorder import Recorder

VARIABLE: Final = 'FLEET_PROXY'

_ADDRESS: Final = '127.0.0.1'

# The columns in which copies of a session differ.
_COPIED: Final = {
    'session_id': "CONCAT(%(prefix)s, LPAD(LOWER(HEX(seq)), 12, '0'))",
    'server_id': "CONCAT(%(prefix)s, LPAD(LOWER(HEX(seq)), 12, '0'))",
    'token_hash': 'SHA2(CONCAT(%(prefix)s, seq), 256)',
}


@dataclasses.dataclass(frozen=True)
class Load:
    """The sessions of a proxy.

    :param number: of the proxy
    :param size: number of sessions
    :param token: a console token
    :param database: URL of the service's MariaDB
    :param events: the file to which it writes what happens
    """

    number: int
    size: int
    token: str
    database: str
    events: str


def identifier(proxy_number: int, session_number: int) -> str:
    """Return the id of a session, and of its server.

    :param session_number: from 1
    """
    return f'{_prefix(proxy_number)}{session_number:012x}'


def _prefix(proxy_number: int) -> str:
    return f'{proxy_number:08x}-0000-4000-8000-'


class Events:
    """The file of a proxy's events, a line of JSON for each."""

    def __init__(self, file: pathlib.Path) -> None:
        self._file = file

    def add(self, name: str, value: Any) -> None:
        """Write an event with its time."""
        event = {'event': name, 'value': value, 'at': time.time()}
        with self._file.open('a') as file:
            file.write(json.dumps(event) + '\n')


class Session(one_session.Session):
    """A session that has a task, but no client."""

    __slots__ = ('is_over',)

    def __init__(self, opened: OpenedSession) -> None:
        super().__init__(opened)
        self.is_over = asyncio.Event()

    def end(self, ending: Ended) -> None:
        super().end(ending)
        self.is_over.set()


class Sessions(sessions.Sessions):
    """Opens a session and copies it, in the database and in the proxy."""

    load: Load

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        api: ConsoleApi,
        metrics: Metrics,
        activity: Activity | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        super().__init__(conf, api, metrics, activity, recorder)
        self._events = Events(pathlib.Path(self.load.events))
        self._tasks: set[asyncio.Task[None]] = set()
        self._filling = asyncio.create_task(self._try_to_fill(api))

    async def _try_to_fill(self, api: ConsoleApi) -> None:
        try:
            await self._fill(api)
        except Exception as error:
            self._events.add('failed', repr(error))
            raise

    async def _fill(self, api: ConsoleApi) -> None:
        load = self.load
        original = await _open(api, load.token)
        await asyncio.to_thread(_copy, load, original.id)
        for number in range(1, load.size):
            session_id = identifier(load.number, number)
            self._hold(
                dataclasses.replace(
                    original, id=session_id, server_id=session_id
                )
            )
        self._hold(original)
        while len(self) < load.size:
            await asyncio.sleep(0.1)
        self._events.add('filled', load.size)

    def _hold(self, opened: OpenedSession) -> None:
        task = asyncio.create_task(self._wait(opened))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _wait(self, opened: OpenedSession) -> None:
        async def opening() -> OpenedSession:
            return opened

        async with self.opened(opening) as session:
            assert isinstance(session, Session)
            await session.is_over.wait()
            self._events.add('ended', opened.id)

    async def keep(self) -> None:
        began = time.monotonic()
        await super().keep()
        self._events.add('kept', time.monotonic() - began)


async def _open(api: ConsoleApi, token: str) -> OpenedSession:
    """Open a session, as soon as the API answers in time.

    All proxies start at once, and wait for keystone.
    """
    while True:
        try:
            return await api.open(token, _ADDRESS)
        except TryAgainLater:
            await asyncio.sleep(1)


def _copy(load: Load, session_id: str) -> None:
    """Copy a session's row, whatever columns it has."""
    url = sa.make_url(load.database)
    with pymysql.connect(
        host=url.host or '',
        port=url.port or 3306,
        user=url.username,
        database=url.database,
        autocommit=True,
        cursorclass=pymysql.cursors.DictCursor,
    ) as connection:
        cursor = connection.cursor()
        cursor.execute(
            'SELECT * FROM console_sessions WHERE session_id = %s', session_id
        )
        original = cursor.fetchone()
        del original['id']
        values = [_COPIED.get(name, f'%({name})s') for name in original]
        # One proxy after another: each locks the generator of ids.
        cursor.execute("SELECT GET_LOCK('copy', 600)")
        cursor.execute(
            f'INSERT INTO console_sessions ({", ".join(original)}) '
            f'SELECT {", ".join(values)} FROM seq_1_to_{load.size - 1}',
            {**original, 'prefix': _prefix(load.number)},
        )


def main() -> int:
    """Run the proxy with the sessions."""
    Sessions.load = Load(**json.loads(os.environ[VARIABLE]))
    with (
        mock.patch.object(sessions, 'Session', Session),
        mock.patch.object(worker, 'Sessions', Sessions),
    ):
        return proxy.main()


if __name__ == '__main__':
    sys.exit(main())
