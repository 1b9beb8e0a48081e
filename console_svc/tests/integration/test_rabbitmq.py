# SPDX-License-Identifier: Apache-2.0

"""Sending and receiving notifications with a real RabbitMQ."""

import json
import queue
import signal
import socket
from typing import Any

import kombu
import oslo_messaging
import testtools
from oslo_config import cfg

from console_svc.tests import fixtures
from console_svc.tests.integration.rabbitmq import RabbitMQ
from console_svc.tests.integration.service import Service
from console_svc.tests.programs import process

RABBITMQ = RabbitMQ()

TOKENS = '/v2.1/os-console-auth-tokens'


def setUpModule() -> None:
    RABBITMQ.setUp()


def tearDownModule() -> None:
    RABBITMQ.cleanUp()


def transport(test: testtools.TestCase, exchange: str = 'openstack') -> Any:
    """A transport of the test's own, closed with the test."""
    conf = cfg.ConfigOpts()
    conf([], project='test')
    url = RABBITMQ.url()
    # The first call registers the option that the next line sets.
    oslo_messaging.get_notification_transport(conf, url=url)
    conf.set_override('control_exchange', exchange)
    found = oslo_messaging.get_notification_transport(conf, url=url)
    test.addCleanup(found.cleanup)
    return found


class ListenerTest(testtools.TestCase):
    """console-svc-listener with nova's notifications."""

    def setUp(self) -> None:
        super().setUp()
        self.service = self.useFixture(
            Service(
                consoleauth={'recheck_target': False},
                nova_notifications={
                    'transport_url': RABBITMQ.url('console-svc-listener')
                },
            )
        )
        self.nova = oslo_messaging.Notifier(
            transport(self, exchange='nova'),
            driver='messagingv2',
            publisher_id='nova-compute:compute-1',
            topics=['versioned_notifications'],
        )
        self.listener = self.useFixture(
            process.Program(
                [
                    'console-svc-listener',
                    *('--config-file', str(self.service.file)),
                ],
                self.service.folder / 'listener.log',
            )
        )
        # Notifications are lost until the listener has created its queue:
        # send them until one has arrived.
        token = self.service.issue()

        def arrived() -> bool:
            self.notify('instance.delete.end')
            return self.look_up(token) == 404

        self.listener.wait_for(arrived, 'the listener')

    def notify(
        self, event_type: str, server_id: Any = fixtures.SERVER
    ) -> None:
        payload = {
            'nova_object.name': 'InstanceActionPayload',
            'nova_object.namespace': 'nova',
            'nova_object.version': '1.8',
            'nova_object.data': {'uuid': server_id},
        }
        self.nova.info({}, event_type, payload)

    def send(self, body: str) -> None:
        """Send a message that oslo.messaging would refuse to send."""
        url = RABBITMQ.url().replace('rabbit://', 'amqp://')
        with kombu.Connection(url) as connection:
            connection.Producer().publish(
                body,
                exchange='nova',
                routing_key='versioned_notifications.info',
                content_type='application/json',
                content_encoding='utf-8',
            )

    def look_up(self, token: str) -> int:
        return self.service.request(
            'GET', f'{TOKENS}/{token}', 'admin:admin', '2.31'
        ).status_code

    def wait_until_revoked(self, token: str) -> None:
        self.listener.wait_for(
            lambda: self.look_up(token) == 404, 'a token to be revoked'
        )

    def test_revokes_a_servers_tokens_and_ends_its_sessions(self) -> None:
        token = self.service.issue()
        other = self.service.manage(
            *('token', 'issue', '--server', fixtures.OTHERS),
            *('--type', 'novnc'),
        ).strip()
        session = self.service.request(
            'POST', f'{TOKENS}/{token}/sessions', 'admin:admin'
        ).json()['session']
        self.notify('instance.delete.start')
        self.notify('instance.live_migration_post.end')
        self.wait_until_revoked(token)
        kept = self.service.request(
            'PUT',
            '/v2.1/console-sessions',
            'admin:admin',
            json={'console_sessions': {'ids': [session['id']]}},
        )
        self.assertEqual([], kept.json()['console_sessions'])
        self.assertEqual(200, self.look_up(other))

    def test_other_events_and_invalid_messages_are_ignored(self) -> None:
        token = self.service.issue()
        self.notify('instance.create.end')
        self.notify('instance.delete.start')
        for payload in ({}, {'nova_object.data': {}}, [], 'x', None):
            self.nova.info({}, 'instance.delete.end', payload)
        self.notify('instance.delete.end', server_id=7)
        self.notify('instance.delete.end', server_id='\0')
        self.send('{')
        self.send('[1]')
        for message in (
            '{',
            '[1]',
            '{}',
            '{"priority": 7}',
            '{"priority": "info", "event_type": 7}',
            '{"priority": "info", "event_type": ["instance.delete.end"]}',
        ):
            envelope = {'oslo.version': '2.0', 'oslo.message': message}
            self.send(json.dumps(envelope))
        # Messages keep their order: when this one has arrived, all have.
        last = self.service.manage(
            *('token', 'issue', '--server', fixtures.OTHERS),
            *('--type', 'novnc'),
        ).strip()
        self.notify('instance.delete.end', fixtures.OTHERS)
        self.wait_until_revoked(last)
        self.assertEqual(200, self.look_up(token))
        # None of them is requeued.
        log = self.listener.log.read_text()
        self.assertEqual(1, log.count('A message that is not a notification'))
        self.assertEqual(7, log.count('it has no server id'))

    def test_revokes_when_the_database_is_available_again(self) -> None:
        token = self.service.issue()
        moved = self.service.folder / 'moved'
        database = self.service.folder / 'console-svc.sqlite'
        database.rename(moved)
        self.notify('instance.delete.end')
        self.wait_until_requeued(1)
        # The notification is kept when the listener is restarted meanwhile.
        self.listener.signal(signal.SIGTERM)
        self.assertEqual(0, self.listener.wait())
        before = self.listener.log.read_text().count('is requeued')
        self.listener.start()
        self.wait_until_requeued(before + 1)
        for path in self.service.folder.glob('console-svc.sqlite*'):
            path.unlink()
        moved.rename(database)
        self.wait_until_revoked(token)

    def wait_until_requeued(self, times: int) -> None:
        self.listener.wait_for(
            lambda: (
                self.listener.log.read_text().count('is requeued') >= times
            ),
            'the listener to requeue the notification',
        )

    def test_reconnects_to_rabbitmq(self) -> None:
        token = self.service.issue()
        RABBITMQ.stop()
        RABBITMQ.start()

        def arrived() -> bool:
            self.notify('instance.delete.end')
            return self.look_up(token) == 404

        self.listener.wait_for(arrived, 'the listener to reconnect')

    def test_sigterm_ends_the_listener(self) -> None:
        self.listener.signal(signal.SIGTERM)
        self.assertEqual(0, self.listener.wait())


