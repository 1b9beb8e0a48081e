# SPDX-License-Identifier: Apache-2.0

import dataclasses
import json
import logging
import pathlib
from typing import Any

import fixtures as fixtures_
import sqlalchemy as sa

from console_svc import exception, over_limit
from console_svc.context import RequestContext
from console_svc.db import tables
from console_svc.protocols import rfb
from console_svc.tests import fixtures
from console_svc.tests.unit.consoles.fakes import CONTEXT
from console_svc.tests.unit.consoles.native.gateway import (
    ADDRESS,
    START,
    GatewayTestCase,
)

SESSION = '9e2d6c1a-4b7f-4f0e-8a35-1c6b2d9e7f04'


class LogInTest(GatewayTestCase):
    def test_attempts_from_another_address_do_not_lock_the_console(
        self,
    ) -> None:
        self.start({'bind_to_client_address': True}, rfb={'max_failures': 2})
        context = RequestContext(
            project_id='demo', client_address='192.0.2.1', overwrite=False
        )
        self.consoles.open(context, self.driver.server)
        (row,) = self.rows(tables.consoles)
        _, password = self.consoles.get(CONTEXT, self.driver.server, row['id'])
        self.fails(exception.AuthenticationFailed, 'guess')
        for guess in (password, 'guess'):
            self.fails(exception.ConsoleLocked, guess)
        self.log_in(password, address='192.0.2.1')

    def test_missing_key_file_does_not_count_as_a_failure(self) -> None:
        self.start(rfb={'max_failures': 1})
        opened = self.open()
        keys = pathlib.Path(self.configuration.conf.consoles.key_file)
        content = keys.read_bytes()
        keys.unlink()
        # The running service would use the keys that it has read.
        self.restart()
        self.fails(exception.ServiceUnavailable, opened.password)
        keys.write_bytes(content)
        self.log_in(opened.password)

    def test_delays_double_and_reset_after_a_log_in(self) -> None:
        self.start(rfb={'max_failures': 100})
        password = self.open().password
        wrong = exception.AuthenticationFailed
        delays = [self.fails(wrong, 'guess') for _ in range(8)]
        self.assertEqual(['1', '2', '4', '8', '16', '30', '30', '30'], delays)
        self.log_in(password)
        self.assertEqual('1', self.fails(wrong, 'guess'))

    def test_lock_ends_after_lock_time(self) -> None:
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

    def test_locks_again_after_further_failures(self) -> None:
        self.start(rfb={'max_failures': 2, 'lock_time': 60})
        self.open()
        for _ in range(3):
            self.fails(exception.AuthenticationFailed, 'guess')
            self.fails(exception.ConsoleLocked, 'guess')
            self.now += 60

    def test_last_attempt_before_the_lock_can_succeed(self) -> None:
        self.start(rfb={'max_failures': 2})
        password = self.open().password
        self.fails(exception.AuthenticationFailed, 'guess')
        self.log_in(password)
        self.fails(exception.AuthenticationFailed, 'guess')

    def test_lock_affects_one_console_only(self) -> None:
        self.start(rfb={'max_failures': 1})
        mine = self.open()
        other = dataclasses.replace(
            self.driver.server, id=fixtures.OTHERS, instance_name='other'
        )
        self.consoles.open(CONTEXT, other)
        (theirs,) = self.consoles.list(other)
        self.fails(exception.ConsoleLocked, 'guess', 'other')
        self.log_in(mine.password)
        self.assertNotEqual(mine.console.port, theirs.gateway_port)

    def test_ambiguous_instance_name_is_refused(self) -> None:
        log = self.useFixture(fixtures_.FakeLogger(level=logging.WARNING))
        self.start()
        opened = self.open()
        self.log_in(opened.password, opened.console.instance_name)
        self.consoles.open(
            CONTEXT,
            dataclasses.replace(self.driver.server, id=fixtures.OTHERS),
        )
        self.fails(
            exception.AuthenticationFailed,
            opened.password,
            opened.console.instance_name,
        )
        self.assertIn(
            "'instance-00000001' belongs to more than one", log.output
        )
        self.log_in(opened.password)

    def test_failures_are_audited(self) -> None:
        log = self.useFixture(
            fixtures_.FakeLogger('console_svc.audit', level=logging.INFO)
        )
        self.start(rfb={'max_failures': 2})
        opened = self.open()
        self.fails(exception.AuthenticationFailed, 'guess', 1)
        self.fails(exception.AuthenticationFailed, 'guess')
        self.fails(exception.ConsoleLocked, 'guess')
        events = map(json.loads, log.output.splitlines())
        refusals = [it for it in events if it['outcome'] == 'failure']
        self.assertEqual(3, len(refusals))
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
        self.assertNotIn(opened.password, log.output)

    def test_log_in_to_a_console_closed_meanwhile_fails(self) -> None:
        self.start()
        opened = self.open()
        get_connect_info = self.driver.get_connect_info

        def close_first(*args: Any) -> Any:
            self.tokens.revoke_server(CONTEXT, fixtures.SERVER)
            return get_connect_info(*args)

        self.driver.get_connect_info = close_first
        self.fails(exception.ConsoleUsedUp, opened.password)
        self.assertEqual([], self.rows(tables.console_sessions))

    def test_wrong_passwords_lock_only_their_address_out(self) -> None:
        self.start(rfb={'max_failures': 2, 'max_failures_per_console': 3})
        password = self.open().password
        attacker = (fixtures.SERVER, '192.0.2.66')
        self.fails(exception.AuthenticationFailed, 'guess', *attacker)
        # Refused attempts do not count for the console.
        for guess in ('guess', 'guess', password, 'guess'):
            self.fails(exception.ConsoleLocked, guess, *attacker)
        self.log_in(password)
        # The log-in of the owner does not end the lock of the attacker.
        self.fails(exception.ConsoleLocked, password, *attacker)

    def test_an_ipv6_network_counts_as_one_address(self) -> None:
        self.start(rfb={'max_failures': 2})
        password = self.open().password
        server = fixtures.SERVER
        wrong = exception.AuthenticationFailed
        self.fails(wrong, 'guess', server, '2001:db8::1')
        self.fails(
            exception.ConsoleLocked, 'guess', server, '2001:db8::2:0:0:2'
        )
        self.log_in(password, server, '2001:db8:0:1::1')

    def test_many_addresses_together_lock_the_console(self) -> None:
        self.start(
            rfb={
                'max_failures': 2,
                'max_failures_per_console': 4,
                'lock_time': 60,
            }
        )
        password = self.open().password
        outcomes = [exception.AuthenticationFailed] * 3
        for number, kind in enumerate([*outcomes, exception.ConsoleLocked]):
            self.fails(kind, 'guess', fixtures.SERVER, f'192.0.2.{number}')
        self.assertEqual('60', self.fails(exception.ConsoleLocked, password))
        self.now += 60
        self.log_in(password)
        # A log-in resets the count of the console.
        for number, kind in enumerate([*outcomes, exception.ConsoleLocked]):
            self.fails(kind, 'guess', fixtures.SERVER, f'203.0.113.{number}')

    def test_an_absent_console_delays_and_locks_like_any(self) -> None:
        self.start(rfb={'max_failures': 3, 'lock_time': 60})
        self.open()
        for target in (
            fixtures.SERVER,
            fixtures.UNKNOWN,
            'instance-00000009',
            5909,
            'nul\0',
            '\ud800',
        ):
            wrong = exception.AuthenticationFailed
            self.assertEqual('1', self.fails(wrong, 'guess', target))
            self.assertEqual('2', self.fails(wrong, 'guess', target))
            for _ in range(2):
                self.assertEqual(
                    '60', self.fails(exception.ConsoleLocked, 'guess', target)
                )

    def test_absent_and_present_consoles_cost_the_same_work(self) -> None:
        """The same statements and the same crypto: time shows nothing."""
        self.start()
        opened = self.open()
        work: list[str] = []
        for engine in (self.database.engine, self.database.reader):
            sa.event.listen(
                engine,
                'before_cursor_execute',
                lambda _, cursor, statement, *more: work.append(statement),
            )
        for module, name in (
            (self.services.vault, '_fernet'),
            (rfb, 'response'),
        ):
            self.useFixture(
                fixtures_.MockPatchObject(
                    module,
                    name,
                    side_effect=self._recorded(work, getattr(module, name)),
                )
            )
        for present, absent in (
            (opened.console.gateway_port, 5909),
            (opened.console.instance_name, 'instance-00000009'),
            (fixtures.SERVER, fixtures.UNKNOWN),
        ):
            costs = []
            for target in (present, absent):
                work.clear()
                self.fails(exception.AuthenticationFailed, 'guess', target)
                costs.append([*work])
            self.assertEqual(*costs)
            self.assertIn('_fernet', costs[0])

    def _recorded(self, work: list[str], function: Any) -> Any:
        def recorded(*args: Any) -> Any:
            work.append(function.__name__)
            return function(*args)

        return recorded

    def test_a_challenge_is_answered_once(self) -> None:
        log = self.useFixture(fixtures_.FakeLogger(level=logging.WARNING))
        self.start({'native_ttl': 3600})
        password = self.open().password
        challenges = [bytes([number]) * 16 for number in range(1, 4)]
        used, wrong, locked = challenges
        self.log_in(password, challenge=used)
        kind = exception.AuthenticationFailed
        server, address = fixtures.SERVER, '192.0.2.1'
        self.fails(kind, 'guess', server, address, wrong)
        # A user types the password of one console at another.
        self.fails(kind, password, 'instance-00000009', address, locked)
        self.now += 3599
        self.purge()
        for challenge in used, wrong:
            self.assertEqual(
                '1', self.fails(kind, password, server, address, challenge)
            )
        self.assertIn('its challenge was answered before', log.output)
        # Replays are not counted: they tell nothing about the password.
        self.assertEqual('2', self.fails(kind, 'guess', server, address))
        self.log_in(password)

    def test_a_repeated_log_in_gets_its_session(self) -> None:
        self.start({'native_max_uses': 1})
        password = self.open().password
        log_in = (password, fixtures.SERVER, ADDRESS, b'c' * 16, SESSION)
        session = self.log_in(*log_in)
        self.assertEqual(SESSION, session.id)
        self.now += 59
        self.assertEqual(session, self.log_in(*log_in))
        self.assertEqual(1, len(self.rows(tables.console_sessions)))
        self.now += 1
        self.fails(exception.AuthenticationFailed, *log_in)

    def test_a_repeated_log_in_with_a_difference_is_refused(self) -> None:
        self.start()
        password = self.open().password
        server, challenge = fixtures.SERVER, b'c' * 16
        self.log_in(password, server, ADDRESS, challenge, SESSION)
        for log_in in (
            ('guess', server, ADDRESS, challenge, SESSION),
            (password, fixtures.UNKNOWN, ADDRESS, challenge, SESSION),
            (password, server, '192.0.2.1', challenge, SESSION),
            (password, server, ADDRESS, challenge, fixtures.UNKNOWN),
            (password, server, ADDRESS, challenge, None),
        ):
            self.assertEqual(
                '1', self.fails(exception.AuthenticationFailed, *log_in)
            )
        self.services.sessions.close(CONTEXT, SESSION)
        self.fails(
            exception.AuthenticationFailed,
            *(password, server, ADDRESS, challenge, SESSION),
        )

    def test_wrong_answers_are_remembered_for_an_hour(self) -> None:
        """Or anyone could fill the table, as the console stays open."""
        self.start({'bind_to_client_address': True})
        context = RequestContext(
            project_id='demo', client_address=ADDRESS, overwrite=False
        )
        self.consoles.open(context, self.driver.server)
        (console,) = self.consoles.list(self.driver.server)
        _, password = self.consoles.get(
            CONTEXT, self.driver.server, console.id
        )
        wrong = exception.AuthenticationFailed
        self.fails(wrong, 'guess')
        self.log_in(password)
        self.fails(wrong, password, fixtures.SERVER, '192.0.2.1', b'c' * 16)
        self.now += 3600
        self.purge()
        # Right answers, also from an address that may not log in, are kept.
        self.assertEqual(2, len(self.rows(tables.used_challenges)))

    def test_a_challenge_that_a_lock_refused_is_used_up(self) -> None:
        self.start(rfb={'max_failures': 1, 'lock_time': 60})
        password = self.open().password
        self.fails(exception.ConsoleLocked, 'guess')
        challenged = (fixtures.SERVER, ADDRESS, b'c' * 16)
        self.fails(exception.ConsoleLocked, password, *challenged)
        self.now += 60
        self.fails(exception.AuthenticationFailed, password, *challenged)
        self.log_in(password)

    def test_limits_of_sessions_count(self) -> None:
        self.start(
            consoleauth={'max_sessions_per_user': 1, 'max_session_time': 60}
        )
        password = self.open().password
        session = self.log_in(password)
        self.assertEqual(START + 60, session.expires)
        self.assertRaises(over_limit.UserOverLimit, self.log_in, password)
        self.services.sessions.close(CONTEXT, session.id)
        self.log_in(password)

    def test_purge_forgets_challenges_with_their_console(self) -> None:
        self.start()
        opened = self.open()
        self.log_in(opened.password)
        self.fails(exception.AuthenticationFailed, 'guess', 5909)
        self.now += 10**9
        self.purge()
        (row,) = self.rows(tables.used_challenges)
        self.assertEqual(opened.console.token_hash, row['token_hash'])
        self.tokens.revoke_server(CONTEXT, fixtures.SERVER)
        self.purge()
        self.assertEqual([], self.rows(tables.used_challenges))

    def test_purge_forgets_log_ins_although_consoles_cannot_be_closed(
        self,
    ) -> None:
        self.start()
        self.open()
        self.fails(exception.AuthenticationFailed, 'guess')
        self.now += 3600

        def get_server(*args: object) -> None:
            raise RuntimeError

        self.driver.get_server = get_server
        self.assertRaises(RuntimeError, self.purge)
        self.assertEqual([], self.rows(tables.log_in_failures))
        self.assertEqual([], self.rows(tables.used_challenges))

    def test_purge_forgets_failures_an_hour_after_the_last(self) -> None:
        self.start(rfb={'max_failures': 3})
        self.open()
        wrong = exception.AuthenticationFailed
        self.fails(wrong, 'guess')
        self.fails(wrong, 'guess', 5909)
        self.now += 3599
        self.purge()
        self.assertEqual('2', self.fails(wrong, 'guess'))
        self.assertEqual(4, len(self.rows(tables.log_in_failures)))
        self.now += 1
        self.purge()
        # The console's rows are newer.
        self.assertEqual(2, len(self.rows(tables.log_in_failures)))
        self.now += 3600
        self.purge()
        self.assertEqual([], self.rows(tables.log_in_failures))
        self.assertEqual('1', self.fails(wrong, 'guess'))
