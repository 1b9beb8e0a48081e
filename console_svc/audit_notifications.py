# SPDX-License-Identifier: Apache-2.0

"""Audit events as notifications on the message bus.

They are sent where ``[oslo_messaging_notifications] driver`` is configured,
from a thread of their own: a bus that is slow or away neither slows nor fails
a request. The audit log has every event; the bus may miss some.
"""

import atexit
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

# Seconds that a process which ends gives the bus to take what waits.
_LAST_SECONDS = 2

_Event = tuple[str, Mapping[str, Any]]


def notifier(conf: cfg.ConfigOpts) -> audit.Notifier | None:
    """What sends events, as configured; None: nothing does.

    :raises oslo_config.cfg.Error: it is configured, but oslo.messaging (the
        extra ``notifications``) is not installed
    """
    if not _drivers(conf):
        return None
    # Here, as who sends nothing needs no such library.
    try:
        import oslo_messaging
    except ImportError as error:
        raise cfg.Error(
            f'[{SECTION}] driver is configured, but oslo.messaging is not '
            'installed: install console-svc[notifications]'
        ) from error
    sender = oslo_messaging.Notifier(
        oslo_messaging.get_notification_transport(conf),
        publisher_id=f'console-svc.{socket.gethostname()}',
        retry=1,
    )
    return Outbox(sender).put


def _drivers(conf: cfg.ConfigOpts) -> set[str]:
    """The notification drivers that are configured, and do something.

    The option is oslo.messaging's, and may be registered only once: it is
    read beside the configuration, from the same places.
    """
    beside = cfg.ConfigOpts()
    beside.register_opt(cfg.MultiStrOpt('driver', default=[]), group=SECTION)
    beside(
        args=[],
        default_config_files=conf.config_file,
        default_config_dirs=conf.config_dir,
    )
    return set(beside[SECTION].driver) - {'', 'noop'}


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

        :param context: not sent, as it holds the caller's token; who it was
            is in the event
        """
        self._ensure_thread()
        try:
            self._events.put_nowait((event_type, event))
        except queue.Full:
            LOG.warning(
                'The message bus is too slow: notification %s is dropped',
                event_type,
            )

    def _ensure_thread(self) -> None:
        """A thread in this process: a server forks after it was made."""
        if self._pid == os.getpid():
            return
        with self._lock:
            if self._pid != os.getpid():
                self._events = queue.Queue(_WAITING)
                threading.Thread(
                    target=self._run, name='notifications', daemon=True
                ).start()
                atexit.register(self._finish, os.getpid())
                # Last, as other threads go by it without the lock.
                self._pid = os.getpid()

    def _run(self) -> None:
        while True:
            event_type, event = self._events.get()
            refused = event['outcome'] == 'failure'
            send = self._sender.warn if refused else self._sender.info
            try:
                send({}, event_type, event)
            except Exception as error:
                LOG.warning(
                    'Notification %s was not sent: %s', event_type, error
                )
            finally:
                self._events.task_done()

    def _finish(self, pid: int) -> None:
        """Before the process ends: send what waits, if the bus takes it."""
        if pid != os.getpid():
            return
        done = self._events.all_tasks_done
        with done:
            done.wait_for(
                lambda: not self._events.unfinished_tasks, _LAST_SECONDS
            )
