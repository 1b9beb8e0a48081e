# SPDX-License-Identifier: Apache-2.0

"""The query plan of each query uses the intended index."""

import dataclasses
import re
from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
import testtools

from console_svc.db import tables
from console_svc.db.recording_tables import recording_accesses, recordings
from console_svc.endings import (
    EndReason,
    SessionQuery,
    SessionReport,
)
from console_svc.objects import LogInAttempt, SessionLimits, SessionMode
from console_svc.tests.functional.db.base import (
    ENDING,
    NOW,
    OnSQLite,
    Queries,
    console,
    session,
    token,
)

SERVERS = 1000


class Explained(Queries):
    """Queries whose plans are checked."""

    #: The engine's statements for query plans and statistics.
    EXPLAIN = 'EXPLAIN '
    ANALYZE = 'ANALYZE'

    def insert(self, table: sa.Table, rows: Sequence[dict[str, Any]]) -> None:
        """Insert the members of dictionaries that are columns."""
        names = {
            column.name
            for column in table.c
            if column is not table.autoincrement_column
        }
        created = {'created_at': NOW} if 'created_at' in names else {}
        with self.database.engine.begin() as connection:
            connection.execute(
                table.insert(),
                [
                    {
                        **created,
                        **{name: row[name] for name in names & row.keys()},
                    }
                    for row in rows
                ],
            )

    def analyze(self) -> None:
        """Let the engine count the rows of all tables."""
        with self.database.engine.begin() as connection:
            for table in tables.metadata.tables:
                connection.execute(sa.text(f'{self.ANALYZE} {table}'))

    def check(
        self, what: str, action: Callable[[], Any], indexes: Sequence[str]
    ) -> None:
        """Check that each statement of an action uses its index."""
        plans = self.plans(action)
        self.assertEqual(len(indexes), len(plans), (what, plans))
        for plan, index in zip(plans, indexes, strict=True):
            self.assertTrue(self.uses(plan, index), (what, index, plan))

    def plans(self, action: Callable[[], Any]) -> list[str]:
        """Return the query plan of each statement of an action."""
        plans = []

        def explain(
            connection: Any,
            cursor: Any,
            statement: str,
            parameters: Any,
            *more: Any,
        ) -> None:
            if statement.startswith(('SELECT', 'UPDATE', 'DELETE')):
                explaining = connection.connection.cursor()
                explaining.execute(self.EXPLAIN + statement, parameters)
                plans.append(
                    '\n'.join(str(row) for row in explaining.fetchall())
                )
                explaining.close()

        engines = self.database.engine, self.database.reader
        for engine in engines:
            sa.event.listen(engine, 'before_cursor_execute', explain)
        try:
            action()
        finally:
            for engine in engines:
                sa.event.remove(engine, 'before_cursor_execute', explain)
        return plans

    def uses(self, plan: str, index: str) -> bool:
        """Return whether a query plan uses an index."""
        raise NotImplementedError


