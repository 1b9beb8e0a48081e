# SPDX-License-Identifier: Apache-2.0

"""Queries of console sessions."""

from collections.abc import Sequence
from typing import Any

import fixtures as fixtures_
import sqlalchemy as sa
import testtools

from console_svc import exception
from console_svc.db import tables
from console_svc.tests import fixtures
from console_svc.tests.functional.db.base import (
    ENDING,
    NOW,
    OnSQLite,
    Queries,
    ids,
    session,
)


class Sessions(Queries):
    def setUp(self) -> None:
        super().setUp()
        self.queries = self.database.sessions
        self.create_token('hash')

    def uses(self) -> int:
        """Return how often the token was used."""
        (uses,) = self.column(tables.console_auth_tokens.c.uses)
        return uses

    def alive_until(self) -> dict[str, int]:
        """Return when each session lapses."""
        columns = tables.console_sessions.c
        return dict(
            zip(
                self.column(columns.session_id),
                self.column(columns.alive_until),
                strict=True,
            )
        )

    def keep(self, now: int, until: int, *session_ids: str) -> dict[str, int]:
        """Keep sessions, whenever they lapse; return when they lapse now."""
        kept = self.queries.keep(session_ids, now, until, due=until)
        return {name: self.alive_until()[name] for name in kept}

    def test_uses_are_counted_and_limited(self) -> None:
        self.open_session('a', max_uses=2)
        self.open_session('b', max_uses=2)
        self.refuse(exception.TokenUsedUp, 'c', max_uses=2)
        self.assertEqual(['a', 'b'], self.list_sessions())
        self.open_session('c')
        self.assertEqual(3, self.uses())
        self.refuse(exception.TokenUsedUp, 'd', token_hash='unknown')
        self.refuse(exception.TokenUsedUp, 'd', created_at=NOW + 600)

    def test_newest_session_of_a_token_and_address_is_found(self) -> None:
        address = '198.51.100.7'
        self.create_token('other')
        self.open_session('a', client_address=address)
        self.open_session('b', client_address=address)
        self.open_session('c', client_address=address, token_hash='other')
        self.open_session('d', client_address='198.51.100.8')
        self.open_session('e', client_address=address, alive_until=NOW + 10)
        for now, expected in (NOW, 'e'), (NOW + 10, 'b'):
            found = self.queries.find('hash', address, now)
            assert found is not None
            self.assertEqual(expected, found.id)
        self.database.closed_sessions.add('b', NOW, NOW + 500)
        found = self.queries.find('hash', address, NOW + 10)
        assert found is not None
        self.assertEqual('a', found.id)
        self.assertIsNone(self.queries.find('hash', '198.51.100.9', NOW))
        self.assertIsNone(self.queries.find('hash', None, NOW))

    def refuse(
        self, error: type[Exception], session_id: str, **values: object
    ) -> None:
        self.assertRaises(error, self.open_session, session_id, **values)

    def test_a_full_server_refuses_sessions(self) -> None:
        self.open_session('a', max_sessions=2, alive_until=NOW + 10)
        self.open_session('b', max_sessions=2)
        self.refuse(exception.TooManySessions, 'c', max_sessions=2)
        self.assertEqual(['a', 'b'], self.list_sessions())
        # The refused session does not count as a use.
        self.assertEqual(2, self.uses())
        # A lapsed session does not count.
        self.open_session('c', max_sessions=2, created_at=NOW + 10)
        self.assertEqual(['b', 'c'], self.list_sessions(now=NOW + 10))

    def test_a_full_server_can_end_its_oldest_sessions(self) -> None:
        for name in 'abc':
            self.assertEqual([], self.open_session(name))
        ended = self.open_session('d', max_sessions=2, replace=True)
        self.assertEqual(['a', 'b'], ended)
        self.assertEqual(['c', 'd'], self.list_sessions())
        # A session that is refused does not end another one.
        self.refuse(
            exception.TokenUsedUp,
            'e',
            max_uses=1,
            max_sessions=2,
            replace=True,
        )
        self.assertEqual(['c', 'd'], self.list_sessions())

    def test_a_limit_of_sessions_leaves_other_tokens_alone(self) -> None:
        self.create_token('other')
        counts = []

        def count(*arguments: object) -> None:
            cursor, statement = arguments[1:3]
            if statement.startswith('UPDATE'):
                counts.append(cursor.rowcount)

        engine = self.database.engine
        sa.event.listen(engine, 'after_cursor_execute', count)
        self.open_session('a', max_sessions=1)
        self.assertEqual([1], counts)

    def test_purge_deletes_old_locks_of_servers(self) -> None:
        self.open_session('a', max_sessions=1)
        purge = self.database.locks.purge
        self.assertEqual(0, purge(NOW + 3599, 10))
        self.assertEqual(1, purge(NOW + 3600, 10))
        self.assertEqual(0, purge(NOW + 3600, 10))
        # The leases stay.
        self.assertTrue(
            self.database.take_lease('purge', NOW + 3600, NOW + 3700)
        )

    def test_channels_of_a_session_count_as_one_use(self) -> None:
        for name in ('a', 'b', 'c'):
            self.open_session(name, max_uses=1, in_channels=True)
        self.assertEqual(1, self.uses())
        # Another address is another use, and so is a channel after all
        # others were ended.
        self.refuse(
            exception.TokenUsedUp,
            'd',
            max_uses=1,
            in_channels=True,
            client_address='2001:db8::2',
        )
        for name in ('a', 'b', 'c'):
            self.queries.end(name, ENDING)
        self.refuse(exception.TokenUsedUp, 'd', max_uses=1, in_channels=True)

    def test_keep_extends_a_session(self) -> None:
        self.open_session('a')
        self.assertEqual({'a': NOW + 50}, self.keep(NOW + 20, NOW + 50, 'a'))
        # Twice in a second: found, although the update changes nothing.
        self.assertEqual({'a': NOW + 50}, self.keep(NOW + 20, NOW + 50, 'a'))
        # Not beyond the time at which the session expires.
        self.assertEqual({'a': NOW + 600}, self.keep(NOW + 49, NOW + 700, 'a'))
        self.assertEqual({}, self.keep(NOW + 600, NOW + 700, 'a'))
        self.assertEqual({'a': NOW + 600}, self.alive_until())

    def test_keep_revives_a_lapsed_session(self) -> None:
        self.open_session('a')
        self.assertEqual([], self.list_sessions(now=NOW + 30))
        self.assertEqual({'a': NOW + 60}, self.keep(NOW + 30, NOW + 60, 'a'))
        self.assertEqual(['a'], self.list_sessions(now=NOW + 30))

    def test_keep_extends_several_sessions(self) -> None:
        for name, expires in (('a', None), ('b', NOW + 60), ('c', NOW + 10)):
            self.open_session(name, expires=expires)

        def keep(now: int, *names: str) -> dict[str, int | None]:
            return dict(self.queries.keep(names, now, now + 50, now + 40))

        self.assertEqual({}, keep(NOW, 'unknown'))
        # 'c' has expired.
        self.assertEqual(
            {'a': None, 'b': NOW + 60}, keep(NOW + 20, 'a', 'b', 'c')
        )
        extended = {'a': NOW + 70, 'b': NOW + 60, 'c': NOW + 30}
        self.assertEqual(extended, self.alive_until())
        # A session that was extended recently is not updated again.
        self.assertEqual({'a': None}, keep(NOW + 21, 'a'))
        self.assertEqual(extended, self.alive_until())

    def test_keep_of_a_session_without_expiry(self) -> None:
        self.open_session('a', expires=None)
        kept = self.queries.keep(['a'], NOW, NOW + 10_000, NOW + 30)
        self.assertEqual({'a': None}, kept)
        self.assertEqual({'a': NOW + 10_000}, self.alive_until())

    def test_sessions_are_listed_and_ended(self) -> None:
        self.open_session('b')
        self.open_session('a')
        self.assertEqual(['b', 'a'], self.list_sessions())
        self.assertEqual(session('b'), self.queries.get('b'))
        self.assertEqual({'b': NOW + 30, 'a': NOW + 30}, self.alive_until())
        self.assertEqual(['b', 'a'], self.list_sessions())
        self.assertEqual([], self.list_sessions(now=NOW + 30))
        self.assertEqual([], self.queries.end('a', ENDING, 'another'))
        self.assertEqual(
            [session('a')], self.queries.end('a', ENDING, 'server')
        )
        self.assertEqual([session('b')], self.queries.end('b', ENDING))
        self.assertEqual([], self.queries.end('b', ENDING))
        self.assertEqual([], self.list_sessions())

    def test_purge_deletes_lapsed_sessions_in_batches(self) -> None:
        for number in range(4):
            self.open_session(str(number), NOW + number, created_at=NOW - 1)
        self.assertEqual(['0', '1'], ids(self.queries.purge(NOW + 2, 2, 30)))
        self.assertEqual(['2'], ids(self.queries.purge(NOW + 2, 2, 30)))
        self.assertEqual([], self.queries.purge(NOW + 2, 2, 30))
        self.assertEqual(['3'], self.list_sessions())

    def test_id_is_used_once(self) -> None:
        self.create_token('other', server_id='other')
        self.open_session('a', max_sessions=1)
        for values in (
            {},
            {'token_hash': 'other', 'server_id': 'other'},
            {'max_sessions': 1, 'replace': True},
        ):
            self.refuse(exception.SessionIdUsed, 'a', **values)
        self.assertEqual(['a'], self.list_sessions())
        self.assertEqual([1, 0], self.uses_of_all())
        self.assertEqual(session('a'), self.queries.get('a'))
        self.assertIsNone(self.queries.get('b'))

    def uses_of_all(self) -> Sequence[int]:
        return self.column(tables.console_auth_tokens.c.uses)

    def test_closed_sessions_are_not_sessions(self) -> None:
        closed = self.database.closed_sessions
        self.open_session('a')
        self.assertEqual([session('a')], closed.add('a', NOW))
        self.assertEqual([], closed.add('b', NOW))
        for name in 'ab':
            self.refuse(exception.SessionIdUsed, name)
            self.assertEqual([], closed.add(name, NOW))
            self.assertEqual([], self.queries.end(name, ENDING))
            self.assertIsNone(self.queries.get(name))
            kept = self.queries.keep([name], 0, NOW + 60, NOW + 60)
            self.assertEqual({}, kept)
        self.assertEqual(1, self.uses())
        self.assertEqual([], self.list_sessions(now=0))
        self.assertEqual([], self.queries.purge(NOW + 600, 9, 30))

    def close_channel(self, session_id: str) -> Sequence[str]:
        """Close a session that can be opened again for ten seconds."""
        return ids(
            self.database.closed_sessions.add(session_id, NOW, NOW + 10)
        )

    def test_closed_channel_can_be_opened_again_for_a_while(self) -> None:
        channel: dict[str, Any] = {
            'max_uses': 1,
            'in_channels': True,
            'console_type': 'spice-html5',
        }
        self.open_session('a', **channel)
        self.assertEqual(['a'], self.close_channel('a'))
        # The id is not used again.
        self.refuse(exception.SessionIdUsed, 'a', **channel)
        self.open_session('b', created_at=NOW + 9, **channel)
        self.queries.end('b', ENDING)
        # Not later, and not from another address.
        self.refuse(exception.TokenUsedUp, 'c', created_at=NOW + 10, **channel)
        self.refuse(
            exception.TokenUsedUp,
            'c',
            client_address='2001:db8::2',
            **channel,
        )
        self.assertEqual(1, self.uses())

    def test_closed_channel_is_not_a_session(self) -> None:
        for name in 'ab':
            self.open_session(name, console_type='spice-html5', expires=None)
            self.close_channel(name)
        self.assertEqual([], self.list_sessions())
        self.assertIsNone(self.queries.get('a'))
        self.assertEqual({}, self.keep(NOW, NOW + 50, 'a'))
        self.assertEqual([], self.queries.end('a', ENDING))
        self.assertEqual([], self.close_channel('a'))
        # It takes no place of its server, and revoking does not end it.
        self.open_session('c', max_sessions=1)
        self.assertEqual(
            ['c'], ids(self.database.tokens.delete('hash', ENDING))
        )
        self.assertEqual(
            {'a': NOW + 10, 'b': NOW + 10, 'c': NOW + 30}, self.alive_until()
        )

    def test_purge_deletes_closed_channels(self) -> None:
        closed = self.database.closed_sessions
        self.open_session('a', console_type='spice-html5')
        self.close_channel('a')
        self.assertEqual([], self.queries.purge(NOW + 10, 2, 30))
        self.assertEqual(0, closed.purge(NOW + 9, 2))
        self.assertEqual(1, closed.purge(NOW + 10, 2))
        self.assertEqual({}, self.alive_until())

    def test_other_closed_sessions_do_not_keep_their_token(self) -> None:
        self.open_session('a')
        self.open_session('b', console_type='spice-html5')
        self.assertEqual(['a'], self.close_channel('a'))
        closed = self.database.closed_sessions.add('b', NOW)
        self.assertEqual(['b'], ids(closed))
        self.assertEqual({'a': NOW, 'b': NOW}, self.alive_until())
        columns = tables.console_sessions.c
        self.assertEqual(['', ''], self.column(columns.token_hash))
        self.assertEqual([None, None], self.column(columns.client_address))

    def test_session_opened_while_its_id_is_closed_ends(self) -> None:
        """The request to open it comes between the two statements."""
        closed = self.database.closed_sessions
        insert = closed._insert

        def open_and_insert(
            session_ids: Sequence[str], now: int, reports: Any
        ) -> None:
            for session_id in session_ids:
                if session_id not in self.list_sessions():
                    self.open_session(session_id)
            insert(session_ids, now, reports)

        self.useFixture(
            fixtures_.MockPatchObject(closed, '_insert', open_and_insert)
        )
        self.assertEqual([session('a')], closed.add('a', NOW))
        self.assertEqual([], self.list_sessions())
        self.refuse(exception.SessionIdUsed, 'a')
        # Also one of several.
        self.open_session('b')
        ended = closed.add_all(['d', 'b', 'c'], NOW)
        self.assertEqual(['b', 'c', 'd'], ids(ended))
        self.assertEqual([], self.list_sessions())

    def test_several_sessions_are_closed_at_once(self) -> None:
        for name in 'abcd':
            self.open_session(
                name, console_type='spice-html5' if name in 'bd' else 'novnc'
            )
        self.open_session('e')
        closed = self.database.closed_sessions
        closed.add('d', NOW)
        ended = closed.add_all(
            ['z', 'c', 'b', 'a', 'd', 'a', 'y'], NOW + 1, NOW + 10
        )
        self.assertEqual([session('a'), session('c')], [ended[0], ended[2]])
        self.assertEqual(['a', 'b', 'c'], ids(ended))
        self.assertEqual(['e'], self.list_sessions())
        self.assertEqual(
            {
                'a': NOW + 1,
                # A channel.
                'b': NOW + 10,
                'c': NOW + 1,
                # It was closed before.
                'd': NOW,
                'e': NOW + 30,
                # They were not opened.
                'y': NOW + 1,
                'z': NOW + 1,
            },
            self.alive_until(),
        )
        columns = tables.console_sessions.c
        self.assertEqual(2, self.column(columns.token_hash).count('hash'))
        for name in 'abcdyz':
            self.refuse(exception.SessionIdUsed, name)
        self.assertEqual([], closed.add_all([*'abcdyz'], NOW + 2, NOW + 10))

    def test_purge_deletes_closed_sessions_in_batches(self) -> None:
        closed = self.database.closed_sessions
        for number in range(4):
            closed.add(str(number), NOW + number)
        self.open_session('open', alive_until=NOW)
        self.assertEqual(2, closed.purge(NOW + 2, 2))
        self.assertEqual(1, closed.purge(NOW + 2, 2))
        self.assertEqual(0, closed.purge(NOW + 2, 2))
        self.assertEqual(
            ['3', 'open'], self.column(tables.console_sessions.c.session_id)
        )

    def test_comparisons_are_case_and_accent_sensitive(self) -> None:
        self.open_session('abc')
        for name in ('Abc', '\u00e4bc'):
            self.assertEqual({}, self.queries.keep([name], NOW, NOW, NOW))
            self.assertEqual([], self.queries.end(name, ENDING))
            self.assertEqual([], self.queries.end(name, ENDING, 'server'))
        for name in ('Server', 's\u00e9rver'):
            self.assertEqual([], self.list_sessions(name))
            self.assertEqual([], self.queries.end('abc', ENDING, name))
        self.assertEqual(['abc'], self.list_sessions())

    def test_unusual_session_ids_are_not_found(self) -> None:
        service = self.useFixture(
            fixtures.Api(database={'connection': self.url()})
        )
        for segment in ('%00', 'a%00b', '%F0%9F%98%80', '%C3%A4', 'a' * 300):
            for path, persona in (
                (
                    f'/v2.1/servers/{fixtures.SERVER}/console-sessions',
                    fixtures.MEMBER,
                ),
                ('/v2.1/console-sessions', fixtures.SERVICE),
            ):
                answer = service.request(
                    'DELETE', f'{path}/{segment}', persona
                )
                self.assertEqual(404, answer.status_int, segment)


class SQLiteSessions(OnSQLite, Sessions, testtools.TestCase):
    pass
