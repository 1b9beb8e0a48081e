# SPDX-License-Identifier: Apache-2.0

import dataclasses
import threading
from unittest import mock

import sqlalchemy as sa
import testtools
from oslo_db import exception as db_exception

from console_svc import exception
from console_svc.db import tables
from console_svc.objects import NativeConsole
from console_svc.tests import fixtures
from console_svc.tests.unit.consoles import fakes
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
        self.services = fakes.services(self.configuration, self.driver)
        self.consoles = self.services.native_consoles

    @property
    def server(self):
        return self.driver.server

    def move(self, host: str | None) -> None:
        self.driver.server = dataclasses.replace(self.server, host=host)

    def open(self) -> tuple[NativeConsole, str]:
        self.consoles.open(CONTEXT, self.server)
        (console,) = self.consoles.list(self.server)
        return self.consoles.get(CONTEXT, self.server, console.id)

    def purge(self, max_seconds: float | None = None) -> int:
        return self.services.purge.run(max_seconds=max_seconds).consoles

    def rows(self):
        with self.database.engine.connect() as connection:
            return connection.execute(sa.select(tables.consoles)).all()

    def test_open_sets_the_password_at_the_hypervisor(self) -> None:
        console, password = self.open()
        self.assertEqual('console.test', console.host)
        self.assertEqual(5901, console.port)
        self.assertEqual('instance-00000001', console.instance_name)
        self.assertEqual({'compute-1': password}, self.driver.passwords)

    def test_the_password_is_not_stored_nor_shown_in_a_repr(self) -> None:
        console, password = self.open()
        self.assertNotIn(password, repr(console))
        for path in self.configuration.folder.iterdir():
            self.assertNotIn(password.encode(), path.read_bytes())

    def test_open_is_idempotent(self) -> None:
        self.assertEqual(self.open(), self.open())

    def test_close_deletes_the_console_and_its_password(self) -> None:
        console, _ = self.open()
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

    def test_close_deletes_nothing_when_the_host_is_dead(self) -> None:
        console, _ = self.open()
        self.driver.dead_hosts.add('compute-1')
        self.assertRaises(
            exception.ServiceUnavailable,
            self.consoles.close,
            CONTEXT,
            self.server,
            console.id,
        )
        self.assertEqual(1, len(self.rows()))

    def test_open_stores_nothing_when_the_host_is_dead(self) -> None:
        self.driver.dead_hosts.add('compute-1')
        self.assertRaises(
            exception.ServiceUnavailable,
            self.consoles.open,
            CONTEXT,
            self.server,
        )
        self.assertEqual([], self.rows())

    def test_open_closes_the_console_when_it_cannot_be_stored(self) -> None:
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

    def test_open_refuses_a_server_without_a_host(self) -> None:
        self.move(None)
        self.assertRaises(
            exception.ServerNotReady, self.consoles.open, CONTEXT, self.server
        )

    def test_moving_the_server_replaces_its_console(self) -> None:
        before, _ = self.open()
        self.move('compute-2')
        self.assertEqual([], self.consoles.list(self.server))
        self.assertRaises(
            exception.ConsoleNotFound,
            self.consoles.get,
            CONTEXT,
            self.server,
            before.id,
        )
        after, password = self.open()
        self.assertNotEqual(before.id, after.id)
        self.assertEqual({'compute-2': password}, self.driver.passwords)
        self.assertEqual(1, len(self.rows()))

    def test_console_on_a_dead_former_host_is_purged_later(self) -> None:
        self.open()
        self.driver.dead_hosts.add('compute-1')
        self.move('compute-2')
        _, password = self.open()
        self.assertEqual(2, len(self.rows()))
        self.driver.dead_hosts.clear()
        self.assertEqual(1, self.purge())
        self.assertEqual({'compute-2': password}, self.driver.passwords)
        self.assertEqual(0, self.purge())

    def test_purge_closes_consoles_of_deleted_servers(self) -> None:
        self.open()
        self.driver.server = None
        self.assertEqual(1, self.purge())
        self.assertEqual([], self.rows())
        self.assertEqual({}, self.driver.passwords)

    def test_purge_stops_after_max_seconds(self) -> None:
        self.open()
        self.driver.server = None
        self.assertEqual(0, self.purge(max_seconds=0))
        self.assertEqual(1, len(self.rows()))

    def test_purge_continues_after_a_dead_host(self) -> None:
        self.open()
        self.driver.server = None
        self.driver.dead_hosts.add('compute-1')
        self.assertEqual(0, self.purge())
        self.assertEqual(1, len(self.rows()))
        self.driver.dead_hosts.clear()
        self.assertEqual(1, self.purge())

    def test_purge_continues_after_a_refusal(self) -> None:
        self.open()
        refused = exception.UpstreamRefused(429, 'Too many requests.')
        with mock.patch.object(self.driver, 'get_server', side_effect=refused):
            self.assertEqual(0, self.purge())
        self.assertEqual(1, len(self.rows()))

    def test_concurrent_creates_leave_one_console(self) -> None:
        # Every thread finds no console before one of them stores its own.
        start = threading.Barrier(8)
        open_native_console = self.driver.open_native_console

        def open_together(*args):
            if not self.rows() and not start.broken:
                start.wait(20)
            return open_native_console(*args)

        errors = []

        def create() -> None:
            try:
                self.consoles.open(CONTEXT, self.server)
            except Exception as error:
                errors.append(error)

        self.driver.open_native_console = open_together
        threads = [threading.Thread(target=create) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([], errors)
        (console,) = self.consoles.list(self.server)
        _, password = self.consoles.get(CONTEXT, self.server, console.id)
        self.assertEqual({'compute-1': password}, self.driver.passwords)
