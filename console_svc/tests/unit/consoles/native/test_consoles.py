# SPDX-License-Identifier: Apache-2.0

import dataclasses
import threading
from unittest import mock

import sqlalchemy as sa
import testtools
from oslo_db import exception as db_exception

from console_svc import audit, exception
from console_svc.consoles.native.consoles import NativeConsoles
from console_svc.consoles.tokens import ConsoleAuthTokens
from console_svc.db import tables
from console_svc.tests import fixtures
from console_svc.tests.unit.consoles.fakes import CONTEXT, RecordingDriver


class NativeConsolesTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.configuration = self.useFixture(
            fixtures.Configuration(
                consoles={'public_hostname': 'console.test'}
            )
        )
        self.database = self.configuration.database
        self.driver = RecordingDriver()
        self.consoles = NativeConsoles(
            self.configuration.conf,
            self.database,
            self.driver,
            ConsoleAuthTokens(
                self.configuration.conf,
                self.database,
                self.driver,
                audit.Audit(),
            ),
        )

    @property
    def server(self):
        return self.driver.server

    def move(self, host: str | None) -> None:
        self.driver.server = dataclasses.replace(self.server, host=host)

    def open(self):
        self.consoles.open(CONTEXT, self.server)
        (row,) = self.consoles.list(self.server)
        return self.consoles.get(self.server, row['id'])

    def rows(self):
        with self.database.engine.connect() as connection:
            return connection.execute(sa.select(tables.consoles)).all()

    def test_open(self) -> None:
        console = self.open()
        self.assertEqual('console.test', console.host)
        self.assertEqual(5901, console.port)
        self.assertEqual('instance-00000001', console.instance_name)
        self.assertEqual(
            {'compute-1': console.password}, self.driver.passwords
        )

    def test_the_password_is_not_stored_nor_shown_in_a_repr(self) -> None:
        console = self.open()
        self.assertNotIn(console.password, repr(console))
        for path in self.configuration.folder.iterdir():
            self.assertNotIn(console.password.encode(), path.read_bytes())

    def test_open_is_idempotent(self) -> None:
        self.assertEqual(self.open(), self.open())

    def test_close(self) -> None:
        console = self.open()
        self.consoles.close(CONTEXT, self.server, console.id)
        self.assertEqual({}, self.driver.passwords)
        self.assertEqual([], self.rows())
        self.assertRaises(
            exception.ConsoleNotFound,
            self.consoles.close,
            CONTEXT,
            self.server,
            console.id,
        )

    def test_close_keeps_the_record_while_the_driver_is_away(self) -> None:
        console = self.open()
        self.driver.dead_hosts.add('compute-1')
        self.assertRaises(
            exception.ServiceUnavailable,
            self.consoles.close,
            CONTEXT,
            self.server,
            console.id,
        )
        self.assertEqual(1, len(self.rows()))

    def test_open_leaves_nothing_while_the_driver_is_away(self) -> None:
        self.driver.dead_hosts.add('compute-1')
        self.assertRaises(
            exception.ServiceUnavailable,
            self.consoles.open,
            CONTEXT,
            self.server,
        )
        self.assertEqual([], self.rows())

    def test_open_leaves_nothing_open_without_a_record(self) -> None:
        with self.database.engine.begin() as connection:
            connection.execute(
                sa.text(
                    'CREATE TRIGGER full BEFORE INSERT ON consoles '
                    "BEGIN SELECT RAISE(ABORT, 'disk full'); END"
                )
            )
        self.assertRaises(
            db_exception.DBError, self.consoles.open, CONTEXT, self.server
        )
        self.assertEqual({}, self.driver.passwords)

    def test_a_server_on_no_host_is_not_ready(self) -> None:
        self.move(None)
        self.assertRaises(
            exception.ServerNotReady, self.consoles.open, CONTEXT, self.server
        )

    def test_the_console_of_a_host_it_left_is_gone(self) -> None:
        before = self.open()
        self.move('compute-2')
        self.assertEqual([], self.consoles.list(self.server))
        self.assertRaises(
            exception.ConsoleNotFound,
            self.consoles.get,
            self.server,
            before.id,
        )
        after = self.open()
        self.assertNotEqual(before.id, after.id)
        self.assertEqual({'compute-2': after.password}, self.driver.passwords)
        self.assertEqual(1, len(self.rows()))

    def test_a_dead_host_it_left_is_the_purges(self) -> None:
        self.open()
        self.driver.dead_hosts.add('compute-1')
        self.move('compute-2')
        after = self.open()
        self.assertEqual(2, len(self.rows()))
        self.driver.dead_hosts.clear()
        self.assertEqual(1, self.consoles.purge(CONTEXT))
        self.assertEqual({'compute-2': after.password}, self.driver.passwords)
        self.assertEqual(0, self.consoles.purge(CONTEXT))

    def test_purge_closes_the_consoles_of_servers_that_are_gone(self) -> None:
        self.open()
        self.driver.server = None
        self.assertEqual(1, self.consoles.purge(CONTEXT))
        self.assertEqual([], self.rows())
        self.assertEqual({}, self.driver.passwords)

    def test_purge_has_no_time_for_more(self) -> None:
        self.open()
        self.driver.server = None
        self.assertEqual(0, self.consoles.purge(CONTEXT, max_seconds=0))
        self.assertEqual(1, len(self.rows()))

    def test_purge_goes_on_past_a_dead_host(self) -> None:
        self.open()
        self.driver.server = None
        self.driver.dead_hosts.add('compute-1')
        self.assertEqual(0, self.consoles.purge(CONTEXT))
        self.assertEqual(1, len(self.rows()))
        self.driver.dead_hosts.clear()
        self.assertEqual(1, self.consoles.purge(CONTEXT))

    def test_purge_goes_on_past_a_refusal(self) -> None:
        self.open()
        refused = exception.Refused(429, 'Too many requests.')
        with mock.patch.object(self.driver, 'get_server', side_effect=refused):
            self.assertEqual(0, self.consoles.purge(CONTEXT))
        self.assertEqual(1, len(self.rows()))

    def test_of_creates_that_race_one_is_left(self) -> None:
        # Everybody has looked, and found nothing, before anybody stores.
        start = threading.Barrier(8)
        opened = self.driver.open_native_console

        def open_together(*args):
            if not start.broken:
                start.wait(20)
            endpoint = opened(*args)
            return endpoint

        errors = []

        def create() -> None:
            try:
                self.consoles.open(CONTEXT, self.server)
            except Exception as error:
                errors.append(error)

        self.driver.open_native_console = lambda *args: (
            open_together(*args) if len(self.rows()) == 0 else opened(*args)
        )
        threads = [threading.Thread(target=create) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([], errors)
        (row,) = self.consoles.list(self.server)
        console = self.consoles.get(self.server, row['id'])
        # The password that is shown is the one that opens.
        self.assertEqual(
            {'compute-1': console.password}, self.driver.passwords
        )
