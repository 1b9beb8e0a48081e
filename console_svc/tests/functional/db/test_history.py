# SPDX-License-Identifier: Apache-2.0

"""Queries of the history of sessions."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
import testtools

from console_svc import exception
from console_svc.db import tables
from console_svc.endings import (
    EndedSession,
    Ending,
    EndReason,
    SessionQuery,
    SessionReport,
)
from console_svc.tests.functional.db.base import (
    ENDING,
    NOW,
    OnSQLite,
    Queries,
    session,
)

LAPSE = 30


class History(Queries):
    def setUp(self) -> None:
        super().setUp()
        self.create_token('hash')
        self.closed = self.database.closed_sessions

    def ended(self, limit: int = 100, **query: Any) -> Sequence[EndedSession]:
        return self.database.session_lists.ended(
            SessionQuery(limit=limit, **query)
        )

    def ended_ids(self, **query: Any) -> str:
        return ''.join(it.session.id for it in self.ended(**query))

    def reasons(self) -> dict[str, tuple[EndReason, int, str | None]]:
        """Return why and when each session has ended, and who has ended it."""
        return {
            it.session.id: (it.ending.reason, it.ending.at, it.ending.by)
            for it in self.ended()
        }

    def resume(self, **values: Any) -> None:
        self.database.resumptions.resume(
            session('resumed', created_at=NOW + 7, **values),
            NOW + 90,
            'secret',
            closed_after=NOW - 50,
            alive_after=NOW - 50,
            max_sessions=0,
            replace=False,
        )

    def test_row_has_what_the_session_was(self) -> None:
        self.open_session('a', client_address='198.51.100.7')
        self.assertEqual([], self.ended())
        self.closed.add_all(
            ['a'],
            NOW + 5,
            reports={'a': SessionReport(EndReason.IDLE, 2**40, 2**41)},
        )
        self.assertEqual(
            [
                EndedSession(
                    session('a', token_hash='', client_address='198.51.100.7'),
                    Ending(EndReason.IDLE, NOW + 5, None, 2**40, 2**41),
                )
            ],
            self.ended(),
        )

    def test_every_end_is_recorded_with_its_reason(self) -> None:
        self.create_token('revoked')
        self.create_token('other', server_id='other')
        self.open_session('closed')
        self.closed.add('closed', NOW + 1)
        self.open_session('ended')
        self.database.sessions.end('ended', ENDING)
        self.open_session('revoked', token_hash='revoked')
        revocation = Ending(EndReason.REVOKED, NOW + 3, 'root')
        self.database.tokens.delete('revoked', revocation)
        self.open_session('deleted', server_id='other', token_hash='other')
        self.database.tokens.delete_of_server('other', revocation)
        self.open_session('replaced')
        self.open_session(
            'newer',
            created_at=NOW + 4,
            user_id='eve',
            max_sessions=1,
            replace=True,
        )
        self.database.sessions.end('newer', ENDING)
        self.open_session('previous', secret_hash='secret')
        self.resume()
        self.database.sessions.end('resumed', ENDING)
        self.assertEqual(
            {
                'closed': (EndReason.CLOSED, NOW + 1, None),
                'ended': (EndReason.ENDED, NOW, 'root'),
                'revoked': (EndReason.REVOKED, NOW + 3, 'root'),
                'deleted': (EndReason.REVOKED, NOW + 3, 'root'),
                'replaced': (EndReason.REPLACED, NOW + 4, 'eve'),
                'newer': (EndReason.ENDED, NOW, 'root'),
                'previous': (EndReason.RESUMED, NOW + 7, None),
                'resumed': (EndReason.ENDED, NOW, 'root'),
            },
            self.reasons(),
        )

    def test_lapsed_session_ended_when_it_was_last_kept_alive(self) -> None:
        self.open_session('a', alive_until=NOW + LAPSE, expires=None)
        self.database.sessions.keep(['a'], NOW + 40, NOW + 70, NOW + 60)
        self.open_session('b', alive_until=NOW + 10, expires=NOW + 10)
        self.open_session('c', alive_until=NOW + 5, expires=None)
        self.open_session('d', expires=None)
        self.open_session('e', expires=None)
        keep = self.database.proxies.keep
        keep('proxy', ['d'], NOW + 20, NOW + 50, NOW + 50)
        keep('proxy', [], NOW + 50, NOW + 80, NOW + 80)
        keep('lasting', ['e'], NOW + 20, NOW + 50, NOW + 50)
        self.database.sessions.purge(NOW + 90, 9, LAPSE)
        self.database.proxies.purge(NOW + 80, 9, LAPSE)
        expected = {
            'a': (EndReason.LAPSED, NOW + 40, None),
            'b': (EndReason.EXPIRED, NOW + 10, None),
            'c': (EndReason.LAPSED, NOW, None),
            'd': (EndReason.LAPSED, NOW + 50, None),
            'e': (EndReason.LAPSED, NOW + 20, None),
        }
        self.assertEqual(expected, self.reasons())

    def test_session_that_its_process_does_not_name_ended_then(self) -> None:
        self.open_session('a', expires=None)
        keep = self.database.proxies.keep
        keep('proxy', ['a'], NOW + 20, NOW + 50, NOW + 50)
        self.database.sessions.purge(NOW + 620, 9, LAPSE)
        self.assertEqual(
            {'a': (EndReason.LAPSED, NOW + 20, None)}, self.reasons()
        )

    def test_session_is_recorded_once(self) -> None:
        self.open_session('a')
        self.open_session('b', expires=None)
        self.database.proxies.keep('proxy', ['b'], NOW, NOW + 30, NOW + 30)
        for _ in range(2):
            self.closed.add_all(['a', 'unknown'], NOW)
            self.database.sessions.end('b', ENDING)
            self.closed.add_all(['b'], NOW)
        self.assertEqual(2, len(self.ended()))

    def test_transaction_that_fails_records_nothing(self) -> None:
        self.open_session('a')
        for number in range(2):
            self.assertRaises(
                exception.SessionIdUsed,
                self.open_session,
                'a',
                created_at=NOW + number,
                max_sessions=0,
            )
        self.open_session('b')
        self.assertRaises(
            exception.SessionIdUsed,
            self.open_session,
            'b',
            max_sessions=1,
            replace=True,
        )
        self.assertEqual([], self.ended())
        self.assertEqual(['a', 'b'], self.list_sessions())

    def test_proxy_reports_the_bytes_of_sessions_that_have_ended(
        self,
    ) -> None:
        for name in 'abc':
            self.open_session(name, expires=None)
        self.database.proxies.keep('proxy', ['a'], NOW, NOW + 30, NOW + 30)
        for name in 'abc':
            self.database.sessions.end(name, ENDING)
        report = SessionReport(EndReason.CLIENT_CLOSED, 3, 4)
        late = SessionReport(EndReason.CLIENT_CLOSED, 5, 6)
        # The second one is a repetition.
        for each in report, late:
            self.closed.add_all(
                [*'ab'], NOW + 3, reports=dict.fromkeys('ab', each)
            )
        self.assertEqual(
            {'a': (3, 4), 'b': (3, 4), 'c': (0, 0)},
            {
                it.session.id: (it.ending.received, it.ending.sent)
                for it in self.ended()
            },
        )
        for it in self.ended():
            self.assertEqual(EndReason.ENDED, it.ending.reason)

    def test_channels_of_a_page_are_one_session(self) -> None:
        self.create_token('other')
        for name in 'abcd':
            self.open_session(
                name, console_type='spice-html5', in_channels=True
            )
        for name, more in (
            ('e', {'client_address': '198.51.100.8'}),
            ('f', {'token_hash': 'other'}),
        ):
            self.open_session(
                name, console_type='spice-html5', in_channels=True, **more
            )
        self.database.proxies.keep('proxy', [*'bd'], NOW, NOW + 30, NOW + 30)
        self.database.sessions.end('d', ENDING)
        reports = dict.fromkeys(
            'abcdef', SessionReport(EndReason.CLIENT_CLOSED, 1, 10)
        )
        self.closed.add_all([*'a'], NOW + 3, NOW + 20, reports)
        self.closed.add_all([*'bcdef'], NOW + 4, NOW + 20, reports)
        self.assertEqual(
            {'a': (4, 40), 'e': (1, 10), 'f': (1, 10)},
            {
                it.session.id: (it.ending.received, it.ending.sent)
                for it in self.ended()
            },
        )
        self.assertEqual(NOW + 4, self.ended()[-1].ending.at)
        # The page is loaded again: it may be one use of the token, but it is
        # another session.
        self.open_session(
            'g',
            created_at=NOW + 9,
            console_type='spice-html5',
            in_channels=True,
        )
        self.closed.add('g', NOW + 12)
        self.assertEqual('gfea', self.ended_ids())

    def test_pages_follow_each_other(self) -> None:
        for number, name in enumerate('abcdefg'):
            self.open_session(name)
            # Several of one second.
            self.closed.add(name, NOW + number // 3)
        self.assertEqual('gfedcba', self.ended_ids())
        self.assertEqual('gf', self.ended_ids(limit=2))
        self.assertEqual('ed', self.ended_ids(limit=2, marker='f'))
        self.assertEqual('cba', self.ended_ids(marker='d'))
        self.assertEqual('', self.ended_ids(marker='a'))
        for marker in 'unknown', 'A', '\u00e4':
            self.assertRaises(
                exception.MarkerNotFound, self.ended, marker=marker
            )

    def test_filters(self) -> None:
        self.create_token('other', server_id='other')
        self.open_session('a')
        self.open_session('b', user_id='eve')
        self.open_session('c', console_type='serial', project_id='alt')
        self.open_session('d', server_id='other', token_hash='other')
        for number, name in enumerate('abcd'):
            self.closed.add(name, NOW + number)
        for query, expected in (
            ({'user_id': 'eve'}, 'b'),
            ({'console_type': 'serial'}, 'c'),
            ({'project_id': 'demo'}, 'dba'),
            ({'project_id': 'demo', 'user_id': 'joe'}, 'da'),
            ({'server_id': 'server'}, 'cba'),
            ({'server_id': 'server', 'marker': 'b'}, 'a'),
            ({'since': NOW + 2}, 'dc'),
            ({'before': NOW + 1}, 'ba'),
            ({'since': NOW + 1, 'before': NOW + 2}, 'cb'),
        ):
            self.assertEqual(expected, self.ended_ids(**query), query)

    def test_live_sessions_are_listed_in_pages(self) -> None:
        self.create_token('other', server_id='other')
        for number, name in enumerate('abcd'):
            self.open_session(name, created_at=NOW + number)
        self.open_session('e', server_id='other', user_id='eve')
        self.open_session('f', alive_until=NOW + 5)
        self.closed.add('b', NOW, NOW + 99)
        for query, expected in (
            ({}, 'acde'),
            ({'limit': 2}, 'ac'),
            ({'limit': 2, 'marker': 'c'}, 'de'),
            # It has ended meanwhile.
            ({'limit': 2, 'marker': 'b'}, 'cd'),
            ({'server_id': 'server'}, 'acd'),
            ({'user_id': 'eve'}, 'e'),
            ({'since': NOW + 2, 'before': NOW + 2}, 'c'),
        ):
            found = self.database.session_lists.live(
                SessionQuery(**{'limit': 9, **query}), NOW + 10
            )
            self.assertEqual(expected, ''.join(it.id for it in found), query)
        self.assertRaises(
            exception.MarkerNotFound,
            self.database.session_lists.live,
            SessionQuery(limit=9, marker='unknown'),
            NOW,
        )

    def test_purge_deletes_old_sessions_in_batches(self) -> None:
        for number, name in enumerate('abcd'):
            self.open_session(name)
            self.closed.add(name, NOW + number)
        purge = self.database.history.purge
        self.assertEqual(2, purge(NOW + 2, 2))
        self.assertEqual(1, purge(NOW + 2, 2))
        self.assertEqual(0, purge(NOW + 2, 2))
        self.assertEqual('d', self.ended_ids())

    def test_without_days_nothing_is_recorded(self) -> None:
        self.database = self.configuration(history_days=0).database
        self.create_token('hash')
        for name in 'abc':
            self.open_session(name)
        reports = {'a': SessionReport(EndReason.IDLE, 1, 1)}
        closed = self.database.closed_sessions
        closed.add_all(['a'], NOW, reports=reports)
        self.database.sessions.end('b', ENDING)
        self.database.sessions.purge(NOW + 900, 9, LAPSE)
        with self.database.engine.connect() as connection:
            found = connection.execute(sa.select(tables.ended_sessions))
            self.assertEqual([], found.all())


class SQLiteHistory(OnSQLite, History, testtools.TestCase):
    pass