class Plans(Explained):
    def setUp(self) -> None:
        super().setUp()
        names = [
            (f'server-{at}', f'server-{at}-{number}', NOW + at * 5 + number)
            for at in range(SERVERS)
            for number in range(5)
        ]
        self.insert(
            tables.consoles,
            [
                dataclasses.asdict(
                    console(
                        f'server-{at}',
                        instance_name=f'server-{at}',
                        gateway_port=at,
                        token_hash=f'server-{at}-0',
                    )
                )
                for at in range(SERVERS)
            ],
        )
        self.insert(
            tables.console_auth_tokens,
            [
                {
                    **dataclasses.asdict(
                        token(
                            name,
                            server_id=server,
                            project_id=server,
                            expires=time,
                        )
                    ),
                    'host': '192.0.2.1',
                    'port': 5900,
                }
                for server, name, time in names
            ],
        )
        self.insert(
            tables.console_sessions,
            [
                {
                    **dataclasses.asdict(
                        session(
                            name,
                            # With many sessions per token, an index on the
                            # token is a bad choice to find one session.
                            token_hash=f'{server}-1',
                            server_id=server,
                            user_id=server,
                            project_id=server,
                        )
                    ),
                    'session_id': name,
                    'alive_until': time,
                    # The later ones live with a process.
                    'proxy_id': name if time >= NOW + 2500 else None,
                }
                for server, name, time in names
            ],
        )
        self.insert(
            tables.ended_sessions,
            [
                {
                    'session_id': name,
                    'main_id': name,
                    'is_main': True,
                    'server_id': server,
                    'project_id': server.replace('server', 'project'),
                    'user_id': server.replace('server', 'user'),
                    'console_type': 'spice-html5'
                    if server == 'server-500'
                    else 'novnc',
                    'mode': 'control',
                    'ended_at': time,
                    'end_reason': 'closed',
                    'received': 1,
                    'sent': 2,
                }
                for server, name, time in names
            ],
        )
        self.insert(
            recordings,
            [
                {
                    'id': name,
                    'session_id': name,
                    'server_id': server,
                    'console_type': 'serial',
                    'format': 'asciicast-2',
                    'started_at': time,
                    'size': 1,
                    'state': 'complete',
                }
                for server, name, time in names
            ],
        )
        self.insert(
            recording_accesses,
            [
                {'token_hash': name, 'recording_id': name, 'expires': time}
                for _, name, time in names
            ],
        )
        self.insert(
            tables.console_proxies,
            [{'id': name, 'alive_until': time} for _, name, time in names],
        )
        self.insert(
            tables.log_in_failures,
            [
                {
                    'subject': name,
                    'failures': 1,
                    'locked_until': 0,
                    'expires': time,
                }
                for _, name, time in names
            ],
        )
        self.insert(
            tables.used_challenges,
            [
                {
                    'digest': name,
                    # Not the hash of a token.
                    'token_hash': f'gone-{server}',
                    'expires': time,
                }
                for server, name, time in names
            ],
        )
        self.insert(
            tables.leases,
            [
                {'name': f'server:{name}', 'expires': time}
                for _, name, time in names
            ],
        )
        self.analyze()

    def test_token_queries_use_the_intended_indexes(self) -> None:
        queries = self.database.tokens
        self.check(
            'a look-up',
            lambda: queries.get('server-7-3', NOW),
            ['uq_console_auth_tokens_token_hash'],
        )
        self.check(
            'the project of a token',
            lambda: queries.get_project('server-7-3'),
            ['uq_console_auth_tokens_token_hash'],
        )
        self.check(
            'the purge',
            lambda: queries.purge(NOW + 5, 1000),
            [
                'ix_console_auth_tokens_expires',
                'pk_console_auth_tokens',
                'ix_consoles_token_hash',
            ],
        )
        self.check(
            'revoking a token',
            lambda: queries.delete('server-90-1', ENDING),
            [
                'uq_console_auth_tokens_token_hash',
                'ix_consoles_token_hash',
                'ix_console_sessions_token_hash',
                'pk_console_sessions',
                'ix_console_sessions_server_id',
            ],
        )
        self.check(
            "revoking a server's tokens",
            lambda: queries.delete_of_server('server-91', ENDING),
            [
                'ix_console_auth_tokens_server_id_user_id_id',
                'uq_consoles_server_id_server_host',
                'ix_console_sessions_server_id',
                'pk_console_sessions',
                'ix_console_sessions_server_id',
            ],
        )

        self.check(
            'issuing a token beyond the limit',
            lambda: queries.create(
                token('surplus', server_id='server-94'), NOW, 5
            ),
            [
                'ix_console_auth_tokens_server_id_user_id_id',
                'pk_console_auth_tokens',
            ],
        )

        self.check(
            'issuing a token of a project with a limit',
            lambda: queries.create(
                token('limited', project_id='server-95'), NOW, 0, 9
            ),
            ['ix_console_auth_tokens_project_id_expires'],
        )

    def test_session_queries_use_the_intended_indexes(self) -> None:
        queries = self.database.sessions
        of_server = SessionQuery(server_id='server-7', limit=9)
        self.check(
            'sessions of a server',
            lambda: self.database.session_lists.live(of_server, NOW),
            ['ix_console_sessions_server_id'],
        )
        self.check(
            'joining a session',
            lambda: queries.find('server-7-1', '2001:db8::1', NOW),
            ['ix_console_sessions_token_hash'],
        )
        self.check(
            'keeping a session',
            lambda: queries.keep(['server-7-3'], NOW, NOW + 90, NOW + 90),
            ['uq_console_sessions_session_id'] * 2,
        )
        self.check(
            'keeping sessions',
            lambda: queries.keep(
                ['server-8-3', 'server-8-4'], NOW, NOW + 90, NOW + 90
            ),
            ['uq_console_sessions_session_id'] * 2,
        )
        self.check(
            'opening a session',
            lambda: self.open_session(
                'new', max_uses=1, token_hash='server-8-3'
            ),
            ['uq_console_auth_tokens_token_hash'],
        )
        self.check(
            'opening a session of a server with a limit',
            lambda: self.open_session(
                'newer',
                max_sessions=5,
                replace=True,
                server_id='server-95',
                token_hash='server-95-3',
            ),
            [
                'uq_console_auth_tokens_token_hash',
                'ix_console_sessions_server_id',
                'pk_console_sessions',
                'ix_console_sessions_server_id',
            ],
        )
        self.check(
            'opening a session of a user and a project with limits',
            lambda: self.database.sessions.open(
                session(
                    'newest',
                    token_hash='server-96-3',
                    user_id='server-96',
                    project_id='server-96',
                ),
                NOW + 30,
                max_uses=0,
                max_sessions=0,
                replace=False,
                limits=SessionLimits(9, 9),
            ),
            [
                'uq_console_auth_tokens_token_hash',
                'ix_console_sessions_user_id',
                'ix_console_sessions_project_id',
            ],
        )
        self.check(
            'the purge of locks',
            lambda: self.database.locks.purge(NOW + 5, 1000),
            ['ix_leases_expires', 'pk_leases'],
        )
        self.check(
            'ending a session',
            lambda: queries.end('server-92-3', ENDING, 'server-92'),
            [
                'uq_console_sessions_session_id',
                'pk_console_sessions',
                'ix_console_sessions_server_id',
            ],
        )
        self.check(
            'finding a session to resume',
            lambda: self.database.resumptions.resume(
                session('resumed', token_hash='server-94-1'),
                NOW + 90,
                'unknown',
                closed_after=NOW,
                alive_after=NOW,
                max_sessions=0,
                replace=False,
            ),
            ['ix_console_sessions_token_hash'],
        )
        self.check(
            'closing a session',
            lambda: self.database.closed_sessions.add('server-93-3', NOW),
            [
                'uq_console_sessions_session_id',
                'pk_console_sessions',
                'ix_console_sessions_server_id',
            ],
        )
        self.check(
            'closing several sessions',
            lambda: self.database.closed_sessions.add_all(
                ['server-94-3', 'server-95-3', 'server-96-3'], NOW
            ),
            [
                'uq_console_sessions_session_id',
                'pk_console_sessions',
                'pk_console_sessions',
                'ix_console_sessions_server_id',
            ],
        )
        self.check(
            'the purge of closed sessions',
            lambda: self.database.closed_sessions.purge(NOW + 50, 1000),
            ['ix_console_sessions_alive_until', 'pk_console_sessions'],
        )
        self.check(
            'the purge',
            lambda: queries.purge(NOW + 50, 1000, 30),
            [
                'ix_console_sessions_alive_until',
                'pk_console_sessions',
                'ix_console_sessions_server_id',
            ],
        )

    def test_queries_of_the_history_use_the_intended_indexes(self) -> None:
        lists = self.database.session_lists
        index = 'ix_ended_sessions_{}ended_at_id'
        for parameters, name in (
            ({'server_id': 'server-7'}, 'server_id_'),
            ({'project_id': 'project-7'}, 'project_id_'),
            ({'user_id': 'user-7'}, 'user_id_'),
            ({}, ''),
            ({'since': NOW + 4000, 'before': NOW + 4500}, ''),
            ({'server_id': 'server-500'}, 'server_id_'),
        ):
            query = SessionQuery(limit=10, **parameters)
            (first, *_) = lists.ended(query)
            totals = []
            if parameters.get('server_id') == 'server-500':
                totals = ['ix_ended_sessions_main_id']
            self.check(
                f'the history with {parameters}',
                lambda query=query: lists.ended(query),
                [index.format(name), *totals],
            )
            self.check(
                f'a further page of the history with {parameters}',
                lambda query=query, first=first: lists.ended(
                    dataclasses.replace(query, marker=first.session.id)
                ),
                ['ix_ended_sessions_main_id', index.format(name), *totals],
            )
        self.database.proxies.keep(
            'process', ['server-508-4'], NOW, NOW + 9, NOW + 9
        )
        self.database.sessions.end('server-508-4', ENDING)
        report = SessionReport(EndReason.CLIENT_CLOSED, 1, 2)
        self.check(
            'what a proxy reports of a session that has ended',
            lambda: self.database.closed_sessions.add_all(
                ['server-508-4'], NOW, reports={'server-508-4': report}
            ),
            [
                'uq_console_sessions_session_id',
                'ix_ended_sessions_main_id',
                'pk_console_sessions',
            ],
        )
        self.check(
            'the purge of the history',
            lambda: self.database.history.purge(NOW + 50, 1000),
            [index.format(''), 'pk_ended_sessions'],
        )

    def test_queries_of_recordings_use_the_intended_indexes(self) -> None:
        queries = self.database.recordings
        accesses = self.database.recording_accesses
        of_server = 'ix_recordings_server_id_started_at_id'
        for what, action, indexes in (
            ('a list', lambda: queries.list('server-7', 3), [of_server]),
            (
                'a further page',
                lambda: queries.list('server-7', 3, 'server-7-3'),
                ['pk_recordings', of_server],
            ),
            (
                'a recording',
                lambda: queries.find('server-7', 'server-7-3'),
                ['pk_recordings'],
            ),
            (
                'the project of a server',
                lambda: queries.get_project('server-7'),
                [of_server],
            ),
            (
                'recordings of sessions',
                lambda: queries.of_sessions(['server-7-3', 'server-8-3']),
                ['ix_recordings_session_id'],
            ),
            (
                'deletion',
                lambda: queries.delete(['server-9-3', 'server-8-3']),
                ['pk_recordings'],
            ),
            (
                'access to a recording',
                lambda: accesses.find('server-507-4', NOW),
                ['pk_recording_accesses', 'pk_recordings'],
            ),
            (
                'the purge of accesses',
                lambda: accesses.purge(NOW + 5, 1000),
                ['ix_recording_accesses_expires', 'pk_recording_accesses'],
            ),
        ):
            self.check(what, action, indexes)

    def test_queries_of_modes_use_the_intended_indexes(self) -> None:
        of_process = 'ix_console_sessions_proxy_id_expires'
        of_token = 'ix_console_sessions_token_hash'
        modes, name = self.database.modes, 'server-7-3'
        found = self.database.sessions.get(name)
        proxy_id = 'server-507-4'

        def keep(**confirmed: SessionMode) -> None:
            self.database.proxies.keep(
                proxy_id, [], NOW, NOW + 9, NOW + 9, confirmed
            )

        self.database.proxies.keep(proxy_id, [name], NOW, NOW + 9, NOW + 9)
        self.check(
            'changing the mode of a session',
            lambda: modes.change(found, SessionMode.VIEW, NOW),
            [
                'uq_console_auth_tokens_token_hash',
                'uq_console_sessions_session_id',
                'pk_console_sessions',
                'pk_console_proxies',
                'ix_console_sessions_server_id',
                'pk_console_proxies',
            ],
        )
        self.check('a keep-alive that finds a change', keep, [of_process] * 2)
        self.check(
            'a keep-alive that confirms a change',
            lambda: keep(**{name: SessionMode.VIEW}),
            [
                of_process,
                'uq_console_sessions_session_id',
                of_process,
                'pk_console_proxies',
            ],
        )
        self.check(
            'changing the mode of the channels of a page',
            lambda: modes.change_channels(found, SessionMode.CONTROL, NOW),
            [
                'uq_console_auth_tokens_token_hash',
                of_token,
                'pk_console_sessions',
                'pk_console_proxies',
                'ix_console_sessions_server_id',
                'pk_console_proxies',
            ],
        )
        self.check(
            'a take-over',
            lambda: self.open_session(
                'taken',
                token_hash='server-7-3',
                server_id='server-7',
                takes_over=('novnc',),
            ),
            [
                'uq_console_auth_tokens_token_hash',
                'ix_console_sessions_server_id',
                'pk_console_sessions',
                'ix_console_sessions_server_id',
            ],
        )

    def test_queries_of_proxies_use_the_intended_indexes(self) -> None:
        queries = self.database.proxies
        of_process = 'ix_console_sessions_proxy_id_expires'

        def keep(*session_ids: str) -> None:
            queries.keep('server-507-4', session_ids, NOW, NOW + 9, NOW + 9)

        self.database.sessions.end('server-507-4', ENDING)
        for index in ('pk_console_proxies', of_process):
            self.check('a keep-alive', keep, [index, of_process])
        self.check(
            'a keep-alive that names sessions',
            lambda: keep('server-7-3', 'server-7-4'),
            [
                of_process,
                *['uq_console_sessions_session_id'] * 3,
                'ix_console_sessions_server_id',
                'pk_console_proxies',
                of_process,
                of_process,
            ],
        )
        others = self.database.others
        self.check(
            'the other sessions on the consoles of a process',
            lambda: others.find('server-507-4', NOW),
            [of_process, 'ix_console_sessions_server_id'],
        )
        self.check(
            'keeping a session with a process',
            lambda: self.database.sessions.keep(
                ['server-508-4'], NOW, NOW + 9000, NOW
            ),
            ['uq_console_sessions_session_id', 'pk_console_proxies'],
        )
        self.check(
            'the purge of processes',
            lambda: queries.purge(NOW, 1, 30),
            [
                'ix_console_proxies_alive_until',
                'pk_console_proxies',
                of_process,
                'pk_console_proxies',
            ],
        )

    def test_queries_of_native_consoles_use_the_intended_indexes(
        self,
    ) -> None:
        queries = self.database.native_consoles
        self.check(
            'consoles of a server',
            lambda: queries.list('server-7'),
            ['uq_consoles_server_id_server_host'],
        )
        self.check(
            'a log-in by port',
            lambda: queries.find_by_port(7, 0),
            ['ix_consoles_gateway_port'],
        )
        self.check(
            'a log-in by server',
            lambda: queries.find_by_server('server-7', 0),
            ['uq_consoles_server_id_server_host'],
        )
        self.check(
            'a log-in by instance name',
            lambda: queries.find_by_instance_name('server-7', 0),
            ['ix_consoles_instance_name'],
        )
        self.check(
            'a console that is used up',
            lambda: queries.expire_if_used_up('server-7-0', NOW, 0),
            ['ix_consoles_token_hash'],
        )
        self.check(
            'deleting a console on the gateway',
            lambda: queries.delete_on_gateway('server-92-0'),
            ['uq_console_auth_tokens_token_hash', 'ix_consoles_token_hash'],
        )

    def test_queries_of_log_ins_use_the_intended_indexes(self) -> None:
        queries = self.database.log_ins
        attempt = LogInAttempt(
            challenge_hash='new',
            target_hash='server-7-0',
            client_hash='server-7-1',
            token_hash='server-7-0',
            expires=NOW,
        )
        for what, challenge, is_right, updates in (
            ('counting a failure', 'new', False, 2),
            ('resetting failures', 'newer', True, 2),
            ('a log-in', 'newest', True, 0),
        ):
            self.check(
                what,
                lambda challenge=challenge, is_right=is_right: queries.record(
                    dataclasses.replace(attempt, challenge_hash=challenge),
                    NOW,
                    is_right=is_right,
                    max_failures=3,
                    max_failures_per_console=5,
                    lock_time=60,
                ),
                # RETURNING needs no plan.
                ['pk_log_in_failures'] * updates,
            )
        self.check(
            'the purge of failures',
            lambda: queries.purge_failures(NOW + 5, 1000),
            ['ix_log_in_failures_expires', 'pk_log_in_failures'],
        )
        self.check(
            'the purge of challenges',
            lambda: queries.purge_challenges(NOW + 5, 1000),
            ['ix_used_challenges_expires', 'pk_used_challenges'],
        )
        self.check(
            'the purge of challenges of closed consoles',
            lambda: queries.purge_challenges_of_closed_consoles('', 10),
            [
                'ix_used_challenges_token_hash',
                'uq_console_auth_tokens_token_hash',
                'ix_used_challenges_token_hash',
            ],
        )


class OnSQLiteExplained(OnSQLite):
    EXPLAIN = 'EXPLAIN QUERY PLAN '

    def uses(self, plan: str, index: str) -> bool:
        kind, _, name = index.partition('_')
        if kind == 'pk':
            return (
                'USING INTEGER PRIMARY KEY' in plan
                # Of a table whose key is a text.
                or f'INDEX sqlite_autoindex_{name}_1 ' in plan
            )
        if kind == 'uq':
            # SQLite ignores the names of unique constraints: identify the
            # index by its table and first column.
            column = {
                'console_auth_tokens_token_hash': 'token_hash',
                'console_sessions_session_id': 'session_id',
                'consoles_server_id_server_host': 'server_id',
            }[name]
            table = name.partition(f'_{column}')[0]
            return (
                f'INDEX sqlite_autoindex_{table}' in plan
                and f'({column}=?' in plan
            )
        return re.search(rf'INDEX {index}\b', plan) is not None


class SQLitePlans(OnSQLiteExplained, Plans, testtools.TestCase):
    pass
