# SPDX-License-Identifier: Apache-2.0

"""Base class of tests with a real keystone."""

from typing import Any, ClassVar

import requests
import testtools

from console_svc.tests import fixtures
from console_svc.tests.integration.keystone import Keystone
from console_svc.tests.integration.service import Service, authtoken, uwsgi
from console_svc.tests.programs import process

CONSOLES = f'/v2.1/servers/{fixtures.SERVER}/consoles'
TOKENS = '/v2.1/os-console-auth-tokens'


class KeystoneTest(testtools.TestCase):
    """Tests that share one service, whose log is checked at the end."""

    #: The service's configuration: group -> option -> value.
    OPTIONS: ClassVar[dict[str, dict[str, object]]] = {}
    keystone: ClassVar[Keystone]
    service: ClassVar[Service]
    admin: ClassVar[str]
    member: ClassVar[str]
    reader: ClassVar[str]
    stranger: ClassVar[str]
    proxy: ClassVar[str]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.keystone = process.shared(Keystone)
        cls.service = cls.start()
        cls.admin = cls.keystone.token()
        cls.member = cls.keystone.token('member', 'demo')
        cls.reader = cls.keystone.token('reader', 'demo')
        cls.stranger = cls.keystone.token('stranger', 'other')
        cls.proxy = cls.keystone.token('proxy', 'service')

    @classmethod
    def start(cls, server: Any = uwsgi) -> Service:
        """Start a service with keystone; the end of the class stops it."""
        options = {name: {**it} for name, it in cls.OPTIONS.items()}
        authentication = options.pop('keystone_authtoken', {})
        service = Service(
            server,
            projects=cls.keystone.projects,
            api={'auth_strategy': 'keystone', **options.pop('api', {})},
            keystone_authtoken=authtoken(cls.keystone, **authentication),
            **options,
        )
        service.setUp()
        cls.addClassCleanup(service.cleanUp)
        cls.addClassCleanup(cls.read_log, service)
        return service

    @classmethod
    def read_log(cls, service: Service) -> None:
        """Check that the log has requests and contains no secrets."""
        log = service.log.read_text()
        assert 'request_log' in log
        for secret in (*service.secrets, 'Traceback'):
            at = log.find(secret)
            around = log[max(0, at - 800) : at + 800]
            assert at < 0, f'{secret} is in the log: {around}'

    def get(
        self, token: str | None, service: Service | None = None, **more: Any
    ) -> requests.Response:
        """List the consoles of the server of project demo."""
        return (service or self.service).request(
            'GET', CONSOLES, token, **more
        )

    def check_headers(
        self, answer: requests.Response, version: str = '2.1'
    ) -> None:
        """Check the headers that every answer has."""
        headers = answer.headers
        self.assertEqual('application/json', headers['Content-Type'][:16])
        self.assertEqual(
            f'compute {version}', headers['OpenStack-API-Version']
        )
        self.assertEqual(version, headers['X-OpenStack-Nova-API-Version'])
        self.assertIn('OpenStack-API-Version', headers['Vary'])
        self.assertIn('X-OpenStack-Nova-API-Version', headers['Vary'])
        self.assertRegex(headers['X-OpenStack-Request-Id'], '^req-.{36}$')
        self.assertEqual(
            headers['X-OpenStack-Request-Id'], headers['X-Compute-Request-Id']
        )
