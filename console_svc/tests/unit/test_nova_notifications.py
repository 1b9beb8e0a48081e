# SPDX-License-Identifier: Apache-2.0

import types
from typing import Any
from unittest import mock

import oslo_messaging
import testtools
from fixtures import MockPatchObject
from oslo_db import exception as db_exception

from console_svc import nova_notifications
from console_svc.tests import fixtures

HANDLED = oslo_messaging.NotificationResult.HANDLED
REQUEUE = oslo_messaging.NotificationResult.REQUEUE


def payload(server_id: Any = fixtures.SERVER) -> dict[str, Any]:
    return {
        'nova_object.name': 'InstanceActionPayload',
        'nova_object.namespace': 'nova',
        'nova_object.version': '1.8',
        'nova_object.data': {'uuid': server_id},
    }


class Tokens:
    """Records revoked servers, after it has raised the given errors."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.revoked: list[str] = []

    def revoke_server(self, context: object, server_id: str) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.revoked.append(server_id)


class DispatchTest(testtools.TestCase):
    """Dispatching of one message."""

    def setUp(self) -> None:
        super().setUp()
        self.useFixture(MockPatchObject(nova_notifications, '_PAUSE', 0))

    def dispatch(self, tokens: Tokens, **message: Any) -> Any:
        message = {
            'publisher_id': 'nova-compute:compute-1',
            'event_type': 'instance.delete.end',
            'priority': 'INFO',
            'payload': payload(),
            'message_id': 'x',
            'timestamp': '2026-11-24 12:00:00',
            **message,
        }
        dispatcher = nova_notifications.Dispatcher(
            [nova_notifications.Endpoint(tokens)], None
        )
        return dispatcher.dispatch(
            types.SimpleNamespace(ctxt={}, message=message)
        )

    def test_events_that_end_or_move_a_console_revoke(self) -> None:
        for event_type in (
            'instance.delete.end',
            'instance.evacuate',
            'instance.live_migration_post.end',
            'instance.power_off.end',
            'instance.rebuild.end',
            'instance.resize.end',
            'instance.resize_finish.end',
            'instance.resize_revert.end',
            'instance.shelve.end',
            'instance.shelve_offload.end',
            'instance.soft_delete.end',
            'instance.suspend.end',
        ):
            tokens = Tokens()
            result = self.dispatch(tokens, event_type=event_type)
            self.assertEqual(HANDLED, result)
            self.assertEqual([fixtures.SERVER], tokens.revoked, event_type)

    def test_other_events_are_ignored(self) -> None:
        for event_type in (
            'instance.delete.start',
            'instance.delete.end.more',
            'an.instance.delete.end',
            'instanceXdelete.end',
            'instance.live_migration_force_complete.end',
            'instance.live_migration_rollback.end',
            'instance.reboot.end',
            'instance.resize.error',
            'instance.update',
            'server_group.delete',
            '',
            None,
            7,
            ['instance.delete.end'],
        ):
            tokens = Tokens()
            result = self.dispatch(tokens, event_type=event_type)
            self.assertEqual(HANDLED, result)
            self.assertEqual([], tokens.revoked, event_type)

    def test_payloads_without_a_server_are_dropped(self) -> None:
        for invalid in (
            None,
            'x',
            7,
            [],
            [payload()],
            {},
            {'nova_object.data': None},
            {'nova_object.data': {}},
            {'uuid': fixtures.SERVER},
            payload(None),
            payload(7),
            payload(''),
            payload('\0'),
            payload('\ud800'),
            payload([fixtures.SERVER]),
            payload('x' * 100_000),
        ):
            tokens = Tokens()
            self.assertEqual(HANDLED, self.dispatch(tokens, payload=invalid))
            self.assertEqual([], tokens.revoked)

    def test_invalid_messages_are_dropped(self) -> None:
        for priority in (None, 7, [], {}, 'x'):
            result = self.dispatch(Tokens(), priority=priority)
            self.assertNotEqual(REQUEUE, result, priority)

    def test_requeued_while_the_database_is_unavailable(self) -> None:
        tokens = Tokens(db_exception.DBConnectionError())
        self.assertEqual(REQUEUE, self.dispatch(tokens))
        self.assertEqual(HANDLED, self.dispatch(tokens))
        self.assertEqual([fixtures.SERVER], tokens.revoked)

    def test_not_requeued_after_other_errors(self) -> None:
        tokens = Tokens(RuntimeError('unexpected'))
        with mock.patch.object(nova_notifications.LOG, 'exception') as logged:
            self.assertEqual(HANDLED, self.dispatch(tokens))
        logged.assert_called_once()


class MakeTest(testtools.TestCase):
    """The targets of the listener."""

    def make(self, **options: str) -> Any:
        conf = self.useFixture(
            fixtures.Configuration(
                nova_notifications={'transport_url': 'fake:///', **options}
            )
        ).conf
        return nova_notifications.make(conf, Tokens())

    def test_defaults_are_those_of_nova(self) -> None:
        server = self.make()
        self.assertEqual(
            [('nova', 'versioned_notifications')],
            [(target.exchange, target.topic) for target in server.targets],
        )
        self.assertEqual('console-svc', server._pool)

    def test_configured_exchange_topics_and_pool(self) -> None:
        server = self.make(exchange='cell1', topics='a, b', pool='')
        self.assertEqual(
            [('cell1', 'a'), ('cell1', 'b')],
            [(target.exchange, target.topic) for target in server.targets],
        )
        self.assertIsNone(server._pool)
