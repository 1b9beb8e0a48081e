# SPDX-License-Identifier: Apache-2.0

"""Failures of the database and the disk, and the recovery from them.

Failures of keystone and memcached are in test_keystone_away.
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
        """Send requests that need the database: a look-up, a list, a token."""
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

    def check_unavailable(self, answer: requests.Response) -> None:
        self.assertEqual(503, answer.status_code, answer.text)
        self.assertEqual('5', answer.headers['Retry-After'])
        self.assertEqual(
            'application/json; charset=UTF-8', answer.headers['Content-Type']
        )
        fault = answer.json()['serviceUnavailable']
        self.assertEqual(503, fault['code'])
        self.assertEqual('The database is unavailable.', fault['message'])
        self.assertIn('X-OpenStack-Request-Id', answer.headers)

    def check_all_unavailable(self, service: Service) -> None:
        for answer in self.ask(service):
            self.check_unavailable(answer)
        health = service.request('GET', '/healthcheck')
        self.assertEqual(503, health.status_code)
        # Requests that need no database succeed.
        self.assertEqual(200, service.request('GET', '/').status_code)

    def check_recovery(self, service: Service) -> None:
        """Check that both processes recover without intervention."""

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
        """Return the number of open descriptors of each process."""
        return {
            pid: len(list(pathlib.Path(f'/proc/{pid}/fd').iterdir()))
            for pid in workers(service)
        }

    def check_that_it_may_hang(self, service: Service, relay: Relay) -> None:
        """Check requests while a database accepts connections only."""
        self.check_recovery(service)
        before = service.log.stat().st_size
        with relay.hanging(), futures.ThreadPoolExecutor(16) as pool:
            asked = [pool.submit(self.ask, service) for _ in range(4)]
            answers = [each for it in asked for each in it.result()]
            for answer in answers:
                self.check_unavailable(answer)
        errors = [
            line
            for line in service.log.read_text()[before:].splitlines()
            if ' INFO ' not in line
        ]
        # One line for each request.
        self.assertEqual(len(answers), len(errors), '\n'.join(errors))
        for line in errors:
            self.assertIn('The database failed; the request got a 503', line)
        self.check_recovery(service)


def workers(service: Service) -> list[int]:
    """Return the ids of the worker processes."""
    children = pathlib.Path(
        f'/proc/{service.process.pid}/task/{service.process.pid}/children'
    )
    return list(map(int, children.read_text().split()))


class MariaDBTest(Faults):
    """With a private MariaDB behind a relay."""

    def setUp(self) -> None:
        super().setUp()
        self.mariadb = self.useFixture(MariaDB())
        self.relay = self.useFixture(Relay(self.mariadb.port))
        self.url = self.mariadb.database().replace(
            str(self.mariadb.port), str(self.relay.port)
        )

    def service(self, **database: Any) -> Service:
        service = self.useFixture(
            Service(
                api={'auth_strategy': 'noauth2', 'database_timeout': 2},
                database={'connection': self.url, **database},
            )
        )
        self.token = service.issue()
        # Close the connections of the test itself.
        service.database.dispose()
        return service

    def kill(self) -> None:
        self.mariadb.server.signal(signal.SIGKILL)
        self.mariadb.server.wait()

    def start(self) -> None:
        self.mariadb.server.start()
        self.mariadb.wait_until_it_answers()

    def test_recovers_after_the_server_was_killed(self) -> None:
        service = self.service()
        self.check_recovery(service)
        counted = []
        for _ in range(3):
            self.kill()
            self.check_all_unavailable(service)
            self.start()
            self.check_recovery(service)
            counted.append((self.mariadb.connections(), self.files(service)))
        # Each thread of each process has at most two connections.
        self.assertLessEqual(max(number for number, _ in counted), 16)
        (_, first), *_, (_, last) = counted
        for pid, number in last.items():
            # A process may have used more of its threads since.
            self.assertLessEqual(number, first[pid] + 8)

    def test_starts_while_the_server_is_unavailable(self) -> None:
        service = self.service()
        self.kill()
        service.process.stop()
        service.process.start()
        service.process.wait_for(
            lambda: process.listens(service.port), 'the service'
        )
        self.check_all_unavailable(service)
        self.start()
        self.check_recovery(service)

    def test_a_slow_server_is_tolerated(self) -> None:
        service = self.service()
        self.check_recovery(service)
        self.relay.delay = 0.2
        for answer in self.ask(service):
            self.assertEqual(200, answer.status_code)
        self.relay.delay = 0
        self.check_recovery(service)

    def test_a_hung_server_is_a_503(self) -> None:
        service = self.service()
        self.check_that_it_may_hang(service, self.relay)

    def test_an_exhausted_pool_is_a_503(self) -> None:
        service = self.service(max_pool_size=1, max_overflow=0, pool_timeout=1)
        self.check_recovery(service)
        self.relay.delay = 0.7
        path = f'/v2.1/os-console-auth-tokens/{self.token}'

        def look_up(_: int) -> requests.Response:
            return service.request('GET', path, fixtures.SERVICE, '2.31')

        with futures.ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(look_up, range(32)))
        statuses = {answer.status_code for answer in answers}
        self.assertEqual({200, 503}, statuses)
        for answer in answers:
            if answer.status_code == 503:
                self.check_unavailable(answer)
        self.relay.delay = 0
        self.check_recovery(service)
        # Each process has one connection to read and one to write.
        self.assertLessEqual(self.mariadb.connections(), 4)


class PostgreSQLTest(Faults):
    def test_a_hung_server_is_a_503(self) -> None:
        server = self.useFixture(PostgreSQL())
        relay = self.useFixture(Relay(server.port))
        url = server.database().replace(str(server.port), str(relay.port))
        service = self.useFixture(
            Service(
                api={'auth_strategy': 'noauth2', 'database_timeout': 2},
                database={'connection': url},
            )
        )
        self.token = service.issue()
        service.database.dispose()
        self.check_that_it_may_hang(service, relay)

    def test_recovers_after_the_server_was_killed(self) -> None:
        server = self.useFixture(PostgreSQL())
        service = self.useFixture(
            Service(database={'connection': server.database()})
        )
        self.token = service.issue()
        self.check_recovery(service)
        for _ in range(2):
            server.server.signal_all(signal.SIGKILL)
            server.server.wait()
            self.check_all_unavailable(service)
            server.server.start()
            server.wait_until_it_answers()
            self.check_recovery(service)


class DiskFullTest(Faults):
    """The file of SQLite cannot grow."""

    def test_a_full_disk_is_a_503_and_loses_nothing(self) -> None:
        service = self.useFixture(Service())
        self.token = service.issue()
        self.check_recovery(service)
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
            self.check_unavailable(answer)
            return True

        service.process.wait_for(full, 'a full disk')
        # Reads succeed.
        self.assertEqual(200, self.ask(service)[0].status_code)
        for pid, limits in before.items():
            resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)
        self.check_recovery(service)
        # No token that was issued is lost.
        for url in accepted:
            token = url.rpartition('token%3D')[2]
            answer = service.request(
                'GET',
                f'/v2.1/os-console-auth-tokens/{token}',
                fixtures.SERVICE,
                '2.31',
            )
            self.assertEqual(200, answer.status_code)
