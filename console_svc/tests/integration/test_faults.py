# SPDX-License-Identifier: Apache-2.0

"""Something goes, and comes back: what callers get, and that it heals.

Keystone and memcached are test_keystone_away's.
"""

import pathlib
import resource
import signal
from concurrent import futures
from typing import Any

import requests
import testtools

from console_svc.tests import fixtures
from console_svc.tests.integration.mariadb import MariaDB
from console_svc.tests.integration.postgresql import PostgreSQL
from console_svc.tests.integration.relay import Relay
from console_svc.tests.integration.service import Service
from console_svc.tests.programs import process

CONSOLES = f'/v2.1/servers/{fixtures.SERVER}/consoles'
REMOTE = f'/v2.1/servers/{fixtures.SERVER}/remote-consoles'
WANTED = {'remote_console': {'protocol': 'vnc', 'type': 'novnc'}}


class Faults(testtools.TestCase):
    def ask(self, service: Service) -> list[requests.Response]:
        """A look-up, a list, a token: whatever needs the database."""
        return [
            service.request(
                'GET',
                f'/v2.1/os-console-auth-tokens/{self.token}',
                fixtures.SERVICE,
                '2.31',
            ),
            service.request('GET', CONSOLES, fixtures.MEMBER),
            service.request(
                'POST', REMOTE, fixtures.MEMBER, '2.6', json=WANTED
            ),
        ]

    def unavailable(self, answer: requests.Response) -> None:
        self.assertEqual(503, answer.status_code, answer.text)
        self.assertEqual('5', answer.headers['Retry-After'])
        self.assertEqual(
            'application/json; charset=UTF-8', answer.headers['Content-Type']
        )
        fault = answer.json()['serviceUnavailable']
        self.assertEqual(503, fault['code'])
        self.assertEqual('The database is unavailable.', fault['message'])
        self.assertIn('X-OpenStack-Request-Id', answer.headers)

    def all_unavailable(self, service: Service) -> None:
        for answer in self.ask(service):
            self.unavailable(answer)
        health = service.request('GET', '/healthcheck')
        self.assertEqual(503, health.status_code)
        # What needs no database is served.
        self.assertEqual(200, service.request('GET', '/').status_code)

    def heals(self, service: Service) -> None:
        """All is well, in both processes, without anybody's doing."""

        def healthy() -> bool:
            answer = service.request('GET', '/healthcheck')
            return answer.status_code == 200

        service.process.wait_for(healthy, 'health')
        before = service.log.stat().st_size

        def both() -> bool:
            statuses = [it.status_code for it in self.ask(service)]
            self.assertEqual([200] * 3, statuses)
            request = f'GET {CONSOLES}'
            return len(service.processes(request, since=before)) == 2

        service.process.wait_for(both, 'both processes')

    def files(self, service: Service) -> dict[int, int]:
        """Process -> how many files and connections it has open."""
        return {
            pid: len(list(pathlib.Path(f'/proc/{pid}/fd').iterdir()))
            for pid in workers(service)
        }


def workers(service: Service) -> list[int]:
    """The processes that answer."""
    children = pathlib.Path(
        f'/proc/{service.process.pid}/task/{service.process.pid}/children'
    )
    return list(map(int, children.read_text().split()))


