# SPDX-License-Identifier: Apache-2.0

import dataclasses

from console_svc import exception
from console_svc.db import tables
from console_svc.tests import fixtures
from console_svc.tests.unit.consoles import fakes
from console_svc.tests.unit.consoles.fakes import CONTEXT, RecordingDriver
from console_svc.tests.unit.consoles.native.gateway import (
    START,
    GatewayTestCase,
)


class ConsolesTest(GatewayTestCase):
    def test_open_and_close_set_no_password_at_the_hypervisor(self) -> None:
        self.start()
        opened = self.open()
        self.consoles.close(CONTEXT, self.driver.server, opened.console.id)
        self.assertEqual({}, self.driver.passwords)
        self.assertEqual([], self.rows(tables.consoles))
        self.assertEqual([], self.rows(tables.console_auth_tokens))

    def test_open_is_idempotent(self) -> None:
        self.start()
        self.assertEqual(self.open(), self.open())
        self.assertEqual(1, len(self.rows(tables.console_auth_tokens)))

    def test_a_limit_of_unused_tokens_leaves_its_token_alone(self) -> None:
        self.start(consoleauth={'max_unused_tokens': 1})
        opened = self.open()
        for _ in range(2):
            self.tokens.issue(CONTEXT, self.driver.server, 'novnc')
        self.log_in(opened.password)
        self.assertEqual(2, len(self.rows(tables.console_auth_tokens)))

    def test_mode_defaults_to_the_gateway_where_the_driver_opens_none(
        self,
    ) -> None:
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
            consoles = fakes.services(
                self.configuration, driver
            ).native_consoles
            consoles.open(CONTEXT, driver.server)
            (row,) = self.rows(tables.consoles)
            self.assertEqual(by_gateway, row['token_hash'] is not None)
            self.assertEqual(not by_gateway, bool(driver.passwords))

    def test_expires_after_native_ttl(self) -> None:
        self.start({'native_ttl': 60})
        before = self.open()
        self.now += 59
        self.log_in(before.password)
        self.now += 1
        self.assertEqual([], self.consoles.list(self.driver.server))
        self.assertRaises(
            exception.ConsoleNotFound,
            self.consoles.get,
            CONTEXT,
            self.driver.server,
            before.console.id,
        )
        for target in (
            before.console.port,
            fixtures.SERVER,
            before.console.instance_name,
        ):
            self.fails(exception.AuthenticationFailed, before.password, target)

    def test_expired_console_can_be_reopened_before_the_purge(self) -> None:
        self.start({'native_ttl': 60, 'port_range': '5902-5902'})
        before = self.open()
        self.now += 60
        after = self.open()
        self.assertNotEqual(before.console.id, after.console.id)
        self.assertEqual(5902, after.console.port)
        self.fails(exception.AuthenticationFailed, before.password)
        self.log_in(after.password)
        self.purge()
        self.log_in(after.password)

    def test_port_of_an_expired_console_is_reused(self) -> None:
        self.start({'native_ttl': 60, 'port_range': '5902-5902'})
        self.open()
        other = dataclasses.replace(self.driver.server, id=fixtures.OTHERS)
        self.assertRaises(
            exception.ServiceUnavailable, self.consoles.open, CONTEXT, other
        )
        self.now += 60
        self.consoles.open(CONTEXT, other)
        self.assertEqual(1, len(self.rows(tables.consoles)))

    def test_session_outlives_the_expired_console(self) -> None:
        self.start({'native_ttl': 60}, consoleauth={'session_lapse': 600})
        self.log_in(self.open().password)
        self.now += 60
        self.open()
        self.purge()
        self.assertEqual(1, len(self.rows(tables.console_sessions)))

    def test_session_expires_with_the_console_where_enforced(self) -> None:
        self.start(
            {'native_ttl': 60}, consoleauth={'enforce_session_timeout': True}
        )
        session = self.log_in(self.open().password)
        self.assertEqual(START + 60, session.expires)

    def test_session_of_a_permanent_console_never_expires(self) -> None:
        self.start(consoleauth={'enforce_session_timeout': True})
        self.assertIsNone(self.log_in(self.open().password).expires)

    def test_purge_deletes_expired_consoles(self) -> None:
        self.start({'native_ttl': 60})
        self.open()
        self.assertEqual((0, 0, 0, 0), self.purge())
        self.now += 60
        self.assertEqual((1, 0, 0, 0), self.purge())
        self.assertEqual([], self.rows(tables.consoles))

    def test_is_used_up_after_native_max_uses(self) -> None:
        self.start({'native_max_uses': 2}, consoleauth={'session_lapse': 600})
        before = self.open()
        self.log_in(before.password)
        self.assertEqual(before, self.open())
        self.log_in(before.password)
        self.fails(exception.ConsoleUsedUp, before.password)
        self.assertEqual([], self.consoles.list(self.driver.server))
        after = self.open()
        self.assertNotEqual(before.console.id, after.console.id)
        self.fails(exception.AuthenticationFailed, before.password)
        self.log_in(after.password)
        # Open sessions continue.
        self.assertEqual(3, len(self.rows(tables.console_sessions)))
        self.assertEqual(1, len(self.rows(tables.console_auth_tokens)))

    def test_port_of_a_used_up_console_is_reused(self) -> None:
        self.start({'native_max_uses': 1, 'port_range': '5902-5902'})
        self.log_in(self.open().password)
        other = dataclasses.replace(self.driver.server, id=fixtures.OTHERS)
        self.consoles.open(CONTEXT, other)
        self.assertEqual(1, len(self.rows(tables.consoles)))

    def test_purge_deletes_used_up_consoles(self) -> None:
        self.start({'native_max_uses': 1})
        opened = self.open()
        self.assertEqual((0, 0, 0, 0), self.purge())
        self.log_in(opened.password)
        self.assertEqual((0, 0, 1, 0), self.purge())
        self.assertEqual([], self.rows(tables.consoles))
        self.assertEqual([], self.rows(tables.console_auth_tokens))
        self.assertEqual(1, len(self.rows(tables.console_sessions)))

    def test_purge_keeps_permanent_consoles(self) -> None:
        self.start()
        opened = self.open()
        self.now += 10**9
        self.assertEqual((0, 0, 0, 0), self.purge())
        self.log_in(opened.password)

    def test_purge_closes_consoles_of_servers_that_moved(self) -> None:
        self.start()
        opened = self.open()
        self.log_in(opened.password)
        self.driver.server = dataclasses.replace(
            self.driver.server, host='compute-2'
        )
        self.fails(exception.ConsoleNotFound, opened.password)
        self.assertEqual((0, 0, 1, 0), self.purge())
        for table in tables.consoles, tables.console_auth_tokens:
            self.assertEqual([], self.rows(table))
        # Its proxy has not closed it.
        (ended,) = self.rows(tables.console_sessions)
        self.assertEqual(('', 'revoked'), (ended.token_hash, ended.end_reason))

    def test_revocation_keeps_consoles_on_the_hypervisor(self) -> None:
        self.start({'mode': 'driver'})
        opened = self.open()
        self.tokens.revoke_server(CONTEXT, fixtures.SERVER)
        self.assertEqual(opened, self.open())
