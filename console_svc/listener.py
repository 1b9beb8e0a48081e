# SPDX-License-Identifier: Apache-2.0

"""Revokes a server's tokens when nova says that its consoles are gone.

The look-up finds that out by itself (``[consoleauth] recheck_target``); the
listener also ends the sessions, and at once.
"""

import logging
import re
import time
from typing import Any

import oslo_messaging
from oslo_config import cfg
from oslo_db import exception as db_exception

from console_svc.consoles.housekeeping import everybody
from console_svc.consoles.tokens import ConsoleAuthTokens

LOG = logging.getLogger(__name__)

#: Nova's notifications after which a console is no longer where it was.
EVENTS = (
    'instance.delete.end',
    'instance.soft_delete.end',
    'instance.shelve_offload.end',
    # On the host that the server has left.
    'instance.live_migration_post.end',
    'instance.evacuate',
    # A cold migration or resize has arrived, or gone back.
    'instance.resize_finish.end',
    'instance.resize_revert.end',
)

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
        """A notification of priority info: nova's all are."""
        server_id = _server_id(payload)
        if server_id is None:
            LOG.warning('%s from %s names no server', event_type, publisher_id)
            return oslo_messaging.NotificationResult.HANDLED
        try:
            self._tokens.revoke_server(everybody(), server_id)
        except db_exception.DBError as error:
            LOG.warning('%s is put off: %s', event_type, error)
            time.sleep(_PAUSE)
            return oslo_messaging.NotificationResult.REQUEUE
        LOG.info('%s: tokens of %s are revoked', event_type, server_id)
        return oslo_messaging.NotificationResult.HANDLED


def make(conf: cfg.ConfigOpts, tokens: ConsoleAuthTokens) -> Any:
    """The listener, not started yet."""
    options = conf.nova_notifications
    return oslo_messaging.get_notification_listener(
        oslo_messaging.get_notification_transport(
            conf, url=options.transport_url
        ),
        [oslo_messaging.Target(topic=topic) for topic in options.topics],
        [Endpoint(tokens)],
        executor='threading',
        allow_requeue=True,
        pool=options.pool,
    )


def _server_id(payload: Any) -> str | None:
    """The server of a versioned notification's payload."""
    try:
        server_id = payload['nova_object.data']['uuid']
    except (KeyError, TypeError):
        return None
    return server_id if isinstance(server_id, str) else None
