# SPDX-License-Identifier: Apache-2.0

"""Keystone or memcached is unavailable or does not answer."""

import signal

import pymemcache
import requests

from console_svc.tests.integration.base import CONSOLES, KeystoneTest
from console_svc.tests.integration.keystone import Keystone
from console_svc.tests.integration.service import gunicorn
from console_svc.tests.programs import process


class UnavailableTestCase(KeystoneTest):
    def cache(self, token: str) -> None:
        """Send requests until both processes have cached a token."""
        before = self.service.log.stat().st_size

        def cached_by_both() -> bool:
            self.assertEqual(200, self.get(token).status_code)
            request = f'GET {CONSOLES}'
            return len(self.service.processes(request, since=before)) == 2

        self.service.process.wait_for(cached_by_both, 'both processes')

    def check_unavailable(self, answer: requests.Response) -> None:
        self.assertEqual(503, answer.status_code)
        self.assertEqual('5', answer.headers['Retry-After'])
        self.assertEqual(503, answer.json()['serviceUnavailable']['code'])
        self.check_headers(answer)

    def check_accepted(self, token: str) -> None:
        for _ in range(10):
            self.assertEqual(200, self.get(token).status_code)


class OutageTest(UnavailableTestCase):
    """Keystone is stopped; tokens are cached in each process."""

    def test_cached_tokens_work_while_keystone_is_stopped(self) -> None:
        self.cache(self.member)
        with self.keystone.away():
            self.check_accepted(self.member)
            self.check_unavailable(self.get(self.reader))
            accepted = {'Accept': 'application/json'}
            self.check_unavailable(self.get(self.reader, headers=accepted))
            # A service token that cannot be validated is not ignored.
            service_token = {'X-Service-Token': self.proxy}
            self.check_unavailable(
                self.get(self.member, headers=service_token)
            )
            for path in ('/', '/v2.1', '/healthcheck'):
                answer = self.service.request('GET', path)
                self.assertEqual(200, answer.status_code)
            late = self.start(gunicorn)
            self.check_unavailable(self.get(self.member, late))
        self.assertEqual(200, self.get(self.reader).status_code)
        self.assertEqual(200, self.get(self.member, late).status_code)


class HangingTest(UnavailableTestCase):
    """Keystone accepts connections, but does not answer."""

    OPTIONS = {'keystone_authtoken': {'http_connect_timeout': 5}}

    def test_cached_tokens_work_while_keystone_hangs(self) -> None:
        self.cache(self.member)
        with self.keystone.hanging():
            self.check_accepted(self.member)
            self.check_unavailable(self.get(self.reader))
        # It may take a moment, because keystone first handles old requests.
        self.service.process.wait_for(
            lambda: self.get(self.reader).status_code == 200, 'keystone'
        )


def memcached(port: int) -> process.Program:
    """Return a memcached that is not started yet."""
    log = process.shared(Keystone).folder / 'memcached.log'
    return process.Program(
        ['memcached', '-l', '127.0.0.1', '-p', str(port), '-u', 'root'], log
    )


class MemcachedTest(UnavailableTestCase):
    """Tokens are cached in memcached."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.port = process.free_port()
        cls.memcached = memcached(cls.port)
        cls.memcached.setUp()
        cls.addClassCleanup(cls.memcached.cleanUp)
        cls.memcached.wait_for(lambda: process.listens(cls.port), 'memcached')
        cls.OPTIONS = {
            # Each request must read memcached.
            'api': {'remember_callers': 0},
            'keystone_authtoken': {
                'memcached_servers': f'127.0.0.1:{cls.port}',
                'memcache_pool_dead_retry': 1,
            },
        }
        super().setUpClass()

    def stats(self, name: str) -> int:
        """Return one of memcached's statistics."""
        client = pymemcache.Client(('127.0.0.1', self.port))
        number: int = client.stats()[name.encode()]
        client.close()
        return number

    def test_keystone_and_then_memcached_stop(self) -> None:
        # A request to one process fills the cache for all.
        self.assertEqual(200, self.get(self.member).status_code)
        self.assertEqual(1, self.stats('curr_items'))
        with self.keystone.away():
            self.check_accepted(self.member)
            self.assertGreaterEqual(self.stats('get_hits'), 10)
            self.check_unavailable(self.get(self.reader))
            self.memcached.signal(signal.SIGKILL)
            self.memcached.wait()
            self.check_unavailable(self.get(self.member))
        self.check_accepted(self.member)
        self.memcached.start()
        self.memcached.wait_for(self._is_used, 'memcached to be used again')

    def _is_used(self) -> bool:
        self.assertEqual(200, self.get(self.member).status_code)
        return process.listens(self.port) and self.stats('curr_items') > 0
