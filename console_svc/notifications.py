# SPDX-License-Identifier: Apache-2.0

"""Audit events as notifications on the message bus.

They are sent where ``[oslo_messaging_notifications]`` is configured, from a
thread of their own: a bus that is slow or away neither slows nor fails a
request. The audit log has every event; the bus may miss some.
"""

import logging
import os
import queue
import socket
import threading
from collections.abc import Mapping
from typing import Any

from oslo_config import cfg

from console_svc import audit
from console_svc.context import RequestContext

LOG = logging.getLogger(__name__)

SECTION = 'oslo_messaging_notifications'

# Events that wait for the bus; beyond that, new ones are dropped.
_WAITING = 1000

_Event = tuple[Mapping[str, str | None], str, Mapping[str, Any]]


def notifier(conf: cfg.ConfigOpts) -> audit.Notifier | None:
    """What sends events, as configured; None: nothing does.

    :raises ImportError: it is configured, but oslo.messaging (the extra
        ``notifications``) is not installed
    """
    if SECTION not in conf.list_all_sections():
        return None
    # Here, as who sends nothing shall not load the library.
    import oslo_messaging

    sender = oslo_messaging.Notifier(
        oslo_messaging.get_notification_transport(conf),
        publisher_id=f'console-svc.{socket.gethostname()}',
        retry=1,
    )
    return Outbox(sender).put


class Outbox:
    """Takes events at once, and sends them when it can.

    :param sender: oslo.messaging's Notifier
    """

    def __init__(self, sender: Any) -> None:
        self._sender = sender
        self._lock = threading.Lock()
        self._pid: int | None = None
        self._events: queue.Queue[_Event] = queue.Queue(_WAITING)

    def put(
        self,
        context: RequestContext,
        event_type: str,
        event: Mapping[str, Any],
    ) -> None:
        """Take an event; never waits.

        :param context: who caused it; of it, only who and which request is
            sent, as it also holds a token
        """
        self._ensure_thread()
        who = {
            'request_id': context.request_id,
            'user_id': context.user_id,
            'project_id': context.project_id,
        }
        try:
            self._events.put_nowait((who, event_type, event))
        except queue.Full:
            LOG.warning('The message bus is too slow: %s dropped', event_type)

    def _ensure_thread(self) -> None:
        """A thread in this process: a server forks after it was made."""
        if self._pid == os.getpid():
            return
        with self._lock:
            if self._pid != os.getpid():
                self._pid = os.getpid()
                self._events = queue.Queue(_WAITING)
                threading.Thread(
                    target=self._run, name='notifications', daemon=True
                ).start()

    def _run(self) -> None:
        while True:
            who, event_type, event = self._events.get()
            refused = event['outcome'] == 'failure'
            send = self._sender.warn if refused else self._sender.info
            try:
                send(who, event_type, event)
            except Exception as error:
                LOG.warning('%s was not sent: %s', event_type, error)