class UnreachableTest(testtools.TestCase):
    """console-svc-listener while RabbitMQ is unavailable."""

    def test_sigterm_ends_the_listener(self) -> None:
        url = f'rabbit://127.0.0.1:{process.free_port()}/'
        configuration = self.useFixture(
            fixtures.Configuration(nova_notifications={'transport_url': url})
        )
        listener = self.useFixture(
            process.Program(
                ['console-svc-listener', '--config-file', configuration.file],
                configuration.folder / 'listener.log',
            )
        )
        listener.wait_for(
            lambda: 'Connection failed' in listener.log.read_text(),
            'the listener to log the failed connection',
        )
        listener.signal(signal.SIGTERM)
        self.assertEqual(0, listener.wait())


class NotificationsTest(testtools.TestCase):
    """The API's audit events as notifications."""

    def setUp(self) -> None:
        super().setUp()
        self.topic = f'notifications-{process.free_port()}'
        self.events: queue.Queue[tuple[str, str, Any]] = queue.Queue()

    def start_service(self) -> Service:
        return self.useFixture(
            Service(
                oslo_messaging_notifications={
                    'driver': 'messagingv2',
                    'transport_url': RABBITMQ.url('console-svc'),
                    'topics': self.topic,
                }
            )
        )

    def listen(self) -> None:
        events = self.events

        class Endpoint:
            def info(self, ctxt, publisher, event_type, payload, meta) -> None:
                events.put(('info', event_type, (ctxt, publisher, payload)))

            def warn(self, ctxt, publisher, event_type, payload, meta) -> None:
                events.put(('warn', event_type, (ctxt, publisher, payload)))

        server = oslo_messaging.get_notification_listener(
            transport(self),
            [oslo_messaging.Target(topic=self.topic)],
            [Endpoint()],
            executor='threading',
        )
        server.start()
        self.addCleanup(server.wait)
        self.addCleanup(server.stop)

    def issue(self, service: Service) -> str:
        answer = service.request(
            'POST',
            f'/v2.1/servers/{fixtures.SERVER}/remote-consoles',
            'joe:demo',
            '2.6',
            json={'remote_console': {'protocol': 'vnc', 'type': 'novnc'}},
        )
        self.assertEqual(200, answer.status_code)
        return answer.json()['remote_console']['url'].rpartition('%3D')[2]

    def test_events_of_a_token(self) -> None:
        self.listen()
        service = self.start_service()
        token = self.issue(service)
        way = f'{TOKENS}/{token}'
        service.request('POST', f'{way}/sessions', 'admin:admin')
        service.request('DELETE', way, 'joe:demo')
        service.request('GET', way, 'admin:admin', '2.31')
        issued = service.issue()
        seen = [self.events.get(timeout=process.PATIENCE) for _ in range(6)]
        # Events of different processes arrive in any order.
        self.assertEqual(
            [
                ('info', 'console_auth_token.issue', 'joe'),
                ('info', 'console_auth_token.issue', 'operator'),
                ('info', 'console_auth_token.revoke', 'joe'),
                ('info', 'console_session.end', 'joe'),
                ('info', 'console_session.open', 'admin'),
                ('warn', 'console_auth_token.validate', 'admin'),
            ],
            sorted(
                (priority, event_type, payload['initiator']['id'])
                for priority, event_type, (_, _, payload) in seen
            ),
        )
        publishers = {publisher for _, _, (_, publisher, _) in seen}
        self.assertEqual({f'console-svc.{socket.gethostname()}'}, publishers)
        for secret in (token, issued, 'joe:demo', 'admin:admin'):
            self.assertNotIn(secret, str(seen))

    def test_requests_succeed_while_rabbitmq_is_unavailable(self) -> None:
        RABBITMQ.stop()
        try:
            service = self.start_service()
            for _ in range(20):
                self.issue(service)
        finally:
            RABBITMQ.start()
        self.listen()
        self.issue(service)
        _, event_type, _ = self.events.get(timeout=process.PATIENCE)
        self.assertEqual('console_auth_token.issue', event_type)
