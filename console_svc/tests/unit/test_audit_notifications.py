# SPDX-License-Identifier: Apache-2.0

import os
import sys
import threading
from collections.abc import Mapping
from typing import Any
from unittest import mock

import fixtures as fixtures_
import oslo_messaging
import testtools
from oslo_config import cfg
from oslo_messaging.notify import _impl_test

from console_svc import audit_notifications
from console_svc.context import admin_context
from console_svc.tests import fixtures

PATIENCE = 60


def event(outcome: str = 'success') -> dict[str, Any]:
    return {'outcome': outcome}


class Bus:
    """A Notifier of oslo.messaging that blocks until ``unblocked`` is set."""

    def __init__(self) -> None:
        self.unblocked = threading.Event()
        self.taken: list[tuple[str, str]] = []
        self._taken = threading.Semaphore(0)
        self.error: Exception | None = None

    def info(self, ctxt: Any, event_type: str, payload: Any) -> None:
        self._take('info', event_type)

    def warn(self, ctxt: Any, event_type: str, payload: Any) -> None:
        self._take('warn', event_type)

    def _take(self, priority: str, event_type: str) -> None:
        assert self.unblocked.wait(PATIENCE)
        self.taken.append((priority, event_type))
        self._taken.release()
        if self.error is not None:
            raise self.error

    def wait(self, count: int) -> None:
        for _ in range(count):
            assert self._taken.acquire(timeout=PATIENCE)


class NotifierTest(testtools.TestCase):
    def make(self, **options: str) -> Any:
        section = {audit_notifications.SECTION: options} if options else {}
        conf = self.useFixture(fixtures.Configuration(**section)).conf
        return audit_notifications.notifier(conf)

    def test_unconfigured_needs_no_oslo_messaging(self) -> None:
        # With None in sys.modules, an import raises ImportError.
        with mock.patch.dict(sys.modules, {'oslo_messaging': None}):
            self.assertIsNone(self.make())
            self.assertIsNone(self.make(driver='noop'))
            self.assertIsNone(self.make(driver=''))
            self.assertIsNone(self.make(transport_url='fake:///'))

    def test_configured_without_oslo_messaging_is_an_error(self) -> None:
        with mock.patch.dict(sys.modules, {'oslo_messaging': None}):
            error = self.assertRaises(
                cfg.Error, self.make, driver='messagingv2'
            )
        self.assertIn('install console-svc[notifications]', str(error))


class ApiTest(testtools.TestCase):
    """The API's events, with oslo.messaging's driver for tests."""

    def setUp(self) -> None:
        super().setUp()
        _impl_test.reset()
        self.addCleanup(_impl_test.reset)

    def api(self) -> fixtures.Api:
        return self.useFixture(
            fixtures.Api(
                oslo_messaging_notifications={
                    'driver': 'test',
                    'transport_url': 'fake:///',
                }
            )
        )

    def sent(self, count: int) -> list[Mapping[str, Any]]:
        waiting = threading.Event()
        for _ in range(PATIENCE * 100):
            if len(_impl_test.NOTIFICATIONS) >= count:
                break
            waiting.wait(0.01)
        return [message for _, message, *_ in _impl_test.NOTIFICATIONS]

    def test_events_are_sent_without_secrets(self) -> None:
        api = self.api()
        token = api.issue('novnc')
        api.request('GET', '/v2.1/os-console-auth-tokens/x', fixtures.ADMIN)
        issued, refused = self.sent(2)
        self.assertEqual(
            ('INFO', 'console_auth_token.issue', 'success'),
            (
                issued['priority'],
                issued['event_type'],
                issued['payload']['outcome'],
            ),
        )
        self.assertEqual(fixtures.SERVER, issued['payload']['target']['id'])
        self.assertRegex(issued['publisher_id'], r'^console-svc\..')
        self.assertEqual(
            ('WARN', 'console_auth_token.validate', 'failure'),
            (
                refused['priority'],
                refused['event_type'],
                refused['payload']['outcome'],
            ),
        )
        for secret in (token, fixtures.MEMBER, fixtures.ADMIN):
            self.assertNotIn(secret, str(_impl_test.NOTIFICATIONS))

    def test_requests_do_not_wait_for_a_hung_bus(self) -> None:
        bus = Bus()
        self.addCleanup(bus.unblocked.set)
        with mock.patch.object(oslo_messaging, 'Notifier', return_value=bus):
            api = self.api()
        for _ in range(3):
            api.issue('novnc')
        self.assertEqual([], bus.taken)
        bus.unblocked.set()
        bus.wait(3)


class OutboxTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.bus = Bus()
        self.addCleanup(self.bus.unblocked.set)
        self.failed = mock.Mock()
        self.outbox = audit_notifications.Outbox(self.bus, self.failed)

    def put(self, name: str = 'x', outcome: str = 'success') -> None:
        self.outbox.put(admin_context(), name, event(outcome))

    def test_events_keep_their_order(self) -> None:
        self.bus.unblocked.set()
        for number in range(5):
            self.put(str(number))
        self.put('5', outcome='failure')
        self.bus.wait(6)
        self.assertEqual(
            [*(('info', str(number)) for number in range(5)), ('warn', '5')],
            self.bus.taken,
        )

    def test_events_beyond_the_limit_are_dropped(self) -> None:
        with (
            mock.patch.object(audit_notifications, '_MAX_WAITING', 3),
            mock.patch.object(audit_notifications.LOG, 'warning') as logged,
        ):
            # The thread may already have taken one from the queue.
            for number in range(5):
                self.put(str(number))
        self.assertIn(logged.call_count, (1, 2))
        self.bus.unblocked.set()
        self.bus.wait(5 - logged.call_count)
        self.put('later')
        self.bus.wait(1)
        self.assertEqual(('info', 'later'), self.bus.taken[-1])

    def test_an_error_of_the_bus_does_not_stop_the_thread(self) -> None:
        self.bus.unblocked.set()
        self.bus.error = OSError('no bus')
        self.put('a')
        self.put('b')
        self.bus.wait(2)

    def test_an_event_that_cannot_be_sent_is_logged_and_counted(self) -> None:
        log = self.useFixture(fixtures_.FakeLogger())
        self.bus.unblocked.set()
        # It has no outcome.
        self.outbox.put(admin_context(), 'bad', {})
        self.put('good')
        self.bus.wait(1)
        self.assertEqual([('info', 'good')], self.bus.taken)
        self.assertIn("KeyError: 'outcome'", log.output)
        self.assertEqual([mock.call('notifications')], self.failed.mock_calls)

    def test_a_forked_process_starts_its_own_thread(self) -> None:
        self.bus.unblocked.set()
        self.put('parent')
        self.bus.wait(1)
        pid = os.fork()
        if not pid:
            try:
                self.put('child')
                self.bus.wait(1)
                os._exit(self.bus.taken[-1] != ('info', 'child'))
            finally:
                os._exit(2)
        self.assertEqual(0, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))

    def test_waiting_events_are_sent_at_exit(self) -> None:
        with mock.patch('atexit.register') as at_exit:
            self.put('last')
        self.bus.unblocked.set()
        function, *arguments = at_exit.call_args.args
        function(*arguments)
        self.assertEqual([('info', 'last')], self.bus.taken)

    def test_exit_does_not_wait_longer_than_the_limit(self) -> None:
        with (
            mock.patch('atexit.register') as at_exit,
            mock.patch.object(audit_notifications, '_EXIT_SECONDS', 0.01),
        ):
            self.put('last')
            function, *arguments = at_exit.call_args.args
            function(*arguments)
        self.assertEqual([], self.bus.taken)
