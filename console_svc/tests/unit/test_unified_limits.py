# SPDX-License-Identifier: Apache-2.0

from collections.abc import Collection

import fixtures as fixtures_
import testtools
from keystoneauth1 import exceptions as keystone_exceptions
from keystoneauth1.session import Session
from openstack import exceptions as sdk_exceptions
from oslo_config import cfg
from oslo_limit import exception as limit_exception
from oslo_limit import limit

from console_svc import exception, unified_limits
from console_svc.objects import SESSIONS, UNUSED_TOKENS
from console_svc.services import Services
from console_svc.tests import fixtures

OPTIONS = {
    'auth_type': 'password',
    'auth_url': 'http://127.0.0.1:1/v3',
    'username': 'console-svc',
    'password': 'sesame',
    'user_domain_id': 'default',
    'endpoint_id': 'an-endpoint',
}


class Enforcer:
    """What keystone answers; an exception is raised."""

    limits: dict[str, int] | Exception = {}
    made = 0
    asked = 0

    def __init__(self, usage: object, cache: bool) -> None:
        type(self).made += 1
        self.connection = self
        self.session = Session()

    def get_project_limits(
        self, project_id: str, resources: Collection[str]
    ) -> list[tuple[str, int]]:
        type(self).asked += 1
        if isinstance(self.limits, Exception):
            raise self.limits
        return [(it, self.limits[it]) for it in resources]


class UnifiedLimitsTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.now = 0.0
        self.log = self.useFixture(fixtures_.FakeLogger())
        # The configuration of oslo.limit is that of the process.
        self.addCleanup(cfg.CONF.clear)

    def load(
        self, seconds: int = 60, **options: object
    ) -> unified_limits.UnifiedLimits:
        found = {**OPTIONS, **options}
        configuration = self.useFixture(
            fixtures.Configuration(
                consoleauth={'unified_limits_cache_time': seconds},
                oslo_limit={
                    name: value
                    for name, value in found.items()
                    if value is not None
                },
            )
        )
        return unified_limits.UnifiedLimits(
            configuration.conf, lambda: self.now
        )

    def fake(self, **limits: int) -> type[Enforcer]:
        class Fake(Enforcer):
            pass

        Fake.limits = {SESSIONS: 5, UNUSED_TOKENS: 5, **limits}
        self.useFixture(fixtures_.MockPatchObject(limit, 'Enforcer', Fake))
        return Fake

    def test_minus_one_is_no_limit(self) -> None:
        self.fake(console_sessions=-1, console_auth_tokens=0)
        limits = self.load()
        self.assertIsNone(limits.get('demo', SESSIONS))
        self.assertEqual(0, limits.get('demo', UNUSED_TOKENS))

    def test_limits_are_cached_for_some_time(self) -> None:
        keystone = self.fake()
        limits = self.load(seconds=60)
        limits.get('demo', SESSIONS)
        keystone.limits = {SESSIONS: 6, UNUSED_TOKENS: 7}
        self.now = 59
        self.assertEqual(5, limits.get('demo', SESSIONS))
        self.assertEqual(5, limits.get('demo', UNUSED_TOKENS))
        self.assertEqual(6, limits.get('other', SESSIONS))
        self.assertEqual(2, keystone.asked)
        self.now = 60
        self.assertEqual(6, limits.get('demo', SESSIONS))
        self.assertEqual(7, limits.get('demo', UNUSED_TOKENS))
        self.assertEqual((1, 3), (keystone.made, keystone.asked))

    def test_the_cache_can_be_off(self) -> None:
        keystone = self.fake()
        limits = self.load(seconds=0)
        for _ in range(3):
            limits.get('demo', SESSIONS)
        self.assertEqual(3, keystone.asked)

    def test_errors_are_an_unavailable_service(self) -> None:
        keystone = self.fake()
        limits = self.load()
        for error in (
            keystone_exceptions.ConnectFailure('no answer'),
            sdk_exceptions.ForbiddenException('no answer'),
            limit_exception.SessionInitError('no answer'),
            ValueError('no answer'),
            NotImplementedError('no answer'),
        ):
            keystone.limits = error
            self.assertRaises(
                exception.ServiceUnavailable, limits.get, 'demo', SESSIONS
            )
            self.assertIn('project demo cannot be read', self.log.output)
            self.assertIn(f'{type(error).__name__}: ', self.log.output)
            self.assertIn('no answer', self.log.output)
        # It asks keystone anew for the endpoint, too.
        self.assertEqual(5, keystone.made)
        keystone.limits = {SESSIONS: 6, UNUSED_TOKENS: 7}
        self.assertEqual(6, limits.get('demo', SESSIONS))
        self.assertNotIn('Traceback', self.log.output)

    def test_a_keystone_that_refuses_connections(self) -> None:
        limits = self.load()
        self.assertRaises(
            exception.ServiceUnavailable, limits.get, 'demo', SESSIONS
        )
        self.assertNotIn('Traceback', self.log.output)

    def test_what_is_not_foreseen_is_an_unavailable_service_too(self) -> None:
        # As keystoneauth raises it.
        self.fake().limits = Exception('no answer')
        limits = self.load()
        self.assertRaises(
            exception.ServiceUnavailable, limits.get, 'demo', SESSIONS
        )
        self.assertIn('Traceback', self.log.output)

    def test_missing_options_stop_the_start(self) -> None:
        # oslo.config's, or keystoneauth's; the programs expect both.
        errors = (
            cfg.RequiredOptError,
            keystone_exceptions.MissingRequiredOptions,
        )
        for name in 'endpoint_id', 'auth_type', 'auth_url':
            self.assertRaises(errors, self.load, **{name: None})
        self.load(endpoint_id=None, endpoint_service_name='console-svc')
        self.load(endpoint_id=None, endpoint_service_type='compute')

    def test_every_wait_has_a_time_out(self) -> None:
        self.load()
        self.assertEqual(10, cfg.CONF.oslo_limit.timeout)
        self.load(timeout=3)
        self.assertEqual(3, cfg.CONF.oslo_limit.timeout)

    def test_the_option_decides(self) -> None:
        for is_on in (False, True):
            configuration = self.useFixture(
                fixtures.Configuration(
                    consoleauth={'use_unified_limits': is_on},
                    oslo_limit=OPTIONS,
                )
            )
            limits = Services(configuration.conf).project_limits
            self.assertEqual(is_on, limits is not None)
