# SPDX-License-Identifier: Apache-2.0

"""Audit events as notifications on the message bus.

They are sent where ``[oslo_messaging_notifications] driver`` is configured,
from a separate thread, so that a message bus that is slow or unavailable does
not affect requests. The audit log has every event; the bus may miss some.
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

from console_svc import audit, background
from console_svc.context import RequestContext

LOG = logging.getLogger(__name__)

SECTION = 'oslo_messaging_notifications'

# Events that can wait for the bus; further ones are dropped.
_MAX_WAITING = 1000

# Seconds that a process waits at its exit for events to be sent.
_EXIT_SECONDS = 2

_Event = tuple[str, Mapping[str, Any]]


def notifier(
    conf: cfg.ConfigOpts, failed: background.Failed = background.ignore
) -> audit.Notifier | None:
    """The function that sends an event; None: no driver is configured.

    :param failed: counts unexpected exceptions of the thread
    :raises oslo_config.cfg.Error: oslo.messaging (the extra
        ``notifications``) is not installed
    """
    if not _drivers(conf):
        return None
    # Imported here: it is an optional dependency.
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
    return Outbox(sender, failed).put


def _drivers(conf: cfg.ConfigOpts) -> set[str]:
    """The configured notification drivers, without "noop".

    oslo.messaging, if it is installed, registers the option later. So a second
    configuration object reads it from the same files.
    """
    second = cfg.ConfigOpts()
    second.register_opt(cfg.MultiStrOpt('driver', default=[]), group=SECTION)
    second(
        args=[],
        default_config_files=conf.config_file,
        default_config_dirs=conf.config_dir,
    )
    return set(second[SECTION].driver) - {'', 'noop'}


class Outbox:
    """Queues events and sends them from a thread.

    :param sender: oslo.messaging's Notifier
    :param failed: counts unexpected exceptions of the thread
    """

    def __init__(
        self, sender: Any, failed: background.Failed = background.ignore
    ) -> None:
        self._sender = sender
        self._failed = failed
        self._lock = threading.Lock()
        self._pid: int | None = None
        self._events: queue.Queue[_Event] = queue.Queue(_MAX_WAITING)

    def put(
        self,
        context: RequestContext,
        event_type: str,
        event: Mapping[str, Any],
    ) -> None:
        """Queue an event without waiting.

        :param context: not sent: it has the caller's token, and the event
            names the caller
        """
        self._ensure_thread()
        try:
            self._events.put_nowait((event_type, event))
        except queue.Full:
            LOG.warning(
                'Audit notification %s is dropped: the message bus is too '
                'slow',
                event_type,
            )

    def _ensure_thread(self) -> None:
        """Start the thread of this process: the server may have forked."""
        if self._pid == os.getpid():
            return
        with self._lock:
            if self._pid != os.getpid():
                self._events = queue.Queue(_MAX_WAITING)
                background.repeat(
                    'notifications', self._send_next, self._failed
                )
                atexit.register(self._finish, os.getpid())
                # Last: other threads check it without the lock.
                self._pid = os.getpid()

    def _send_next(self) -> None:
        event_type, event = self._events.get()
        try:
            refused = event['outcome'] == 'failure'
            send = self._sender.warn if refused else self._sender.info
            send({}, event_type, event)
        except Exception:
            # oslo.messaging handles a bus that is unavailable itself.
            LOG.warning(
                'Audit notification %s was not sent',
                event_type,
                exc_info=True,
            )
            self._failed('notifications')
        finally:
            self._events.task_done()

    def _finish(self, pid: int) -> None:
        """At exit, wait a little for the queued events to be sent."""
        if pid != os.getpid():
            return
        done = self._events.all_tasks_done
        with done:
            done.wait_for(
                lambda: not self._events.unfinished_tasks, _EXIT_SECONDS
            )
