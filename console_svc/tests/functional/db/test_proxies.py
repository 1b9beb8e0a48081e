# SPDX-License-Identifier: Apache-2.0

"""Queries of processes of console proxies, with which sessions live."""

from collections.abc import Sequence
from typing import Any

import fixtures as fixtures_
import sqlalchemy as sa
import testtools

from console_svc import exception
from console_svc.db import proxies, tables
from console_svc.endings import KeptProxy
from console_svc.tests.functional.db.base import (
    ENDING,
    NOW,
    OnSQLite,
    Queries,
    ids,
    session,
)

LAPSE = 30
COLUMNS = tables.console_sessions.c


class Proxies(Queries):
    def setUp(self) -> None:
        super().setUp()
        self.queries = self.database.proxies
        self.create_token('hash')

    def keep(
        self, *session_ids: str, now: int = NOW, proxy_id: str = 'proxy'
    ) -> KeptProxy:
        """Keep a process alive whenever it lapses."""
        until = now + LAPSE
        return self.queries.keep(proxy_id, session_ids, now, until, until)

    def attach(self, *names: str, **values: Any) -> None:
        """Open sessions that live with the process."""
        for name in names:
            self.open_session(name, **values)
        self.keep(*names)

    def lapsing(self) -> dict[str, int]:
        """When each process lapses."""
        with self.database.engine.connect() as connection:
            found = connection.execute(sa.select(tables.console_proxies))
            return {row.id: row.alive_until for row in found}

    def stored(self) -> Sequence[str]:
        """The ids of all rows of sessions."""
        return self.column(COLUMNS.session_id)

    def test_sessions_live_with_their_process(self) -> None:
        self.attach('a', 'b')
        self.open_session('c')
        self.assertEqual(KeptProxy({}, [], 2), self.keep(now=NOW + 29))
        self.assertEqual(['a', 'b', 'c'], self.list_sessions(now=NOW + 29))
        self.assertEqual(['a', 'b'], self.list_sessions(now=NOW + 58))
        self.assertEqual([], self.list_sessions(now=NOW + 59))
        # Another process does not extend them; their own revives them.
        other = self.keep(now=NOW + 59, proxy_id='other')
        self.assertEqual(KeptProxy({}, [], 0), other)
        self.assertEqual([], self.list_sessions(now=NOW + 59))
        self.keep(now=NOW + 59)
        self.assertEqual(['a', 'b'], self.list_sessions(now=NOW + 88))

    def test_session_that_its_process_does_not_name_lapses(self) -> None:
        # The process could not close it.
        self.attach('a', 'b', expires=None)
        self.keep('b', now=NOW + 300)
        self.keep(now=NOW + 599)
        self.assertEqual(['a', 'b'], self.list_sessions(now=NOW + 599))
        self.assertEqual(['b'], self.list_sessions(now=NOW + 600))
        # It may only be late.
        self.keep('a', now=NOW + 600)
        self.assertIn('a', self.list_sessions(now=NOW + 600))

    def test_sessions_lapse_no_earlier_than_their_process(self) -> None:
        self.open_session('a', expires=None)
        self.queries.keep('proxy', ['a'], NOW, NOW + 3600, NOW + 2400)
        self.assertEqual(['a'], self.list_sessions(now=NOW + 3599))
        self.queries.keep('proxy', ['a'], NOW + 1200, NOW + 4800, NOW + 3600)
        self.assertEqual(['a'], self.list_sessions(now=NOW + 4799))

    def test_a_process_that_was_extended_recently_is_not_written(
        self,
    ) -> None:
        for now, until in ((0, 30), (9, 30), (10, 40)):
            now += NOW
            self.queries.keep('proxy', [], now, now + LAPSE, now + 20)
            self.assertEqual({'proxy': NOW + until}, self.lapsing())

    def test_answer_has_the_listed_sessions_that_continue(self) -> None:
        self.open_session('a', expires=None)
        self.open_session('b', expires=NOW + 60)
        self.open_session('c', expires=NOW + 10)
        kept = self.keep('a', 'b', 'c', 'unknown', now=NOW + 10)
        self.assertEqual(KeptProxy({'a': None, 'b': NOW + 60}, [], 2), kept)
        # Twice: found, although the update changes nothing.
        self.assertEqual(kept, self.keep('a', 'b', 'c', now=NOW + 10))

    def test_expired_session_does_not_live_with_its_process(self) -> None:
        self.attach('a', expires=NOW + 60)
        self.keep(now=NOW + 59)
        self.assertEqual(['a'], self.list_sessions(now=NOW + 59))
        self.assertEqual([], self.list_sessions(now=NOW + 60))
        self.assertEqual(KeptProxy({}, [], 0), self.keep(now=NOW + 60))
        self.assertEqual(KeptProxy({}, [], 0), self.keep('a', now=NOW + 60))

    def test_process_learns_which_sessions_have_ended(self) -> None:
        self.create_token('other', server_id='other')
        self.attach('a', 'b', 'c', 'd')
        self.attach('e', token_hash='other', server_id='other')
        self.open_session('f')
        self.assertEqual(
            [session('a')], self.database.sessions.end('a', ENDING)
        )
        self.assertEqual(['a'], self.keep().ended)
        # The oldest make room.
        ended = self.open_session('g', max_sessions=4, replace=True)
        self.assertEqual(['b'], ended)
        self.assertEqual(['a', 'b'], sorted(self.keep().ended))
        ended = ids(self.database.tokens.delete('hash', ENDING))
        self.assertEqual(['c', 'd', 'f', 'g'], sorted(ended))
        self.assertEqual(KeptProxy({}, [*'abcd'], 1), self.sorted_keep())
        self.database.tokens.delete_of_server('other', ENDING)
        self.assertEqual(KeptProxy({}, [*'abcde'], 0), self.sorted_keep())
        self.assertEqual([], self.keep(proxy_id='another').ended)
        # The others have no process, but a proxy that closes them.
        self.assertEqual([*'abcdefg'], sorted(self.stored()))
        for name in 'abcdefg':
            self.assertEqual([], self.database.sessions.end(name, ENDING))
            self.assertIsNone(self.database.sessions.get(name))
            self.assertEqual({}, self.keep(name).kept)

    def sorted_keep(self) -> KeptProxy:
        kept = self.keep()
        return KeptProxy(kept.kept, sorted(kept.ended), kept.count)

    def test_ended_session_is_named_until_its_process_closes_it(self) -> None:
        closed = self.database.closed_sessions
        self.attach('a', 'b')
        self.database.sessions.end('a', ENDING)
        for _ in range(2):
            self.assertEqual(['a'], self.keep().ended)
        # It was not open any more.
        self.assertEqual([], closed.add('a', NOW))
        self.assertEqual(KeptProxy({}, [], 1), self.keep())
        self.assertRaises(exception.SessionIdUsed, self.open_session, 'a')
        # One that the process has closed itself is not named.
        self.assertEqual([session('b')], closed.add('b', NOW))
        self.assertEqual(KeptProxy({}, [], 0), self.keep())

    def test_process_closes_several_sessions(self) -> None:
        closed = self.database.closed_sessions
        for name in 'abc':
            self.open_session(name)
        self.keep('a', 'b', 'c')
        self.database.sessions.end('b', ENDING)
        self.assertEqual([session('a')], closed.add_all(['a', 'b'], NOW))
        # It does not need to know any more that they have ended.
        self.assertEqual(KeptProxy({}, [], 1), self.keep())

    def test_ended_session_that_is_not_closed_is_purged(self) -> None:
        self.attach('a')
        self.database.sessions.end('a', ENDING)
        closed = self.database.closed_sessions
        self.assertEqual(0, closed.purge(NOW + 599, 9))
        self.assertEqual(['a'], self.keep().ended)
        self.assertEqual(1, closed.purge(NOW + 600, 9))
        self.assertEqual(KeptProxy({}, [], 0), self.keep())

    def test_session_that_ends_while_it_is_named_does_not_continue(
        self,
    ) -> None:
        """It ends after the query has found it."""
        self.open_session('a')
        self.open_session('b')
        find = proxies.find_lasting
        calls = []

        def find_and_end(*arguments: Any) -> Any:
            found = find(*arguments)
            if not calls:
                self.database.sessions.end('a', ENDING)
            calls.append(arguments)
            return found

        self.useFixture(
            fixtures_.MockPatchObject(proxies, 'find_lasting', find_and_end)
        )
        self.assertEqual({'b': NOW + 600}, self.keep('a', 'b').kept)

    def test_count_shows_what_the_previous_version_has_ended(self) -> None:
        """It deletes the rows."""
        self.attach('a', 'b')
        with self.database.engine.begin() as connection:
            connection.execute(
                tables.console_sessions.delete().where(
                    COLUMNS.session_id == 'a'
                )
            )
        self.assertEqual(KeptProxy({}, [], 1), self.keep())
        self.assertEqual({'b': NOW + 600}, self.keep('a', 'b').kept)

    def test_sessions_are_alive_to_the_previous_version(self) -> None:
        """It knows the time of the session alone."""
        self.attach('a', 'b', expires=None)
        self.attach('c', expires=NOW + 70)
        for now in range(NOW, NOW + 700, 60):
            self.keep(*'abc', now=now)
            a, b, c = self.column(COLUMNS.alive_until)
            self.assertLess(now + 300, a)
            self.assertEqual((a, NOW + 70), (b, c))

    def test_keep_alive_by_ids_extends_the_process(self) -> None:
        """That of the process may reach a host of the previous version."""
        self.attach('a', 'b')
        self.open_session('c')
        before = self.column(COLUMNS.alive_until)
        keep = self.database.sessions.keep
        for now, until in ((0, 30), (9, 30), (10, 40), (50, 80)):
            now += NOW
            kept = keep(['a'], now, now + LAPSE, now + 20)
            self.assertEqual({'a': NOW + 600}, kept)
            self.assertEqual({'proxy': NOW + until}, self.lapsing())
        self.assertEqual(before, self.column(COLUMNS.alive_until))
        self.assertEqual(['a', 'b'], self.list_sessions(now=NOW + 79))
        # Sessions that no request with the process has named for long.
        self.attach('d', expires=None)
        keep(['d'], NOW + 590, NOW + 620, NOW + 610)
        self.assertEqual(['d'], self.list_sessions(now=NOW + 619))

    def test_full_server_does_not_count_lapsed_processes(self) -> None:
        self.attach('a')
        self.assertRaises(
            exception.TooManySessions,
            self.open_session,
            'b',
            max_sessions=1,
            created_at=NOW + 29,
        )
        self.open_session('b', max_sessions=1, created_at=NOW + 30)

    def test_channel_of_a_lapsed_process_is_not_the_same_use(self) -> None:
        channel = {'max_uses': 1, 'in_channels': True}
        self.attach('a', **channel)
        self.open_session('b', created_at=NOW + 29, **channel)
        self.database.sessions.end('b', ENDING)
        self.assertRaises(
            exception.TokenUsedUp,
            self.open_session,
            'c',
            created_at=NOW + 30,
            **channel,
        )

    def purge(self, lapsed: int, batch: int = 9) -> Sequence[str]:
        return ids(self.queries.purge(lapsed, batch, LAPSE))

    def test_purge_deletes_lapsed_processes_with_their_sessions(
        self,
    ) -> None:
        self.attach('a', 'b', 'c')
        self.open_session('d')
        self.keep('d', now=NOW + 1, proxy_id='other')
        self.keep(now=NOW + 50, proxy_id='idle')
        self.assertEqual([], self.purge(NOW + 29))
        purged = self.purge(NOW + 31, 2)
        # Until all sessions are deleted, the processes stay.
        self.assertEqual({'proxy', 'other', 'idle'}, self.lapsing().keys())
        purged = [*purged, *self.purge(NOW + 31, 2)]
        self.assertEqual([*'abcd'], sorted(purged))
        self.assertEqual([], self.purge(NOW + 31, 2))
        self.assertEqual({'idle': NOW + 80}, self.lapsing())
        self.assertEqual([], self.stored())
        # The process learns it by the number.
        self.assertEqual(KeptProxy({}, [], 0), self.keep(now=NOW + 90))
        self.assertEqual(KeptProxy({}, [], 0), self.keep('a', now=NOW + 90))

    def test_purge_spares_a_process_that_is_extended_meanwhile(
        self,
    ) -> None:
        self.attach('a')
        read = self.database.read

        def read_and_extend(*arguments: Any) -> Any:
            found = read(*arguments)
            self.useFixture(
                fixtures_.MockPatchObject(self.database, 'read', read)
            )
            self.keep(now=NOW + 90)
            return found

        self.useFixture(
            fixtures_.MockPatchObject(self.database, 'read', read_and_extend)
        )
        self.assertEqual([], self.purge(NOW + 60))
        self.assertEqual(['a'], self.list_sessions(now=NOW + 90))

    def test_purge_of_sessions_leaves_those_of_a_process(self) -> None:
        self.attach('a', expires=None)
        self.attach('b', expires=NOW + 60)
        purge = self.database.sessions.purge
        self.assertEqual([], purge(NOW + 59, 9, LAPSE))
        # Expired ones are deleted; a process notices this.
        self.assertEqual(['b'], ids(purge(NOW + 60, 9, LAPSE)))
        # So are those that have not been named for long: of a process that
        # is lost, for example.
        with self.database.engine.begin() as connection:
            connection.execute(tables.console_proxies.delete())
        self.assertEqual([], self.list_sessions())
        self.assertEqual([], purge(NOW + 599, 9, LAPSE))
        self.assertEqual(['a'], ids(purge(NOW + 600, 9, LAPSE)))

    def test_process_that_is_lost_comes_back(self) -> None:
        """The database may have lost its last transactions."""
        self.attach('a')
        with self.database.engine.begin() as connection:
            connection.execute(tables.console_proxies.delete())
        self.assertEqual(KeptProxy({}, [], 1), self.keep())
        self.assertEqual(['a'], self.list_sessions())
        # Also if it had just named a session.
        with self.database.engine.begin() as connection:
            connection.execute(
                tables.console_sessions.update().values(proxy_id=None)
            )
        self.assertEqual(KeptProxy({}, [], 0), self.keep())
        self.assertEqual(1, self.keep('a').count)


class SQLiteProxies(OnSQLite, Proxies, testtools.TestCase):
    pass
