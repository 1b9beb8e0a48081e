# SPDX-License-Identifier: Apache-2.0

"""Consoles on the gateway, and who logs in to them, as time goes by."""

import dataclasses
import json
import logging
import pathlib
from typing import Any

import fixtures as fixtures_
import sqlalchemy as sa
import testtools

from console_svc import audit, exception
from console_svc.consoles import purge
from console_svc.consoles.native.consoles import NativeConsoles
from console_svc.consoles.native.login import GatewayAuthentication
from console_svc.consoles.sessions import ConsoleSessions
from console_svc.consoles.tokens import ConsoleAuthTokens
from console_svc.context import RequestContext, everybody
from console_svc.db import tables
from console_svc.objects import Console, ConsoleSession
from console_svc.protocols import rfb
from console_svc.tests import fixtures
from console_svc.tests.unit.consoles.fakes import CONTEXT, RecordingDriver

CHALLENGE = bytes(range(16))
ADDRESS = '198.51.100.7'
START = 1_800_000_000


class GatewayTestCase(testtools.TestCase):
    """A service with a clock of its own."""

    def start(self, consoles: Any = None, **options: Any) -> None:
        self.configuration = self.useFixture(
            fixtures.Configuration(
                consoles={
                    'mode': 'gateway',
                    'port_range': '5901-5902',
                    **(consoles or {}),
                },
                **options,
            )
        )
        self.now = START
        self.driver = RecordingDriver()
        self.events = audit.Audit()
        self.database = self.configuration.database
        shared = self.configuration.conf, self.database
        self.tokens = ConsoleAuthTokens(
            *shared, self.driver, self.events, self.clock
        )
        sessions = ConsoleSessions(
            *shared, self.tokens, self.events, self.clock
        )
        self.consoles = NativeConsoles(
            *shared, self.driver, self.tokens, self.clock
        )
        self.gateway = GatewayAuthentication(
            *shared, self.driver, sessions, self.events, self.clock
        )

    def clock(self) -> float:
        return self.now

    def open(self) -> Console:
        self.consoles.open(CONTEXT, self.driver.server)
        (row,) = self.consoles.list(self.driver.server)
        return self.consoles.get(self.driver.server, row['id'])

    def log_in(
        self, password: str, target: int | str = fixtures.SERVER
    ) -> ConsoleSession:
        return self.gateway.authenticate(
            CONTEXT,
            target,
            CHALLENGE,
            rfb.response(CHALLENGE, password),
            ADDRESS,
        )[0]

    def fails(self, kind: type[Exception], *log_in: Any) -> str | None:
        """A log-in fails so; what Retry-After says."""
        error = self.assertRaises(
            exception.ConsoleSvcError, self.log_in, *log_in
        )
        self.assertIs(kind, type(error))
        return error.headers.get('Retry-After')

    def purge(self) -> tuple[int, int]:
        return purge.purge(self.database, self.events, self.now)

    def rows(self, table: sa.Table) -> list[Any]:
        with self.database.engine.connect() as connection:
            return connection.execute(sa.select(table)).mappings().all()


