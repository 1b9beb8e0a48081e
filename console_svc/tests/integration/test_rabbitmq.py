# SPDX-License-Identifier: Apache-2.0

"""Notifications over a real RabbitMQ, both ways."""

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


def transport(exchange: str = 'openstack') -> Any:
    conf = cfg.ConfigOpts()
    conf([], project='test')
    url = RABBITMQ.url()
    # The first registers the option that is then set.
    oslo_messaging.get_notification_transport(conf, url=url)
    conf.set_override('control_exchange', exchange)
    return oslo_messaging.get_notification_transport(conf, url=url)


class ListenerTest(testtools.TestCase):
    """console-svc-listener, as nova's notifications reach it."""

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
            transport(exchange='nova'),
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
        # What is sent before its queue is there would be lost: send until
        # a first one has arrived.
        token = self.service.issue()

        def arrived() -> bool:
            self.notify('instance.delete.end')
            return self.lookup(token) == 404

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
        """Send what oslo.messaging would not."""
        url = RABBITMQ.url().replace('rabbit://', 'amqp://')
        with kombu.Connection(url) as connection:
            connection.Producer().publish(
                body,
                exchange='nova',
                routing_key='versioned_notifications.info',
                content_type='application/json',
                content_encoding='utf-8',
            )

    def lookup(self, token: str) -> int:
        return self.service.request(
            'GET', f'{TOKENS}/{token}', 'admin:admin', '2.31'
        ).status_code

    def revoked(self, token: str) -> None:
        self.listener.wait_for(
            lambda: self.lookup(token) == 404, 'a token to be revoked'
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
        self.revoked(token)
        kept = self.service.request(
            'PUT',
            '/v2.1/console-sessions',
            'admin:admin',
            json={'console_sessions': {'ids': [session['id']]}},
        )
        self.assertEqual([], kept.json()['console_sessions'])
        self.assertEqual(200, self.lookup(other))

    def test_other_events_and_nonsense_change_nothing(self) -> None:
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
        # They come in order: when this one has arrived, all have.
        last = self.service.manage(
            *('token', 'issue', '--server', fixtures.OTHERS),
            *('--type', 'novnc'),
        ).strip()
        self.notify('instance.delete.end', fixtures.OTHERS)
        self.revoked(last)
        self.assertEqual(200, self.lookup(token))
        # None of them comes again.
        log = self.listener.log.read_text()
        self.assertEqual(1, log.count('a message that is no notification'))
        self.assertEqual(7, log.count('names no server'))

    def test_waits_for_the_database(self) -> None:
        token = self.service.issue()
        away = self.service.folder / 'away'
        database = self.service.folder / 'console-svc.sqlite'
        database.rename(away)
        self.notify('instance.delete.end')
        self.put_off(1)
        # Nor does it get lost when the listener ends meanwhile.
        self.listener.signal(signal.SIGTERM)
        self.assertEqual(0, self.listener.wait())
        before = self.listener.log.read_text().count('is put off')
        self.listener.start()
        self.put_off(before + 1)
        for path in self.service.folder.glob('console-svc.sqlite*'):
            path.unlink()
        away.rename(database)
        self.revoked(token)

    def put_off(self, times: int) -> None:
        self.listener.wait_for(
            lambda: self.listener.log.read_text().count('is put off') >= times,
            'the listener to miss the database',
        )

    def test_waits_for_rabbitmq(self) -> None:
        token = self.service.issue()
        RABBITMQ.stop()
        RABBITMQ.start()

        def arrived() -> bool:
            self.notify('instance.delete.end')
            return self.lookup(token) == 404

        self.listener.wait_for(arrived, 'the listener to be back')

    def test_ends_when_told(self) -> None:
        self.listener.signal(signal.SIGTERM)
        self.assertEqual(0, self.listener.wait())


class AloneTest(testtools.TestCase):
    """console-svc-listener without a RabbitMQ."""

    def test_ends_when_told(self) -> None:
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
            'the listener to miss RabbitMQ',
        )
        listener.signal(signal.SIGTERM)
        self.assertEqual(0, listener.wait())


class NotificationsTest(testtools.TestCase):
    """The API's audit events on the bus."""

    def setUp(self) -> None:
        super().setUp()
        self.topic = f'notifications-{process.free_port()}'
        self.events: queue.Queue[tuple[str, str, Any]] = queue.Queue()

    def serve(self) -> Service:
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
            transport(),
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

    def test_a_tokens_life(self) -> None:
        self.listen()
        service = self.serve()
        token = self.issue(service)
        way = f'{TOKENS}/{token}'
        service.request('POST', f'{way}/sessions', 'admin:admin')
        service.request('DELETE', way, 'joe:demo')
        service.request('GET', way, 'admin:admin', '2.31')
        issued = service.issue()
        seen = [self.events.get(timeout=process.PATIENCE) for _ in range(6)]
        # They come from several processes, in any order.
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

    def test_a_bus_that_is_away_is_nobodys_trouble(self) -> None:
        RABBITMQ.stop()
        try:
            service = self.serve()
            for _ in range(20):
                self.issue(service)
        finally:
            RABBITMQ.start()
        self.listen()
        self.issue(service)
        _, event_type, _ = self.events.get(timeout=process.PATIENCE)
        self.assertEqual('console_auth_token.issue', event_type)
