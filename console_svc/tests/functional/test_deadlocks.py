# SPDX-License-Identifier: Apache-2.0

"""Deadlocks in the database: writes are repeated."""

import json
from typing import Any

import fixtures as fixtures_
import sqlalchemy as sa
import testtools
from oslo_db import exception as db_exception

from console_svc.tests import fixtures
from console_svc.tests.functional import api_ref

_WRITES = ('INSERT', 'UPDATE', 'DELETE')
_SUCCESS = (200, 201, 202, 204)


class Deadlocks(fixtures_.Fixture):
    """Statements that write lose against another transaction.

    The engine raises what oslo.db makes of the error of MySQL or PostgreSQL;
    SQLite has no deadlocks.

    :param always: else each statement loses the first time only
    """

    def __init__(self, always: bool = False) -> None:
        self._always = always
        self.lost: list[str] = []

    def _setUp(self) -> None:
        listener = sa.Engine, 'before_cursor_execute', self._execute
        sa.event.listen(*listener)
        self.addCleanup(sa.event.remove, *listener)

    def _execute(
        self, connection: sa.Connection, cursor: Any, statement: str, *_: Any
    ) -> None:
        if statement.startswith(_WRITES) and (
            self._always or statement not in self.lost
        ):
            self.lost.append(statement)
            raise db_exception.DBDeadlock


class DeadlockTest(testtools.TestCase):
    def test_every_write_is_repeated(self) -> None:
        lost = set()
        for operation in api_ref.read():
            if operation.method == 'GET':
                continue
            api = self.useFixture(api_ref.ReadyApi())
            # The other server has no console yet, and no recording.
            server = fixtures.SERVER, fixtures.OTHERS
            server_id = server[
                operation.method == 'POST'
                and 'recording_id' not in operation.path
            ]
            # Microversion 2.6 replaces the actions.
            version = '2.5' if operation.path.endswith('/action') else '2.99'
            if operation.path.endswith('/authentications'):
                # The log-in then resets this failure.
                self.fail_to_log_in(api, operation)
            with Deadlocks() as deadlocks:
                answer = api.send(
                    operation, server_id=server_id, version=version
                )
            self.assertIn(answer.status_int, _SUCCESS, str(operation))
            lost |= set(map(_verb_and_table, deadlocks.lost))
        self.assertEqual(
            {
                ('INSERT', 'consoles'),
                ('UPDATE', 'consoles'),
                ('DELETE', 'consoles'),
                ('INSERT', 'console_auth_tokens'),
                ('UPDATE', 'console_auth_tokens'),
                ('DELETE', 'console_auth_tokens'),
                ('INSERT', 'console_sessions'),
                ('UPDATE', 'console_sessions'),
                ('INSERT', 'ended_sessions'),
                ('INSERT', 'recording_accesses'),
                ('DELETE', 'recordings'),
                ('INSERT', 'console_proxies'),
                ('INSERT', 'used_challenges'),
                ('INSERT', 'log_in_failures'),
                ('UPDATE', 'log_in_failures'),
            },
            lost,
        )

    def fail_to_log_in(
        self, api: api_ref.ReadyApi, operation: api_ref.Operation
    ) -> None:
        """Log in with a wrong password."""
        body = api_ref.document(operation.request.samples[0])
        body['authentication']['response'] = '00' * 16
        answer = api.send(operation, body=json.dumps(body))
        self.assertEqual(403, answer.status_int)

    def test_repeated_write_is_written_once(self) -> None:
        api = self.useFixture(fixtures.Api())
        with Deadlocks() as deadlocks:
            api.issue('novnc')
        self.assertEqual(1, len(deadlocks.lost))
        with api.database.reading() as connection:
            rows = connection.execute(
                sa.text('SELECT id FROM console_auth_tokens')
            ).all()
        self.assertEqual(1, len(rows))

    def test_write_that_loses_each_time_is_a_503(self) -> None:
        self.useFixture(fixtures_.FakeLogger())
        api = self.useFixture(fixtures.Api())
        with Deadlocks(always=True) as deadlocks:
            answer = api.request(
                'POST',
                f'{api_ref.SERVER}/remote-consoles',
                version='2.6',
                body=json.dumps(
                    {'remote_console': {'protocol': 'vnc', 'type': 'novnc'}}
                ),
            )
        self.assertEqual(503, answer.status_int)
        self.assertEqual(6, len(deadlocks.lost))


def _verb_and_table(statement: str) -> tuple[str, str]:
    verb, first, second = statement.split()[:3]
    return verb, first if verb == 'UPDATE' else second
