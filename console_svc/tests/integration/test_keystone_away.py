# SPDX-License-Identifier: Apache-2.0

"""Keystone or memcached is unavailable or does not answer."""

import functools
import hashlib
import pathlib
import pickle
import signal
import urllib.parse
from typing import ClassVar

import pymemcache
import requests

from console_svc.tests.integration.base import CONSOLES, KeystoneTest
from console_svc.tests.integration.keystone import Keystone
from console_svc.tests.integration.relay import Relay
from console_svc.tests.integration.service import Service, gunicorn
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

    def check_unavailable(
        self, answer: requests.Response, version: str = '2.1'
    ) -> None:
        self.assertEqual(503, answer.status_code)
        self.assertEqual('5', answer.headers['Retry-After'])
        self.assertEqual(503, answer.json()['serviceUnavailable']['code'])
        self.check_headers(answer, version)

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


class MemcachedTestCase(UnavailableTestCase):
    """Tokens are cached in memcached."""

    #: Options of [keystone_authtoken].
    CACHE: ClassVar[dict[str, object]] = {}

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
                **cls.CACHE,
            },
        }
        super().setUpClass()

    def client(self) -> pymemcache.Client:
        client = pymemcache.Client(('127.0.0.1', self.port))
        self.addCleanup(client.close)
        return client

    def stats(self, name: str) -> int:
        """Return one of memcached's statistics."""
        number: int = self.client().stats()[name.encode()]
        return number

    def keys(self) -> list[str]:
        """Return the keys in memcached, as anyone can who may connect."""
        found = self.client().raw_command(
            b'lru_crawler metadump all', end_tokens=b'END\r\n'
        )
        return [
            urllib.parse.unquote(line.split()[0].removeprefix('key='))
            for line in found.decode().splitlines()
        ]

    def check_planted(self, key: str) -> None:
        """Check that values that an attacker plants under a key are inert."""
        ran = self.service.folder / 'ran'
        planted = pickle.dumps(Planted(ran))
        for value, flags in (
            # The flag with which python-memcached marks pickles.
            (planted, 1),
            (planted, 0),
            (planted, 1 | 8),
            (b'\xff', 0),
            (b'5', 0),
            (b'{"token": 5}', 0),
            (b'{"token": {}, "a": 1}', 0),
            (b'[' * 100_000, 0),
        ):
            self.assertTrue(
                self.client().set(key, value, flags=flags, noreply=False)
            )
            # A process that found memcached down does not ask it at once.
            self.memcached.wait_for(
                functools.partial(self._replaces, key, value),
                f'{value!r} to be replaced',
            )
        self.assertFalse(ran.exists())

    def _replaces(self, key: str, value: bytes) -> bool:
        """Whether a request replaces a cached value by keystone's answer."""
        self.assertEqual(200, self.get(self.member).status_code, value)
        return self.client().get(key) != value


class Planted:
    """Creates a file when it is unpickled."""

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path

    def __reduce__(self):
        return pathlib.Path.touch, (self._path,)


class MemcachedTest(MemcachedTestCase):
    def test_planted_values_run_no_code(self) -> None:
        digest = hashlib.sha256(self.member.encode()).hexdigest()
        self.check_planted(f'tokens/{digest}')

    def test_a_silent_memcached_is_left_alone(self) -> None:
        relay = self.useFixture(Relay(self.port))
        options = type(self).OPTIONS['keystone_authtoken']
        self.addCleanup(options.update, **options)
        options.update(
            memcached_servers=f'127.0.0.1:{relay.port}',
            memcache_pool_socket_timeout=1,
            memcache_pool_dead_retry=3600,
        )
        service = self.start()
        with relay.hanging():
            # Each thread of two processes asks it once.
            for _ in range(20):
                self.assertEqual(
                    200, self.get(self.member, service).status_code
                )

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


class EncryptedTest(MemcachedTestCase):
    """Tokens are encrypted in memcached: the API decrypts, then parses."""

    CACHE = {
        'memcache_security_strategy': 'ENCRYPT',
        'memcache_secret_key': 'a-secret-of-the-api-hosts',
    }

    @classmethod
    def read_log(cls, service: Service) -> None:
        """keystonemiddleware logs a traceback for each planted value."""

    def test_planted_values_run_no_code(self) -> None:
        self.assertEqual(200, self.get(self.member).status_code)
        (key,) = self.keys()
        self.assertNotIn(b'token', self.client().get(key))
        before = self.stats('get_hits')
        self.assertEqual(200, self.get(self.member).status_code)
        self.assertGreater(self.stats('get_hits'), before)
        self.check_planted(key)
