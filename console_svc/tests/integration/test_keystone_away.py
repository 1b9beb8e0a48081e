# SPDX-License-Identifier: Apache-2.0

"""Keystone goes in the middle, or hangs; memcached goes too."""

import signal

import pymemcache
import requests

from console_svc.tests.integration.base import CONSOLES, KeystoneTest
from console_svc.tests.integration.keystone import Keystone
from console_svc.tests.integration.service import gunicorn
from console_svc.tests.programs import process


class AwayTest(KeystoneTest):
    def cache(self, token: str) -> None:
        """Let each process see a token: each has a cache of its own."""
        before = self.service.log.stat().st_size

        def seen_by_both() -> bool:
            self.assertEqual(200, self.get(token).status_code)
            request = f'GET {CONSOLES}'
            return len(self.service.processes(request, since=before)) == 2

        self.service.process.wait_for(seen_by_both, 'both processes')

    def unavailable(self, answer: requests.Response) -> None:
        self.assertEqual(503, answer.status_code)
        self.assertEqual('5', answer.headers['Retry-After'])
        self.assertEqual(503, answer.json()['serviceUnavailable']['code'])
        self.check_headers(answer)

    def goes_on(self, token: str) -> None:
        for _ in range(10):
            self.assertEqual(200, self.get(token).status_code)


class OutageTest(AwayTest):
    """Tokens are cached in the process."""

    def test_keystone_goes_and_comes_back(self) -> None:
        self.cache(self.member)
        with self.keystone.away():
            self.goes_on(self.member)
            self.unavailable(self.get(self.reader))
            accepted = {'Accept': 'application/json'}
            self.unavailable(self.get(self.reader, headers=accepted))
            # A service token that can't be checked is not ignored.
            vouching = {'X-Service-Token': self.proxy}
            self.unavailable(self.get(self.member, headers=vouching))
            for path in ('/', '/v2.1', '/healthcheck'):
                answer = self.service.request('GET', path)
                self.assertEqual(200, answer.status_code)
            late = self.start(gunicorn)
            self.unavailable(self.get(self.member, late))
        self.assertEqual(200, self.get(self.reader).status_code)
        self.assertEqual(200, self.get(self.member, late).status_code)


class HangingTest(AwayTest):
    """Keystone takes a request, and says nothing."""

    OPTIONS = {'keystone_authtoken': {'http_connect_timeout': 5}}

    def test_keystone_hangs(self) -> None:
        self.cache(self.member)
        with self.keystone.hanging():
            self.goes_on(self.member)
            self.unavailable(self.get(self.reader))
        # Not at once on a busy machine: it has a request to give up, too.
        self.service.process.wait_for(
            lambda: self.get(self.reader).status_code == 200, 'keystone'
        )


def memcached(port: int) -> process.Program:
    """A memcached, once it is set up."""
    log = process.shared(Keystone).folder / 'memcached.log'
    return process.Program(
        ['memcached', '-l', '127.0.0.1', '-p', str(port), '-u', 'root'], log
    )


class MemcachedTest(AwayTest):
    """Tokens are cached in memcached, which may go."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.port = process.free_port()
        cls.memcached = memcached(cls.port)
        cls.memcached.setUp()
        cls.addClassCleanup(cls.memcached.cleanUp)
        cls.memcached.wait_for(lambda: process.listens(cls.port), 'memcached')
        cls.OPTIONS = {
            # So that each request reads the cache.
            'api': {'remember_callers': 0},
            'keystone_authtoken': {
                'memcached_servers': f'127.0.0.1:{cls.port}',
                'memcache_pool_dead_retry': 1,
            },
        }
        super().setUpClass()

    def stats(self, name: str) -> int:
        """One of memcached's numbers."""
        client = pymemcache.Client(('127.0.0.1', self.port))
        number: int = client.stats()[name.encode()]
        client.close()
        return number

    def test_keystone_away_then_memcached(self) -> None:
        # One request of one process fills the cache of all.
        self.assertEqual(200, self.get(self.member).status_code)
        self.assertEqual(1, self.stats('curr_items'))
        with self.keystone.away():
            self.goes_on(self.member)
            self.assertGreaterEqual(self.stats('get_hits'), 10)
            self.unavailable(self.get(self.reader))
            self.memcached.signal(signal.SIGKILL)
            self.memcached.wait()
            self.unavailable(self.get(self.member))
        self.goes_on(self.member)
        self.memcached.start()
        self.memcached.wait_for(self._is_used, 'memcached to be used again')

    def _is_used(self) -> bool:
        self.assertEqual(200, self.get(self.member).status_code)
        return process.listens(self.port) and self.stats('curr_items') > 0
