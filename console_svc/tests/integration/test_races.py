# SPDX-License-Identifier: Apache-2.0

"""Concurrent operations of several processes, on real databases."""

import atexit
import functools
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
import testtools

from console_svc import conf as configuration
from console_svc.context import RequestContext, admin_context
from console_svc.db import migration, tables
from console_svc.db.database import Database
from console_svc.db.session_rows import IS_OPEN
from console_svc.endings import SessionQuery
from console_svc.objects import Server, SessionMode
from console_svc.services import Services
from console_svc.tests import fixtures
from console_svc.tests.functional.db.base import OnDatabase, OnSQLite
from console_svc.tests.integration.databases import OnMariaDB, OnPostgreSQL
from console_svc.tests.integration.mariadb import MariaDB
from console_svc.tests.integration.racer import password_file
from console_svc.tests.programs import process

RACERS = 8

#: Servers, of which each has a console.
SERVERS = [f'00000000-0000-4000-8000-{number:012}' for number in range(4)]


@functools.cache
def racers() -> list[subprocess.Popen[str]]:
    """Start the processes for all races of a run; they end with it."""
    started = [
        subprocess.Popen(
            [sys.executable, '-m', 'console_svc.tests.integration.racer'],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(RACERS)
    ]
    atexit.register(end, started)
    return started


def end(started: list[subprocess.Popen[str]]) -> None:
    """Close the input of the processes, which ends them."""
    for racer in started:
        racer.communicate()


def _of(server: Server) -> SessionQuery:
    return SessionQuery(server_id=server.id, limit=1000)


class Races(OnDatabase):
    #: How often a race is repeated, because its outcome depends on timing.
    ROUNDS = 5

    def race(
        self,
        configured: fixtures.Configuration,
        *actions: Sequence[Any],
    ) -> Counter[str]:
        """Run actions concurrently; return their outcomes with counts.

        :param actions: the action of each process, with its arguments
        """
        running = list(zip(racers(), actions, strict=False))
        self.assertEqual(len(actions), len(running))
        for racer, action in running:
            self.write(racer, json.dumps([str(configured.file), *action]))
        for racer, _ in running:
            self.assertEqual('ready\n', racer.stdout.readline())
        for racer, _ in running:
            self.write(racer, 'go')
        return Counter(racer.stdout.readline().strip() for racer, _ in running)

    def write(self, racer: subprocess.Popen[str], line: str) -> None:
        racer.stdin.write(f'{line}\n')
        racer.stdin.flush()

    def issue(
        self,
        configured: fixtures.Configuration,
        number: int,
        console_type: str = 'novnc',
    ) -> list[str]:
        """Issue tokens of one server."""
        services, server = self.services(configured)
        return [
            services.tokens.issue(admin_context(), server, console_type)
            for _ in range(number)
        ]

    def services(
        self, configured: fixtures.Configuration
    ) -> tuple[Services, Server]:
        """Return the services of this process, and the server."""
        services = Services(configured.conf)
        services.database = configured.database
        return services, services.driver.get_server(
            admin_context(), fixtures.SERVER
        )

    def count(
        self, configured: fixtures.Configuration, table: sa.Table
    ) -> int:
        with configured.database.engine.connect() as connection:
            return connection.execute(
                sa.select(sa.func.count()).select_from(table)
            ).scalar_one()

    def count_sessions(self, configured: fixtures.Configuration) -> int:
        """The number of open sessions."""
        columns = tables.console_sessions.c
        with configured.database.engine.connect() as connection:
            return connection.execute(
                sa.select(sa.func.count(columns.id)).where(IS_OPEN)
            ).scalar_one()

    def clear(self, configured: fixtures.Configuration) -> None:
        """Delete all consoles, tokens and sessions."""
        with configured.database.engine.begin() as connection:
            for table in (
                tables.consoles,
                tables.console_auth_tokens,
                tables.console_sessions,
            ):
                connection.execute(table.delete())

    def test_concurrent_creates_leave_one_console_and_its_password(
        self,
    ) -> None:
        configured = self.configuration()
        services, server = self.services(configured)
        for _ in range(self.ROUNDS):
            self.clear(configured)
            outcomes = self.race(configured, *[['console']] * RACERS)
            self.assertEqual({'done': RACERS}, outcomes)
            (console,) = services.native_consoles.list(server)
            _, password = services.native_consoles.get(
                admin_context(), server, console.id
            )
            self.assertEqual(
                password_file(configured.folder).read_text(), password
            )

    def gateway(self, **consoles: Any) -> fixtures.Configuration:
        """Return a configuration with consoles on the gateway."""
        configured = self.configuration(
            {
                'consoles': {'mode': 'gateway', **consoles},
                'rfb': {'max_failures': 5},
            }
        )
        document = fixtures.inventory()
        document['servers'] = [
            {**document['servers'][0], 'id': server}
            for server in (fixtures.SERVER, *SERVERS)
        ]
        configured.write_inventory(document)
        return configured

    def open(self, configured: fixtures.Configuration) -> str:
        """Open the console of a server; return its password."""
        services, server = self.services(configured)
        services.native_consoles.open(admin_context(), server)
        (console,) = services.native_consoles.list(server)
        return services.native_consoles.get(
            admin_context(), server, console.id
        )[1]

    def test_concurrent_creates_on_the_gateway_get_different_ports(
        self,
    ) -> None:
        configured = self.gateway(port_range='5901-5903')
        for _ in range(self.ROUNDS):
            self.clear(configured)
            outcomes = self.race(
                configured, *[['console', server] for server in SERVERS * 2]
            )
            # Four servers, but only three ports.
            self.assertEqual({'done': 6, 'ServiceUnavailable': 2}, outcomes)
            ports = configured.database.native_consoles.list_ports()
            self.assertEqual(
                [5901, 5902, 5903], sorted(each.port for each in ports)
            )
            self.assertEqual(
                3, self.count(configured, tables.console_auth_tokens)
            )

    def test_concurrent_guesses_do_not_exceed_the_limit(self) -> None:
        configured = self.gateway()
        for _ in range(self.ROUNDS):
            self.clear(configured)
            self.open(configured)
            outcomes = self.race(configured, *[['log_in', 'guess']] * RACERS)
            self.assertEqual(
                {'AuthenticationFailed': 4, 'ConsoleLocked': RACERS - 4},
                outcomes,
            )

    def test_a_challenge_is_answered_once(self) -> None:
        configured = self.gateway()
        for number in range(self.ROUNDS):
            self.clear(configured)
            password = self.open(configured)
            outcomes = self.race(
                configured, *[['log_in', password, f'{number:032}']] * RACERS
            )
            self.assertEqual(
                {'done': 1, 'AuthenticationFailed': RACERS - 1}, outcomes
            )

    def test_a_single_use_password_is_used_once(self) -> None:
        configured = self.gateway(native_max_uses=1)
        for _ in range(self.ROUNDS):
            self.clear(configured)
            password = self.open(configured)
            # More than max_failures: a right password is not a failure.
            outcomes = self.race(configured, *[['log_in', password]] * RACERS)
            self.assertEqual(
                {'done': 1, 'ConsoleUsedUp': RACERS - 1}, outcomes
            )

    def test_right_passwords_beside_guesses_open_sessions(self) -> None:
        configured = self.gateway()
        for _ in range(self.ROUNDS):
            self.clear(configured)
            password = self.open(configured)
            outcomes = self.race(
                configured,
                *[['log_in', 'guess']] * 4,
                *[['log_in', password]] * (RACERS - 4),
            )
            # max_failures is one more.
            self.assertEqual(
                {'AuthenticationFailed': 4, 'done': RACERS - 4}, outcomes
            )

    def test_a_single_use_token_is_used_once(self) -> None:
        configured = self.configuration(max_uses=1)
        for _ in range(self.ROUNDS):
            self.clear(configured)
            (token,) = self.issue(configured, 1)
            outcomes = self.race(configured, *[['session', token]] * RACERS)
            self.assertEqual({'done': 1, 'TokenUsedUp': RACERS - 1}, outcomes)
            self.assertEqual(1, self.count_sessions(configured))

    def resumable(self, configured: fixtures.Configuration) -> list[str]:
        """Open a session; return its id, token, secret and address."""
        services, _ = self.services(configured)
        (token,) = self.issue(configured, 1)
        found = [token, 'x' * 43, '192.0.2.7']
        session, *_ = services.sessions.open_by_token(
            admin_context(), token, found[2], secret=found[1]
        )
        return [session.id, *found]

    def test_a_session_is_resumed_once(self) -> None:
        for limit in (0, 1):
            configured = self.configuration(
                max_uses=1, max_sessions_per_server=limit
            )
            for _ in range(self.ROUNDS):
                self.clear(configured)
                _, *resumed = self.resumable(configured)
                outcomes = self.race(
                    configured, *[['resume', *resumed]] * RACERS
                )
                self.assertEqual(
                    {'done': 1, 'TokenUsedUp': RACERS - 1}, outcomes
                )
                self.assertEqual(1, self.count_sessions(configured))

    def test_a_session_is_resumed_while_it_is_closed(self) -> None:
        configured = self.configuration(max_uses=1)
        services, server = self.services(configured)
        for _ in range(self.ROUNDS):
            self.clear(configured)
            session_id, *resumed = self.resumable(configured)
            outcomes = self.race(
                configured,
                *[['resume', *resumed]] * 2,
                *[['close', session_id]] * 2,
            )
            # One resumes it; it is closed before, or replaced.
            self.assertEqual(1, outcomes['TokenUsedUp'])
            self.assertLessEqual(
                outcomes.keys(), {'done', 'TokenUsedUp', 'SessionNotFound'}
            )
            (session,) = services.session_lists.live(_of(server))
            self.assertNotEqual(session_id, session.id)

    def test_one_of_several_take_overs_has_the_console(self) -> None:
        configured = self.configuration(allow_takeover=True)
        services, server = self.services(configured)
        for _ in range(self.ROUNDS):
            self.clear(configured)
            tokens = self.issue(configured, RACERS)
            services.sessions.open_by_token(admin_context(), tokens[0], None)
            outcomes = self.race(
                configured, *[['take_over', token] for token in tokens]
            )
            self.assertEqual({'done': RACERS}, outcomes)
            self.assertEqual(1, len(services.session_lists.live(_of(server))))

    def test_a_session_is_resumed_while_it_is_handed_over(self) -> None:
        configured = self.configuration(max_uses=1, session_lapse=600)
        services, server = self.services(configured)
        for _ in range(self.ROUNDS):
            self.clear(configured)
            session_id, *resumed = self.resumable(configured)
            outcomes = self.race(
                configured, ['resume', *resumed], ['watch', session_id]
            )
            (session,) = services.session_lists.live(_of(server))
            # The change is lost only if its caller learns that.
            self.assertEqual(
                {'done': 2}
                if session.mode == SessionMode.VIEW
                else {'done': 1, 'SessionNotFound': 1},
                outcomes,
            )

    def test_a_channel_is_opened_while_its_page_is_handed_over(self) -> None:
        # It takes time to start the processes.
        configured = self.configuration(session_lapse=600)
        document = fixtures.inventory()
        document['servers'][0]['consoles'].append(
            {'type': 'spice-html5', 'host': '192.0.2.10', 'port': 5904}
        )
        configured.write_inventory(document)
        services, _ = self.services(configured)
        for _ in range(self.ROUNDS):
            self.clear(configured)
            (token,) = self.issue(configured, 1, 'spice-html5')
            session, *_ = services.sessions.open_by_token(
                admin_context(), token, '192.0.2.7'
            )
            outcomes = self.race(
                configured,
                *[['channel', token, '192.0.2.7']] * 3,
                ['watch', session.id],
            )
            self.assertEqual({'done': 4}, outcomes)
            with configured.database.reading() as connection:
                modes = connection.scalars(
                    sa.select(tables.console_sessions.c.mode)
                ).all()
            self.assertEqual(['view'] * 4, modes)

    def test_no_session_is_resumed_after_a_revocation(self) -> None:
        configured = self.configuration(max_uses=1)
        services, server = self.services(configured)
        for closes in (False, True) * 3:
            self.clear(configured)
            session_id, *resumed = self.resumable(configured)
            if closes:
                services.sessions.close(admin_context(), session_id)
            outcomes = self.race(
                configured, *[['resume', *resumed]] * 2, *[['revoke']] * 2
            )
            self.assertLessEqual(
                outcomes.keys(), {'done', 'TokenNotFound', 'TokenUsedUp'}
            )
            self.assertEqual([], services.session_lists.live(_of(server)))

    def test_the_limit_of_sessions_is_not_exceeded(self) -> None:
        configured = self.configuration(max_sessions_per_server=2)
        for _ in range(self.ROUNDS):
            self.clear(configured)
            tokens = self.issue(configured, RACERS)
            outcomes = self.race(
                configured, *[['session', token] for token in tokens]
            )
            self.assertEqual(
                {'done': 2, 'TooManySessions': RACERS - 2}, outcomes
            )
            self.assertEqual(2, self.count_sessions(configured))

    def test_the_newest_sessions_replace_the_oldest(self) -> None:
        configured = self.configuration(
            max_sessions_per_server=2, when_sessions_are_full='replace'
        )
        for _ in range(self.ROUNDS):
            self.clear(configured)
            tokens = self.issue(configured, RACERS)
            outcomes = self.race(
                configured, *[['session', token] for token in tokens]
            )
            self.assertEqual({'done': RACERS}, outcomes)
            self.assertEqual(2, self.count_sessions(configured))

    def tokens_of_servers(
        self, configured: fixtures.Configuration, user: str | None = None
    ) -> list[str]:
        """Issue two tokens of each server, all in the same project."""
        services, _ = self.services(configured)
        context = RequestContext(user_id=user, overwrite=False)
        return [
            services.tokens.issue(
                context,
                services.driver.get_server(admin_context(), server),
                'novnc',
            )
            for server in SERVERS * 2
        ]

    def test_the_limit_of_a_user_is_not_exceeded(self) -> None:
        configured = self.gateway()
        configured.add(consoleauth={'max_sessions_per_user': 2})
        for _ in range(self.ROUNDS):
            self.clear(configured)
            tokens = self.tokens_of_servers(configured, 'joe')
            outcomes = self.race(
                configured, *[['session', token] for token in tokens]
            )
            self.assertEqual(
                {'done': 2, 'UserOverLimit': RACERS - 2}, outcomes
            )
            self.assertEqual(2, self.count_sessions(configured))

    def test_the_limit_of_a_project_is_not_exceeded(self) -> None:
        configured = self.gateway()
        for _ in range(self.ROUNDS):
            self.clear(configured)
            tokens = self.tokens_of_servers(configured)
            outcomes = self.race(
                configured, *[['session', token, 3] for token in tokens]
            )
            self.assertEqual(
                {'done': 3, 'ProjectOverLimit': RACERS - 3}, outcomes
            )
            self.assertEqual(3, self.count_sessions(configured))

    def test_the_limit_of_unused_tokens_is_not_exceeded(self) -> None:
        configured = self.configuration()
        for _ in range(self.ROUNDS):
            self.clear(configured)
            outcomes = self.race(configured, *[['flood', 1, 3]] * RACERS)
            self.assertEqual(
                {'done': 3, 'ProjectOverLimit': RACERS - 3}, outcomes
            )
            self.assertEqual(
                3, self.count(configured, tables.console_auth_tokens)
            )

    def test_limits_hold_while_sessions_are_replaced_and_closed(self) -> None:
        configured = self.gateway()
        configured.add(
            consoleauth={
                'max_sessions_per_server': 1,
                'when_sessions_are_full': 'replace',
                'max_sessions_per_user': 3,
                'recheck_target': False,
            }
        )
        tokens = self.tokens_of_servers(configured, 'joe')
        # Each process has its own order, in which it locks servers.
        outcomes = self.race(
            configured,
            *[
                ['churn', tokens[at:] + tokens[:at], 3, 20]
                for at in range(RACERS)
            ],
        )
        self.assertEqual({'done': RACERS}, outcomes)

    def test_no_session_outlives_a_revoked_token(self) -> None:
        for limit in (0, RACERS):
            configured = self.configuration(max_sessions_per_server=limit)
            for _ in range(self.ROUNDS):
                self.clear(configured)
                tokens = self.issue(configured, RACERS - 2)
                outcomes = self.race(
                    configured,
                    *[['session', token] for token in tokens],
                    *[['revoke']] * 2,
                )
                self.assertLessEqual(
                    outcomes.keys(), {'done', 'TokenNotFound', 'TokenUsedUp'}
                )
                self.assertEqual(
                    0, self.count(configured, tables.console_auth_tokens)
                )
                self.assertEqual(0, self.count_sessions(configured))

    def test_processes_learn_which_sessions_have_ended(self) -> None:
        configured = self.configuration(recheck_target=False)
        outcomes = self.race(
            configured,
            *[['keep', 10]] * 5,
            *[['revoke']] * 2,
            ['purge', 10],
        )
        self.assertEqual({'done': RACERS}, outcomes)

    def test_purge_during_issue_and_look_up(self) -> None:
        configured = self.configuration(recheck_target=False)
        number = 20
        outcomes = self.race(
            configured, *[['issue', number]] * 5, *[['purge', number]] * 3
        )
        self.assertEqual({'done': RACERS}, outcomes)
        services, _ = self.services(configured)
        services.purge.run()
        self.assertEqual(
            5 * number, self.count(configured, tables.console_auth_tokens)
        )

    def test_unused_tokens_hardly_exceed_their_limit(self) -> None:
        configured = self.configuration(max_unused_tokens=3)
        outcomes = self.race(configured, *[['flood', 10]] * RACERS)
        self.assertEqual({'done': RACERS}, outcomes)
        # Each process may not have seen the last tokens of the others.
        number = self.count(configured, tables.console_auth_tokens)
        self.assertLessEqual(number, 3 + RACERS)
        self.race(configured, ['flood', 1])
        self.assertEqual(3, self.count(configured, tables.console_auth_tokens))

    def test_one_process_takes_a_lease_per_interval(self) -> None:
        configured = self.configuration()
        for round_ in range(self.ROUNDS):
            now = 1_000_000 + round_ * 60
            outcomes = self.race(configured, *[['lease', now]] * 4)
            self.assertEqual({'done': 1, 'LookupError': 3}, outcomes)

    def test_concurrent_migrations_succeed(self) -> None:
        file = self.empty()
        database = Database(configuration.load(files=[str(file)]))
        self.addCleanup(database.dispose)
        for _ in range(2):
            configured = self.useFixture(fixtures.Configuration())
            configured.file = file
            outcomes = self.race(configured, *[['sync']] * RACERS)
            self.assertEqual({'done': RACERS}, outcomes)
            self.assertEqual(migration.head(), migration.version(database))


class SQLiteRaces(OnSQLite, Races, testtools.TestCase):
    pass


class MariaDBRaces(OnMariaDB, Races, testtools.TestCase):
    def test_unused_tokens_are_deleted_without_deadlocks(self) -> None:
        server = process.shared(MariaDB)
        query = "SHOW GLOBAL STATUS LIKE 'Innodb_deadlocks'"
        before = server.execute(query)
        configured = self.configuration(max_unused_tokens=3)
        self.race(configured, *[['flood', 10]] * RACERS)
        self.assertEqual(before, server.execute(query))


class PostgreSQLRaces(OnPostgreSQL, Races, testtools.TestCase):
    pass
