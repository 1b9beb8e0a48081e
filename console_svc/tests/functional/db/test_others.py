# SPDX-License-Identifier: Apache-2.0

"""Queries of the sessions beside those of a process."""

from collections.abc import Sequence

import testtools

from console_svc.db import tables
from console_svc.objects import SessionMode
from console_svc.tests.functional.db.base import (
    ENDING,
    NOW,
    OnSQLite,
    Queries,
    ids,
    session,
)

LAPSE = 30


class OtherSessions(Queries):
    def setUp(self) -> None:
        super().setUp()
        for server in 'server', 'other':
            self.create_token(f'of-{server}', server_id=server)

    def open(
        self, session_id: str, proxy_id: str, server: str = 'server'
    ) -> None:
        """Open a session, and let it live with a process."""
        self.open_session(
            session_id, server_id=server, token_hash=f'of-{server}'
        )
        self.keep(proxy_id, session_id)

    def keep(self, proxy_id: str, *session_ids: str) -> int:
        """Keep a process alive; the number of changes beside it."""
        until = NOW + LAPSE
        return self.database.proxies.keep(
            proxy_id, session_ids, NOW, until, until
        ).others_changes

    def find(
        self, proxy_id: str, now: int = NOW
    ) -> Sequence[tuple[str, bool]]:
        return [
            (it.id, is_own)
            for it, is_own in self.database.others.find(proxy_id, now)
        ]

    def check_change(self, *proxy_ids: str) -> None:
        """Check which processes have a change since the last check."""
        found = {it: self.keep(it) for it in ('first', 'second', 'third')}
        before, self.counted = getattr(self, 'counted', {}), found
        self.assertEqual(
            [*proxy_ids],
            [it for it in found if found[it] != before.get(it, 0)],
        )

    def test_sessions_of_shared_servers_are_found(self) -> None:
        self.open('a', 'first')
        self.assertEqual([], self.find('first'))
        self.open('b', 'second')
        self.open('alone', 'first', 'other')
        self.assertEqual([('a', True), ('b', False)], self.find('first'))
        self.assertEqual([('a', False), ('b', True)], self.find('second'))
        self.assertEqual([], self.find('third'))

    def test_members_of_the_sessions_are_those_of_lists(self) -> None:
        self.open('a', 'first')
        self.open_session('b', token_hash='of-server', lists_sessions=True)
        (first, _), (second, _) = self.database.others.find('first', NOW)
        self.assertEqual(session('a', token_hash='of-server'), first)
        self.assertEqual(
            [False, True], [first.lists_sessions, second.lists_sessions]
        )

    def test_sessions_that_have_lapsed_are_not_found(self) -> None:
        self.open('a', 'first')
        self.open('b', 'second')
        self.assertEqual([], self.find('first', NOW + LAPSE))

    def test_channels_of_a_page_are_one(self) -> None:
        for channel in 'a', 'b':
            self.open_session(
                channel, in_channels=True, token_hash='of-server'
            )
        self.keep('first', 'a', 'b')
        self.assertEqual([], self.find('first'))
        self.check_change()
        self.open_session('c', token_hash='of-server', client_address=None)
        self.assertEqual([('a', True), ('c', False)], self.find('first'))

    def test_new_session_is_a_change_for_both(self) -> None:
        self.open('a', 'first')
        self.open('alone', 'third', 'other')
        self.check_change()
        self.open('b', 'second')
        self.check_change('first', 'second')
        # To name them again is none.
        self.keep('first', 'a')
        self.check_change()

    def test_each_end_is_a_change_for_the_others(self) -> None:
        self.open('alone', 'third', 'other')
        for number, end in enumerate((self.end, self.close, self.lapse)):
            self.open(f'a-{number}', 'first')
            self.open(f'b-{number}', 'second')
            self.check_change('first', 'second')
            end(f'b-{number}')
            self.assertEqual([], self.find('first'))
            self.check_change('first')
            self.end(f'a-{number}')
            self.check_change()

    def end(self, session_id: str) -> None:
        self.assertEqual(
            [session_id], ids(self.database.sessions.end(session_id, ENDING))
        )

    def close(self, session_id: str) -> None:
        self.database.closed_sessions.add(session_id, NOW)

    def lapse(self, session_id: str) -> None:
        """The process of a session lapses."""
        with self.database.engine.begin() as connection:
            connection.execute(
                tables.console_proxies.update()
                .where(tables.console_proxies.c.id == 'second')
                .values(alive_until=NOW - 1)
            )
        lapsed = self.database.proxies.purge(NOW - 1, 10, LAPSE)
        self.assertEqual([session_id], ids(lapsed))
        del self.counted['second']

    def test_mode_is_a_change_for_both(self) -> None:
        self.open('a', 'first')
        self.open('b', 'second')
        self.open('alone', 'third', 'other')
        self.check_change('first', 'second')
        for session_id, processes in (
            ('a', ('first', 'second')),
            ('alone', ()),
        ):
            self.database.modes.change(
                session(session_id), SessionMode.VIEW, NOW
            )
            self.check_change(*processes)


class SQLiteOtherSessions(OnSQLite, OtherSessions, testtools.TestCase):
    pass