class ConsolesTest(GatewayTestCase):
    def test_nothing_changes_on_the_hypervisor(self) -> None:
        self.start()
        console = self.open()
        self.consoles.close(CONTEXT, self.driver.server, console.id)
        self.assertEqual({}, self.driver.passwords)
        self.assertEqual([], self.rows(tables.consoles))
        self.assertEqual([], self.rows(tables.console_auth_tokens))

    def test_open_is_idempotent(self) -> None:
        self.start()
        self.assertEqual(self.open(), self.open())
        self.assertEqual(1, len(self.rows(tables.console_auth_tokens)))

    def test_where_the_driver_opens_none(self) -> None:
        class OpensNone(RecordingDriver):
            opens_native_consoles = False

        for mode, driver, by_gateway in (
            (None, RecordingDriver(), False),
            (None, OpensNone(), True),
            ('driver', OpensNone(), False),
            ('gateway', RecordingDriver(), True),
        ):
            self.start()
            self.configuration.conf.set_override('mode', mode, 'consoles')
            consoles = NativeConsoles(
                self.configuration.conf, self.database, driver, self.tokens
            )
            consoles.open(CONTEXT, driver.server)
            (row,) = self.rows(tables.consoles)
            self.assertEqual(by_gateway, row['token_hash'] is not None)
            self.assertEqual(not by_gateway, bool(driver.passwords))

    def test_it_expires(self) -> None:
        self.start({'native_ttl': 60})
        before = self.open()
        self.now += 59
        self.log_in(before.password)
        self.now += 1
        self.assertEqual([], self.consoles.list(self.driver.server))
        self.assertRaises(
            exception.ConsoleNotFound,
            self.consoles.get,
            self.driver.server,
            before.id,
        )
        for target in before.port, fixtures.SERVER, before.instance_name:
            self.fails(exception.AuthenticationFailed, before.password, target)

    def test_opened_again_before_the_purge(self) -> None:
        self.start({'native_ttl': 60, 'port_range': '5902-5902'})
        before = self.open()
        self.now += 60
        after = self.open()
        self.assertNotEqual(before.id, after.id)
        self.assertEqual(5902, after.port)
        self.fails(exception.AuthenticationFailed, before.password)
        self.log_in(after.password)
        self.purge()
        self.log_in(after.password)

    def test_another_server_gets_the_port_before_the_purge(self) -> None:
        self.start({'native_ttl': 60, 'port_range': '5902-5902'})
        self.open()
        other = dataclasses.replace(self.driver.server, id=fixtures.OTHERS)
        self.assertRaises(
            exception.ServiceUnavailable, self.consoles.open, CONTEXT, other
        )
        self.now += 60
        self.consoles.open(CONTEXT, other)
        self.assertEqual(1, len(self.rows(tables.consoles)))

    def test_a_session_outlives_the_console_as_it_does_a_token(self) -> None:
        self.start({'native_ttl': 60}, consoleauth={'session_lapse': 600})
        self.log_in(self.open().password)
        self.now += 60
        self.open()
        self.purge()
        self.assertEqual(1, len(self.rows(tables.console_sessions)))

    def test_unless_that_is_enforced(self) -> None:
        self.start(
            {'native_ttl': 60}, consoleauth={'enforce_session_timeout': True}
        )
        session = self.log_in(self.open().password)
        self.assertEqual(START + 60, session.expires)

    def test_what_never_expires_has_no_such_session(self) -> None:
        self.start(consoleauth={'enforce_session_timeout': True})
        self.assertIsNone(self.log_in(self.open().password).expires)

    def test_the_purge_takes_what_has_expired(self) -> None:
        self.start({'native_ttl': 60})
        self.open()
        self.assertEqual((0, 0), self.purge())
        self.now += 60
        self.assertEqual((1, 0), self.purge())
        self.assertEqual([], self.rows(tables.consoles))

    def test_it_is_used_up(self) -> None:
        self.start({'native_max_uses': 2}, consoleauth={'session_lapse': 600})
        before = self.open()
        self.log_in(before.password)
        self.assertEqual(before, self.open())
        self.log_in(before.password)
        self.fails(exception.ConsoleUsedUp, before.password)
        self.assertEqual([], self.consoles.list(self.driver.server))
        after = self.open()
        self.assertNotEqual(before.id, after.id)
        self.fails(exception.AuthenticationFailed, before.password)
        self.log_in(after.password)
        # Those who are in stay there.
        self.assertEqual(3, len(self.rows(tables.console_sessions)))
        self.assertEqual(1, len(self.rows(tables.console_auth_tokens)))

    def test_another_server_gets_the_port_of_one_that_is_used_up(self) -> None:
        self.start({'native_max_uses': 1, 'port_range': '5902-5902'})
        self.log_in(self.open().password)
        other = dataclasses.replace(self.driver.server, id=fixtures.OTHERS)
        self.consoles.open(CONTEXT, other)
        self.assertEqual(1, len(self.rows(tables.consoles)))

    def test_the_purge_takes_what_is_used_up(self) -> None:
        self.start({'native_max_uses': 1})
        console = self.open()
        self.assertEqual(0, self.consoles.purge(everybody()))
        self.log_in(console.password)
        self.assertEqual(1, self.consoles.purge(everybody()))
        self.assertEqual([], self.rows(tables.consoles))
        self.assertEqual([], self.rows(tables.console_auth_tokens))
        self.assertEqual(1, len(self.rows(tables.console_sessions)))

    def test_the_purge_leaves_what_never_does(self) -> None:
        self.start()
        console = self.open()
        self.now += 10**9
        self.assertEqual((0, 0), self.purge())
        self.log_in(console.password)

    def test_the_purge_closes_that_of_a_server_that_moved(self) -> None:
        self.start()
        console = self.open()
        self.log_in(console.password)
        self.driver.server = dataclasses.replace(
            self.driver.server, host='compute-2'
        )
        self.fails(exception.ConsoleNotFound, console.password)
        self.assertEqual(1, self.consoles.purge(everybody()))
        for table in (
            tables.consoles,
            tables.console_auth_tokens,
            tables.console_sessions,
        ):
            self.assertEqual([], self.rows(table))

    def test_a_drivers_console_is_not_revoked(self) -> None:
        self.start({'mode': 'driver'})
        console = self.open()
        self.tokens.revoke_server(CONTEXT, fixtures.SERVER)
        self.assertEqual(console, self.open())


