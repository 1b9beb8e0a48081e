# SPDX-License-Identifier: Apache-2.0

import dataclasses
import json
import logging
import pathlib
from typing import Any

import fixtures as fixtures_

from console_svc import exception
from console_svc.context import RequestContext
from console_svc.db import tables
from console_svc.tests import fixtures
from console_svc.tests.unit.consoles.fakes import CONTEXT
from console_svc.tests.unit.consoles.native.gateway import (
    ADDRESS,
    CHALLENGE,
    GatewayTestCase,
)


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
        _, password = self.consoles.get(self.driver.server, row['id'])
        for guess in ('guess', password, 'guess'):
            self.assertEqual(
                '1', self.fails(exception.AuthenticationFailed, guess)
            )
        (row,) = self.rows(tables.consoles)
        self.assertEqual((0, 0), (row['failures'], row['locked_until']))

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
        self.assertNotIn(opened.password, log.output)
        self.assertNotIn(CHALLENGE.hex(), log.output)

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
