# SPDX-License-Identifier: Apache-2.0

"""Limits of the sessions and tokens of users and projects."""

from collections.abc import Sequence
from typing import Any

import testtools

from console_svc import exception, over_limit
from console_svc.db import tables
from console_svc.objects import NATIVE_TYPE, SessionLimits
from console_svc.tests.functional.db.base import (
    ENDING,
    NOW,
    OnSQLite,
    Queries,
    ids,
    session,
    token,
)

MESSAGE = (
    'Project {project} is over a limit for [Resource {resource} is over '
    'limit of {limit} due to current usage {usage} and delta 1]'
)


class Limits(Queries):
    def setUp(self) -> None:
        super().setUp()
        self.create_token('hash')

    def open(
        self, session_id: str, limits: SessionLimits, **values: Any
    ) -> Sequence[str]:
        """Open a session; return the ids of those that this has ended."""
        options = {
            name: values.pop(name, default)
            for name, default in (
                ('max_uses', 0),
                ('max_sessions', 0),
                ('replace', False),
                ('in_channels', False),
            )
        }
        opened = session(session_id, **values)
        ended = self.database.sessions.open(
            opened, opened.created_at + 30, limits=limits, **options
        )
        return [it.id for sessions in ended.values() for it in sessions]

    def check_full(
        self,
        limits: SessionLimits,
        error: type[Exception] = over_limit.ProjectOverLimit,
        **values: Any,
    ) -> Exception:
        """Check that no session can be opened, and none has ended."""
        before = self.column(tables.console_sessions.c.session_id)
        refusal = self.assertRaises(
            error, self.open, 'refused', limits, **values
        )
        after = self.column(tables.console_sessions.c.session_id)
        self.assertEqual(before, after)
        return refusal

    def test_sessions_of_a_project_are_limited(self) -> None:
        limits = SessionLimits(of_project=2)
        self.open('a', limits)
        self.open('b', limits, server_id='other', user_id='jane')
        refusal = self.check_full(limits, server_id='third', user_id=None)
        self.assertEqual(
            MESSAGE.format(
                project='demo', resource='console_sessions', limit=2, usage=2
            ),
            str(refusal),
        )
        self.open('c', limits, project_id='other')
        # The refused session was not a use of the token.
        (uses,) = self.column(tables.console_auth_tokens.c.uses)
        self.assertEqual(3, uses)

    def test_a_project_without_any_is_refused(self) -> None:
        self.check_full(SessionLimits(of_project=0))

    def test_sessions_of_a_user_are_limited(self) -> None:
        limits = SessionLimits(of_user=2)
        self.open('a', limits)
        self.open('b', limits, server_id='other', project_id='other')
        refusal = self.check_full(limits, over_limit.UserOverLimit)
        self.assertEqual(
            'User is over the limit of 2 console sessions', str(refusal)
        )
        self.open('c', limits, user_id='jane')

    def test_sessions_without_a_user_have_no_limit(self) -> None:
        for name in 'abc':
            self.open(name, SessionLimits(of_user=1), user_id=None)

    def test_sessions_that_do_not_live_do_not_count(self) -> None:
        for now, limits, error in (
            (NOW, SessionLimits(of_user=1), over_limit.UserOverLimit),
            (
                NOW + 99,
                SessionLimits(of_project=1),
                over_limit.ProjectOverLimit,
            ),
        ):
            closed, lapsed, abandoned, last = (
                f'{it}-{now}' for it in range(4)
            )
            self.open(closed, limits, created_at=now)
            self.check_full(limits, error, created_at=now)
            self.database.closed_sessions.add(closed, now)
            self.open(lapsed, limits, created_at=now)
            self.check_full(limits, error, created_at=now + 29)
            self.open(abandoned, limits, created_at=now + 30)
            self.check_full(limits, error, created_at=now + 30)
            # It lapses with its process.
            self.database.proxies.keep(
                f'{now}', [abandoned], now + 30, now + 39, 0
            )
            self.check_full(limits, error, created_at=now + 38)
            self.open(last, limits, created_at=now + 39)

    def test_a_session_that_is_replaced_makes_room(self) -> None:
        limits = SessionLimits(of_user=1, of_project=1)
        self.open('a', limits)
        ended = self.open('b', limits, max_sessions=1, replace=True)
        self.assertEqual(['a'], ended)
        # Another server has room, but the user and the project have not.
        self.check_full(
            limits,
            over_limit.UserOverLimit,
            max_sessions=1,
            replace=True,
            server_id='other',
        )

    def test_a_refused_session_replaces_none(self) -> None:
        self.open('a', SessionLimits())
        self.open('b', SessionLimits(), server_id='other')
        self.check_full(
            SessionLimits(of_project=1), max_sessions=1, replace=True
        )

    def test_a_repeated_request_does_not_count_itself(self) -> None:
        limits = SessionLimits(of_user=1, of_project=1)
        self.open('a', limits)
        self.assertRaises(exception.SessionIdUsed, self.open, 'a', limits)

    def test_channels_of_a_page_count_as_one(self) -> None:
        limits = SessionLimits(of_user=1, of_project=1)
        for name in 'abc':
            self.open(name, limits, in_channels=True)
        self.check_full(limits, over_limit.UserOverLimit)
        for other in (
            {'client_address': '2001:db8::2'},
            {'token_hash': 'other'},
        ):
            if 'token_hash' in other:
                self.create_token('other')
            self.check_full(
                limits, over_limit.UserOverLimit, in_channels=True, **other
            )
        # As long as one of them is open.
        self.database.closed_sessions.add_all(['a', 'b'], NOW)
        self.check_full(SessionLimits(of_project=1))
        self.database.closed_sessions.add('c', NOW, NOW + 10)
        self.open('d', limits, in_channels=True)
        self.check_full(limits, over_limit.UserOverLimit)

    def test_what_has_no_limit_is_not_locked(self) -> None:
        def locks() -> Sequence[str]:
            names = self.database.read(tables.leases.select())
            return sorted(
                row['name'].partition(':')[0]
                for row in names
                if ':' in row['name']
            )

        self.open('a', SessionLimits())
        self.assertEqual([], locks())
        self.open('b', SessionLimits(of_user=9), user_id=None)
        self.assertEqual([], locks())
        self.open('c', SessionLimits(of_user=9), user_id='u' * 255)
        self.assertEqual(['user'], locks())
        self.open('d', SessionLimits(of_project=9), project_id='p' * 255)
        self.assertEqual(['project', 'user'], locks())
        self.assertEqual(2, self.database.locks.purge(NOW + 3600, 10))
        self.assertEqual([], locks())

    def resume(
        self, session_id: str, limits: SessionLimits, **values: Any
    ) -> Sequence[str]:
        """Resume the session with secret 'secret'; return those ended."""
        resumed = self.database.resumptions.resume(
            session(session_id, secret_hash='secret', **values),
            NOW + 90,
            'secret',
            closed_after=NOW - 60,
            alive_after=NOW,
            max_sessions=0,
            replace=False,
            limits=limits,
        )
        assert resumed is not None
        return ids(resumed.resumed)

    def test_a_session_that_is_resumed_has_its_place(self) -> None:
        limits = SessionLimits(of_user=1, of_project=1)
        self.open('a', limits, secret_hash='secret')
        self.assertEqual(['a'], self.resume('b', limits))
        # Also where the limits were lowered.
        self.assertEqual(['b'], self.resume('c', SessionLimits(1, 0)))

    def test_a_place_that_is_taken_is_not_given_back(self) -> None:
        for limits, error in (
            (SessionLimits(of_user=1), over_limit.UserOverLimit),
            (SessionLimits(of_project=1), over_limit.ProjectOverLimit),
        ):
            name = f'{limits}'[:30]
            self.open(name, limits, secret_hash='secret')
            self.database.closed_sessions.add(name, NOW)
            self.open(f'{name}b', limits)
            self.assertRaises(error, self.resume, f'{name}c', limits)
            self.database.closed_sessions.add(f'{name}b', NOW)
            self.resume(f'{name}c', limits)
            self.database.sessions.end(f'{name}c', ENDING)

    def create(
        self, token_hash: str, limit: int | None, **values: Any
    ) -> None:
        self.database.tokens.create(token(token_hash, **values), NOW, 0, limit)

    def test_unused_tokens_of_a_project_are_limited(self) -> None:
        # None of these counts.
        self.open_session('a')
        self.create('native', None, console_type=NATIVE_TYPE)
        self.create('expired', None, expires=NOW)
        self.create('of another project', None, project_id='other')
        self.create('first', 2)
        self.create('second', 2, server_id='other', user_id='jane')
        before = self.hashes()
        refusal = self.assertRaises(
            over_limit.ProjectOverLimit, self.create, 'third', 2, user_id=None
        )
        self.assertEqual(
            MESSAGE.format(
                project='demo',
                resource='console_auth_tokens',
                limit=2,
                usage=2,
            ),
            str(refusal),
        )
        self.assertEqual(before, self.hashes())
        self.open_session('b', token_hash='first')
        self.create('third', 2)

    def test_a_token_that_is_replaced_makes_room(self) -> None:
        queries = self.database.tokens
        queries.create(token('first'), NOW, 1, 1)
        queries.create(token('second'), NOW, 1, 1)
        self.assertRaises(
            over_limit.ProjectOverLimit,
            queries.create,
            token('third', user_id='jane'),
            NOW,
            1,
            1,
        )
        self.assertEqual(['second'], self.hashes())


class SQLiteLimits(OnSQLite, Limits, testtools.TestCase):
    pass
