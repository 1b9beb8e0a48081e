# SPDX-License-Identifier: Apache-2.0

"""With a real keystone: who gets what, and what happens when it is away."""

import signal
from typing import ClassVar

import requests
import testtools

from console_svc.tests import fixtures
from console_svc.tests.integration import process
from console_svc.tests.integration.keystone import Keystone
from console_svc.tests.integration.service import Service, authtoken

CONSOLES = f'/v2.1/servers/{fixtures.SERVER}/consoles'
TOKENS = '/v2.1/os-console-auth-tokens'
HEADERS = (
    'OpenStack-API-Version',
    'X-OpenStack-Nova-API-Version',
    'Vary',
    'X-OpenStack-Request-Id',
    'X-Compute-Request-Id',
)

KEYSTONE = Keystone()


def setUpModule() -> None:
    KEYSTONE.setUp()


def tearDownModule() -> None:
    KEYSTONE.cleanUp()


class KeystoneTest(testtools.TestCase):
    """On one service for the whole class."""

    #: [keystone_authtoken]
    OPTIONS: ClassVar[dict[str, object]] = {}
    service: ClassVar[Service]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.service = Service(
            project_id=KEYSTONE.projects['demo'],
            api={'auth_strategy': 'keystone'},
            keystone_authtoken=authtoken(KEYSTONE, **cls.OPTIONS),
        )
        cls.service.setUp()
        cls.addClassCleanup(cls.service.cleanUp)
        cls.admin = KEYSTONE.token()
        cls.member = KEYSTONE.token('member', 'demo')
        cls.reader = KEYSTONE.token('reader', 'demo')
        cls.stranger = KEYSTONE.token('stranger', 'other')
        cls.proxy = KEYSTONE.token('proxy', 'service')

    def statuses(self, method: str, path: str, **arguments: str) -> list[int]:
        """Of admin, member, reader, stranger, proxy."""
        return [
            self.service.request(
                method, path, token=token, **arguments
            ).status_code
            for token in (
                self.admin,
                self.member,
                self.reader,
                self.stranger,
                self.proxy,
            )
        ]

    def console(self) -> str:
        """The path of a console that is there."""
        self.service.request('POST', CONSOLES, self.member)
        listed = self.service.request('GET', CONSOLES, self.member).json()
        return f'{CONSOLES}/{listed["consoles"][0]["console"]["id"]}'


class PersonasTest(KeystoneTest):
    def test_list(self) -> None:
        self.assertEqual(
            [200, 200, 200, 404, 404], self.statuses('GET', CONSOLES)
        )

    def test_create(self) -> None:
        self.assertEqual(
            [200, 200, 403, 404, 404], self.statuses('POST', CONSOLES)
        )

    def test_show(self) -> None:
        self.assertEqual(
            [200, 200, 403, 404, 404], self.statuses('GET', self.console())
        )

    def test_delete(self) -> None:
        # Of two who may, the second finds it gone.
        self.assertEqual(
            [202, 404, 403, 404, 404], self.statuses('DELETE', self.console())
        )

    def test_look_up(self) -> None:
        path = f'{TOKENS}/{self.service.issue()}'
        self.assertEqual(
            [200, 403, 403, 403, 200],
            self.statuses('GET', path, version='2.31'),
        )

    def test_issue_and_use(self) -> None:
        answer = self.service.request(
            'POST',
            f'/v2.1/servers/{fixtures.SERVER}/remote-consoles',
            self.member,
            '2.6',
            json={'remote_console': {'protocol': 'vnc', 'type': 'novnc'}},
        )
        token = answer.json()['remote_console']['url'].rpartition('%3D')[2]
        session = self.service.request(
            'POST',
            f'{TOKENS}/{token}/sessions',
            self.proxy,
            json={'session': {'client_address': '198.51.100.7'}},
        )
        self.assertEqual(201, session.status_code)
        listed = self.service.request(
            'GET',
            f'/v2.1/servers/{fixtures.SERVER}/console-sessions',
            self.reader,
        ).json()
        self.assertIn(
            session.json()['session']['id'],
            [item['id'] for item in listed['console_sessions']],
        )
        revoked = self.service.request(
            'DELETE', f'{TOKENS}/{token}', self.member
        )
        self.assertEqual(204, revoked.status_code)
        kept = self.service.request(
            'PUT',
            f'{TOKENS}/{token}/sessions/{session.json()["session"]["id"]}',
            self.proxy,
        )
        self.assertEqual(404, kept.status_code)

    def test_project_in_the_path(self) -> None:
        for project, status in (('demo', 200), ('other', 404)):
            answer = self.service.request(
                'GET',
                f'/v2.1/{KEYSTONE.projects[project]}/servers/'
                f'{fixtures.SERVER}/consoles',
                self.member,
            )
            self.assertEqual(status, answer.status_code)


