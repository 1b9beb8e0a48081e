# SPDX-License-Identifier: Apache-2.0

"""Revoke a server's tokens when nova notifies that its consoles are gone.

A token look-up finds that out too (``[consoleauth] recheck_target``), but the
listener ends the sessions as well, and at once. Without notifications, the
purge closes the native consoles of such servers.
"""

import logging
import re
import time
from typing import Any

import oslo_messaging
from oslo_config import cfg
from oslo_db import exception as db_exception
from oslo_messaging.notify import dispatcher
from oslo_messaging.notify import listener as notify_listener
from oslo_utils import uuidutils

from console_svc.consoles.tokens import ConsoleAuthTokens
from console_svc.context import admin_context

LOG = logging.getLogger(__name__)

#: The notifications after which a console is not where it was, and why.
#: Not here, as the console stays where it is: reboot, pause, rescue,
#: resize_confirm, live_migration_force_complete (it only speeds up the
#: migration; live_migration_post follows), and each .start and .error.
EVENTS = {
    'instance.delete.end': 'the server is deleted',
    'instance.soft_delete.end': 'the server is off until it is restored',
    'instance.power_off.end': 'another server may get its port',
    'instance.suspend.end': 'the server is off, its memory saved on disk',
    'instance.shelve.end': 'the server is off, its disk saved as an image',
    'instance.shelve_offload.end': 'the server has left its host',
    'instance.live_migration_post.end': 'the server is on another host',
    'instance.evacuate': 'the server leaves a host that is down',
    'instance.rebuild.end': 'the server is recreated, maybe on another host',
    'instance.resize.end': 'the server leaves the host',
    'instance.resize_finish.end': 'the server is on another host',
    'instance.resize_revert.end': 'the server is back on its first host',
}

# Seconds before a notification that could not be handled is requeued.
_PAUSE = 1


class Endpoint:
    """Handles nova's notifications."""

    filter_rule = oslo_messaging.NotificationFilter(
        event_type='|'.join(f'^{re.escape(event)}$' for event in EVENTS)
    )

    def __init__(self, tokens: ConsoleAuthTokens) -> None:
        self._tokens = tokens

    def info(
        self,
        ctxt: dict[str, Any],
        publisher_id: str,
        event_type: str,
        payload: Any,
        metadata: dict[str, Any],
    ) -> Any:
        """Handle a notification of priority info, which all of these have."""
        server_id = server_of(payload)
        if server_id is None:
            LOG.warning(
                'Notification %s from %s is dropped: it has no server id',
                event_type,
                publisher_id,
            )
            return oslo_messaging.NotificationResult.HANDLED
        try:
            self._tokens.revoke_server(admin_context(), server_id)
        except db_exception.DBError as error:
            LOG.warning(
                'The tokens of server %s cannot be revoked yet, notification '
                '%s is requeued: %s',
                server_id,
                event_type,
                error,
            )
            time.sleep(_PAUSE)
            return oslo_messaging.NotificationResult.REQUEUE
        # Else oslo.messaging would requeue it at once, for ever.
        except Exception:
            LOG.exception(
                'The tokens of server %s are not revoked, notification %s is '
                'dropped',
                server_id,
                event_type,
            )
            return oslo_messaging.NotificationResult.HANDLED
        LOG.info(
            'The tokens of server %s are revoked after notification %s',
            server_id,
            event_type,
        )
        return oslo_messaging.NotificationResult.HANDLED


class Dispatcher(dispatcher.NotificationDispatcher):  # type: ignore[misc]
    """Drops messages that are not notifications.

    oslo.messaging would requeue them at once, for ever.
    """

    def dispatch(self, incoming: Any) -> Any:
        """Pass a message to the endpoint."""
        try:
            return super().dispatch(incoming)
        except Exception as error:
            LOG.warning(
                'A message that is not a notification is dropped: %r', error
            )
            return oslo_messaging.NotificationResult.HANDLED


def make(conf: cfg.ConfigOpts, tokens: ConsoleAuthTokens) -> Any:
    """Make the listener; the caller starts and stops it.

    :returns: a server of oslo.messaging
    """
    options = conf.nova_notifications
    return notify_listener.NotificationServer(
        oslo_messaging.get_notification_transport(
            conf, url=options.transport_url
        ),
        [
            oslo_messaging.Target(exchange=options.exchange, topic=topic)
            for topic in options.topics
        ],
        Dispatcher([Endpoint(tokens)], None),
        executor='threading',
        allow_requeue=True,
        pool=options.pool or None,
    )


def server_of(payload: Any) -> str | None:
    """The server id in a versioned notification's payload, if it has one."""
    try:
        server_id = payload['nova_object.data']['uuid']
    except (KeyError, TypeError):
        return None
    if not isinstance(server_id, str) or not uuidutils.is_uuid_like(server_id):
        return None
    return server_id