class MariaDBTest(Faults):
    """On a MariaDB of its own, behind a line of its own."""

    def setUp(self) -> None:
        super().setUp()
        self.mariadb = self.useFixture(MariaDB())
        self.line = self.useFixture(Relay(self.mariadb.port))
        self.url = self.mariadb.database().replace(
            str(self.mariadb.port), str(self.line.port)
        )

    def service(self, **database: Any) -> Service:
        service = self.useFixture(
            Service(
                api={'auth_strategy': 'noauth2', 'database_timeout': 2},
                database={'connection': self.url, **database},
            )
        )
        self.token = service.issue()
        # These were the test's own connections.
        service.database.dispose()
        return service

    def kill(self) -> None:
        self.mariadb.server.signal(signal.SIGKILL)
        self.mariadb.server.wait()

    def start(self) -> None:
        self.mariadb.server.start()
        self.mariadb.wait_until_it_answers()

    def test_gone_in_the_middle(self) -> None:
        service = self.service()
        self.heals(service)
        counted = []
        for _ in range(3):
            self.kill()
            self.all_unavailable(service)
            self.start()
            self.heals(service)
            counted.append((self.mariadb.connections(), self.files(service)))
        # Each thread of each process has two connections at most.
        self.assertLessEqual(max(number for number, _ in counted), 16)
        (_, first), *_, (_, last) = counted
        for pid, number in last.items():
            # As many as a process has more threads that have been used.
            self.assertLessEqual(number, first[pid] + 8)

    def test_gone_at_the_start(self) -> None:
        service = self.service()
        self.kill()
        service.process.stop()
        service.process.start()
        service.process.wait_for(
            lambda: process.listens(service.port), 'the service'
        )
        self.all_unavailable(service)
        self.start()
        self.heals(service)

    def test_slow(self) -> None:
        service = self.service()
        self.heals(service)
        self.line.delay = 0.2
        for answer in self.ask(service):
            self.assertEqual(200, answer.status_code)
        self.line.delay = 0
        self.heals(service)

    def test_says_nothing(self) -> None:
        service = self.service()
        self.heals(service)
        with self.line.hanging(), futures.ThreadPoolExecutor(16) as pool:
            asked = [pool.submit(self.ask, service) for _ in range(4)]
            for answer in asked:
                for each in answer.result():
                    self.unavailable(each)
        self.heals(service)

    def test_the_pool_is_exhausted(self) -> None:
        service = self.service(max_pool_size=1, max_overflow=0, pool_timeout=1)
        self.heals(service)
        self.line.delay = 0.7
        path = f'/v2.1/os-console-auth-tokens/{self.token}'

        def look_up(_: int) -> requests.Response:
            return service.request('GET', path, fixtures.SERVICE, '2.31')

        with futures.ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(look_up, range(32)))
        statuses = {answer.status_code for answer in answers}
        self.assertEqual({200, 503}, statuses)
        for answer in answers:
            if answer.status_code == 503:
                self.unavailable(answer)
        self.line.delay = 0
        self.heals(service)
        # One to read and one to write, in each process.
        self.assertLessEqual(self.mariadb.connections(), 4)


class PostgreSQLTest(Faults):
    def test_gone_in_the_middle(self) -> None:
        server = self.useFixture(PostgreSQL())
        service = self.useFixture(
            Service(database={'connection': server.database()})
        )
        self.token = service.issue()
        self.heals(service)
        for _ in range(2):
            server.server.signal_all(signal.SIGKILL)
            server.server.wait()
            self.all_unavailable(service)
            server.server.start()
            server.wait_until_it_answers()
            self.heals(service)


class DiskFullTest(Faults):
    """SQLite's file can't grow."""

    def test_disk_full(self) -> None:
        service = self.useFixture(Service())
        self.token = service.issue()
        self.heals(service)
        file = service.folder / 'console-svc.sqlite'
        write_ahead = file.with_name('console-svc.sqlite-wal')
        taken = max(
            it.stat().st_size for it in (file, write_ahead) if it.exists()
        )
        before = {
            pid: resource.prlimit(pid, resource.RLIMIT_FSIZE)
            for pid in workers(service)
        }
        for pid, (_, hard) in before.items():
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (taken + 65536, hard))

        def issue() -> requests.Response:
            return service.request(
                'POST', REMOTE, fixtures.MEMBER, '2.6', json=WANTED
            )

        accepted = []

        def full() -> bool:
            answer = issue()
            if answer.status_code == 200:
                accepted.append(answer.json()['remote_console']['url'])
                return False
            self.unavailable(answer)
            return True

        service.process.wait_for(full, 'a full disk')
        # What is there can be read.
        self.assertEqual(200, self.ask(service)[0].status_code)
        for pid, limits in before.items():
            resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)
        self.heals(service)
        # Nothing that was accepted is lost.
        for url in accepted:
            token = url.rpartition('token%3D')[2]
            answer = service.request(
                'GET',
                f'/v2.1/os-console-auth-tokens/{token}',
                fixtures.SERVICE,
                '2.31',
            )
            self.assertEqual(200, answer.status_code)