class LogInTest(GatewayTestCase):
    def test_who_may_not_try_locks_nobody_out(self) -> None:
        self.start({'bind_to_client_address': True}, rfb={'max_failures': 2})
        context = RequestContext(
            project_id='demo', client_address='192.0.2.1', overwrite=False
        )
        self.consoles.open(context, self.driver.server)
        (row,) = self.rows(tables.consoles)
        password = self.consoles.get(self.driver.server, row['id']).password
        for guess in ('guess', password, 'guess'):
            self.assertEqual(
                '1', self.fails(exception.AuthenticationFailed, guess)
            )
        (row,) = self.rows(tables.consoles)
        self.assertEqual((0, 0), (row['failures'], row['locked_until']))

    def test_keys_that_are_away_make_no_wrong_password(self) -> None:
        self.start(rfb={'max_failures': 1})
        console = self.open()
        keys = pathlib.Path(self.configuration.conf.consoles.key_file)
        content = keys.read_bytes()
        keys.unlink()
        self.fails(exception.ServiceUnavailable, console.password)
        keys.write_bytes(content)
        self.log_in(console.password)

    def test_delays_grow_and_are_forgotten(self) -> None:
        self.start(rfb={'max_failures': 100})
        password = self.open().password
        wrong = exception.AuthenticationFailed
        delays = [self.fails(wrong, 'guess') for _ in range(8)]
        self.assertEqual(['1', '2', '4', '8', '16', '30', '30', '30'], delays)
        self.log_in(password)
        self.assertEqual('1', self.fails(wrong, 'guess'))

    def test_a_lock_opens_again(self) -> None:
        self.start(rfb={'max_failures': 3, 'lock_time': 60})
        password = self.open().password
        locked = exception.ConsoleLocked
        for _ in range(2):
            self.fails(exception.AuthenticationFailed, 'guess')
        self.assertEqual('60', self.fails(locked, 'guess'))
        self.now += 59
        self.assertEqual('1', self.fails(locked, password))
        self.now += 1
        self.log_in(password)

    def test_and_locks_again(self) -> None:
        self.start(rfb={'max_failures': 2, 'lock_time': 60})
        self.open()
        for _ in range(3):
            self.fails(exception.AuthenticationFailed, 'guess')
            self.fails(exception.ConsoleLocked, 'guess')
            self.now += 60

    def test_the_last_guess_may_be_right(self) -> None:
        self.start(rfb={'max_failures': 2})
        password = self.open().password
        self.fails(exception.AuthenticationFailed, 'guess')
        self.log_in(password)
        self.fails(exception.AuthenticationFailed, 'guess')

    def test_a_lock_is_the_consoles_alone(self) -> None:
        self.start(rfb={'max_failures': 1})
        mine = self.open()
        other = dataclasses.replace(
            self.driver.server, id=fixtures.OTHERS, instance_name='other'
        )
        self.consoles.open(CONTEXT, other)
        (row,) = self.consoles.list(other)
        self.fails(exception.ConsoleLocked, 'guess', 'other')
        self.log_in(mine.password)
        self.assertNotEqual(mine.port, row['gateway_port'])

    def test_a_name_of_two_is_the_name_of_none(self) -> None:
        log = self.useFixture(fixtures_.FakeLogger(level=logging.WARNING))
        self.start()
        console = self.open()
        self.log_in(console.password, console.instance_name)
        self.consoles.open(
            CONTEXT,
            dataclasses.replace(self.driver.server, id=fixtures.OTHERS),
        )
        self.fails(
            exception.AuthenticationFailed,
            console.password,
            console.instance_name,
        )
        self.assertIn("'instance-00000001' names more than one", log.output)
        self.log_in(console.password)

    def test_what_is_recorded(self) -> None:
        log = self.useFixture(
            fixtures_.FakeLogger('console_svc.audit', level=logging.INFO)
        )
        self.start(rfb={'max_failures': 2})
        console = self.open()
        self.fails(exception.AuthenticationFailed, 'guess', 1)
        self.fails(exception.AuthenticationFailed, 'guess')
        self.fails(exception.ConsoleLocked, 'guess')
        _, *refusals = map(json.loads, log.output.splitlines())
        for event in refusals:
            self.assertEqual('console_gateway.authenticate', event['name'])
            self.assertEqual('authenticate', event['action'])
            self.assertEqual('failure', event['outcome'])
            self.assertEqual(ADDRESS, event['target']['client_address'])
        self.assertEqual(
            [
                ('unknown', '403'),
                (fixtures.SERVER, '403'),
                (fixtures.SERVER, '429'),
            ],
            [
                (event['target']['id'], event['reason']['reasonCode'])
                for event in refusals
            ],
        )
        self.assertNotIn(console.password, log.output)
        self.assertNotIn(CHALLENGE.hex(), log.output)

    def test_a_console_that_is_closed_meanwhile(self) -> None:
        self.start()
        console = self.open()
        closed = self.driver.get_connect_info

        def close_first(*args: Any) -> Any:
            self.tokens.revoke_server(CONTEXT, fixtures.SERVER)
            return closed(*args)

        self.driver.get_connect_info = close_first
        self.fails(exception.ConsoleUsedUp, console.password)
        self.assertEqual([], self.rows(tables.console_sessions))