class TokensTest(KeystoneTest):
    def unauthenticated(self, answer: requests.Response) -> None:
        self.assertEqual(401, answer.status_code)
        self.assertEqual(
            f'Keystone uri="{KEYSTONE.url}"',
            answer.headers['WWW-Authenticate'],
        )
        self.assertEqual(401, answer.json()['error']['code'])
        for name in HEADERS:
            self.assertIn(name, answer.headers)

    def test_none(self) -> None:
        self.unauthenticated(self.service.request('GET', CONSOLES))

    def test_nonsense(self) -> None:
        self.unauthenticated(self.service.request('GET', CONSOLES, 'nonsense'))

    def test_expired(self) -> None:
        token = KEYSTONE.expired_token('member', 'demo')
        self.unauthenticated(self.service.request('GET', CONSOLES, token))

    def test_revoked(self) -> None:
        token = KEYSTONE.revoked_token('member', 'demo')
        self.unauthenticated(self.service.request('GET', CONSOLES, token))

    def test_the_version_comes_after_the_caller(self) -> None:
        self.unauthenticated(
            self.service.request('GET', CONSOLES, version='2.999')
        )

    def test_forged_headers(self) -> None:
        self.unauthenticated(
            self.service.request(
                'GET',
                CONSOLES,
                headers={
                    'X-Identity-Status': 'Confirmed',
                    'X-Roles': 'admin',
                    'X-User-Id': 'admin',
                },
            )
        )

    def test_version_documents_need_none(self) -> None:
        for path in ('/', '/v2.1', '/v2.1/'):
            answer = self.service.request('GET', path)
            self.assertEqual(200, answer.status_code)

    def test_a_401_of_ours_has_the_header_too(self) -> None:
        answer = self.service.request(
            'GET', f'{TOKENS}/{self.service.issue()}', self.admin
        )
        self.assertEqual(401, answer.status_code)
        self.assertEqual(
            'The requested console type details are not accessible',
            answer.json()['unauthorized']['message'],
        )
        self.assertIn('Keystone uri=', answer.headers['WWW-Authenticate'])

    def test_a_service_token_vouches_for_an_expired_one(self) -> None:
        expired = KEYSTONE.expired_token('member', 'demo')
        for vouching, status in (
            (KEYSTONE.token('proxy', 'service'), 200),
            (KEYSTONE.token('stranger', 'other'), 401),
        ):
            answer = self.service.request(
                'GET',
                CONSOLES,
                expired,
                headers={'X-Service-Token': vouching},
            )
            self.assertEqual(status, answer.status_code)

    def test_nothing_secret_is_in_the_log(self) -> None:
        path = self.console()
        shown = self.service.request('GET', path, self.member)
        token = self.service.issue()
        self.service.request('GET', f'{TOKENS}/{token}', self.proxy, '2.31')
        log = self.service.log.read_text()
        self.assertIn(f'"GET {path}"', log)
        self.assertIn(shown.headers['X-OpenStack-Request-Id'], log)
        self.assertIn(f'"GET {TOKENS}/***"', log)
        for secret in (
            token,
            shown.json()['console']['password'],
            self.member,
            'Traceback',
        ):
            self.assertNotIn(secret, log)


class OutageTest(KeystoneTest):
    """Keystone goes, and comes back; tokens are cached in the process."""

    def test_keystone_away(self) -> None:
        # Each worker has a cache of its own: let both see the token.
        for _ in range(40):
            self.service.request('GET', CONSOLES, self.member)
        uncached = KEYSTONE.token('reader', 'demo')
        KEYSTONE.server.stop()
        try:
            for _ in range(10):
                answer = self.service.request('GET', CONSOLES, self.member)
                self.assertEqual(200, answer.status_code)
            answer = self.service.request('GET', CONSOLES, uncached)
            self.assertEqual(503, answer.status_code)
            self.assertEqual('5', answer.headers['Retry-After'])
            self.assertEqual(503, answer.json()['serviceUnavailable']['code'])
            for name in HEADERS:
                self.assertIn(name, answer.headers)
        finally:
            KEYSTONE.server.start()
            KEYSTONE.wait_until_it_answers(KEYSTONE.server)
        answer = self.service.request('GET', CONSOLES, uncached)
        self.assertEqual(200, answer.status_code)
        self.assertNotIn('Traceback', self.service.log.read_text())


class MemcachedTest(KeystoneTest):
    """Tokens are cached in memcached, which may go."""

    @classmethod
    def setUpClass(cls) -> None:
        port = process.free_port()
        log = KEYSTONE.folder / 'memcached.log'
        cls.memcached = process.Program(
            ['memcached', '-l', '127.0.0.1', '-p', str(port), '-u', 'root'],
            log,
        )
        cls.memcached.setUp()
        cls.addClassCleanup(cls.memcached.cleanUp)
        cls.memcached.wait_for(lambda: process.listens(port), 'memcached')
        cls.OPTIONS = {'memcached_servers': f'127.0.0.1:{port}'}
        super().setUpClass()

    def test_keystone_away_then_memcached(self) -> None:
        # One request fills the cache of every worker.
        self.assertEqual(
            200,
            self.service.request('GET', CONSOLES, self.member).status_code,
        )
        KEYSTONE.server.stop()
        try:
            for _ in range(20):
                answer = self.service.request('GET', CONSOLES, self.member)
                self.assertEqual(200, answer.status_code)
        finally:
            KEYSTONE.server.start()
            KEYSTONE.wait_until_it_answers(KEYSTONE.server)
        self.memcached.signal(signal.SIGKILL)
        self.memcached.wait()
        answer = self.service.request('GET', CONSOLES, self.member)
        self.assertEqual(200, answer.status_code)
