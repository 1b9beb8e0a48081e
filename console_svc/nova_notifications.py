# SPDX-License-Identifier: Apache-2.0

"""Revokes a server's tokens when nova says that its consoles are gone.

The look-up finds that out by itself (``[consoleauth] recheck_target``); the
listener also ends the sessions, and at once. Without nova's word, native
consoles of such servers are closed by ``db purge-tokens``.
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
from console_svc.context import everybody

LOG = logging.getLogger(__name__)

#: Nova's notifications after which a console is no longer where it was, and
#: why. What leaves the console where it is, is not here: reboot, pause,
#: rescue, resize_confirm, live_migration_force_complete (which only tells the
#: hypervisor to hurry; live_migration_post follows), and each .start and
#: .error.
EVENTS = {
    'instance.delete.end': 'the server is gone',
    'instance.soft_delete.end': 'it is off, and only waits to be gone',
    'instance.power_off.end': "its port may be the next server's",
    'instance.suspend.end': 'likewise: its memory is on disk',
    'instance.shelve.end': 'likewise: it is off, its disk an image',
    'instance.shelve_offload.end': 'it has left its host for none',
    'instance.live_migration_post.end': 'it has left this host for another',
    'instance.evacuate': 'it leaves a host that is down',
    'instance.rebuild.end': 'made anew here, or where it was evacuated to',
    'instance.resize.end': 'a resize or cold migration has left this host',
    'instance.resize_finish.end': 'and has arrived',
    'instance.resize_revert.end': 'it has gone back',
}

# Seconds until a notification that could not be handled comes again.
_PAUSE = 1


class Endpoint:
    """Handles nova's notifications.

    :param tokens: revokes
    """

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
        """A notification of priority info: nova's of these types all are."""
        server_id = server_of(payload)
        if server_id is None:
            LOG.warning(
                'Dropped %s from %s: it names no server',
                event_type,
                publisher_id,
            )
            return oslo_messaging.NotificationResult.HANDLED
        try:
            self._tokens.revoke_server(everybody(), server_id)
        except db_exception.DBError as error:
            LOG.warning(
                'Revoking the tokens of server %s (%s) is put off: %s',
                server_id,
                event_type,
                error,
            )
            time.sleep(_PAUSE)
            return oslo_messaging.NotificationResult.REQUEUE
        # Else oslo.messaging would have it come again at once, for ever.
        except Exception:
            LOG.exception(
                'Tokens of server %s (%s) are not revoked',
                server_id,
                event_type,
            )
            return oslo_messaging.NotificationResult.HANDLED
        LOG.info('Tokens of server %s are revoked (%s)', server_id, event_type)
        return oslo_messaging.NotificationResult.HANDLED


class Dispatcher(dispatcher.NotificationDispatcher):  # type: ignore[misc]
    """Drops what is no notification.

    oslo.messaging would have it come again at once, for ever.
    """

    def dispatch(self, incoming: Any) -> Any:
        """Hand a message to the endpoint."""
        try:
            return super().dispatch(incoming)
        except Exception as error:
            LOG.warning('Dropped a message that is no notification: %r', error)
            return oslo_messaging.NotificationResult.HANDLED


def make(conf: cfg.ConfigOpts, tokens: ConsoleAuthTokens) -> Any:
    """The listener, not started yet."""
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
    """The server of a versioned notification's payload.

    :returns: its id; None: it names none
    """
    try:
        server_id = payload['nova_object.data']['uuid']
    except (KeyError, TypeError):
        return None
    if not isinstance(server_id, str) or not uuidutils.is_uuid_like(server_id):
        return None
    return server_id
