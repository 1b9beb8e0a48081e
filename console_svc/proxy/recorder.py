# SPDX-License-Identifier: Apache-2.0

"""Starts the recordings of sessions, and keeps their storage in order."""

import asyncio
import functools
import logging
import threading
import time
import uuid
from collections.abc import Callable
from concurrent import futures
from typing import Any, Final

from oslo_config import cfg

from console_svc.proxy.api_answers import OpenedSession
from console_svc.proxy.errors import Ended, NotRecorded, Refused
from console_svc.proxy.monitoring import Metrics
from console_svc.proxy.recording import Recording, in_thread
from console_svc.recordings import formats, keys, storage
from console_svc.recordings.keeping import INTERVAL, Keeping
from console_svc.recordings.keys import Keys
from console_svc.recordings.storage import Sink
from console_svc.recordings.writer import Writer

LOG = logging.getLogger(__name__)

# Threads that wait for the storage.
_THREADS: Final = 8


class _Stored:
    """The storage, with the keys of what it has.

    :raises oslo_config.cfg.Error: there is no such storage
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self.storage = storage.load(conf)
        self.keys = Keys(conf)
        self.keeping = Keeping(conf, self.storage, self.keys)


class Recorder:
    """Starts recordings, and keeps their storage in order.

    :raises oslo_config.cfg.Error: there is no such storage, and ``mode`` needs
        one
    """

    def __init__(self, conf: cfg.ConfigOpts, metrics: Metrics) -> None:
        self._conf = conf
        self._options = conf.recording
        self._metrics = metrics
        self._loading = threading.Lock()
        # None: it is not loaded before a session needs it.
        self._stored: _Stored | None = None
        self._is_checked = self._options.mode != 'off'
        if self._is_checked:
            self._stored = _Stored(conf)
        self._next_keeping = time.monotonic()
        self._threads = futures.ThreadPoolExecutor(_THREADS, 'recordings')

    def _mode(self, opened: OpenedSession) -> str:
        """The mode for a session: off, optional or required."""
        if opened.is_recorded:
            return 'required'
        types = self._options.types
        mode: str = self._options.mode
        return mode if not types or opened.console_type in types else 'off'

    async def start(
        self, opened: OpenedSession, end: Callable[[Ended], None]
    ) -> 'Recording | None':
        """Start the recording of a session.

        :param end: ends the session
        :returns: None: it is not recorded
        :raises console_svc.proxy.errors.Ended: it must be recorded, and cannot
            be
        """
        mode = self._mode(opened)
        if mode == 'off':
            return None
        is_required = mode == 'required'
        if opened.console_type not in formats.OF_TYPES:
            if not is_required:
                return None
            self._metrics.recording('refused')
            raise Refused(
                'Sessions must be recorded, and those of this console type '
                'cannot be.'
            )
        recording_id = str(uuid.uuid4())
        began = time.monotonic()
        creating = functools.partial(
            self._create, recording_id, opened, time.time()
        )
        try:
            writer, sink = await in_thread(
                self._threads, creating, _close_created
            )
        except (OSError, ValueError, cfg.Error) as error:
            self._metrics.recording('failed')
            LOG.error(
                'Session %s cannot be recorded: %s',
                opened.id,
                str(error) or 'the storage timed out',
            )
            if is_required:
                raise NotRecorded from None
            return None
        self._metrics.recording('started')
        LOG.info('Session %s is recorded as %s', opened.id, recording_id)
        recording = Recording(
            self._options, writer, sink, self._threads, began
        )

        def failed(error: Exception) -> None:
            self._metrics.recording('failed')
            if is_required:
                LOG.error(
                    'Session %s ends, because its recording %s cannot be '
                    'written: %s',
                    opened.id,
                    recording_id,
                    str(error) or 'the storage timed out',
                )
                end(NotRecorded())
            else:
                LOG.error(
                    'Session %s continues without its recording %s, which '
                    'cannot be written: %s',
                    opened.id,
                    recording_id,
                    str(error) or 'the storage timed out',
                )

        recording.run(failed)
        return recording

    def _create(
        self, recording_id: str, opened: OpenedSession, started_at: float
    ) -> tuple[Writer, Sink]:
        document: dict[str, Any] = {
            'version': 1,
            'id': recording_id,
            'session_id': opened.id,
            'server_id': opened.server_id,
            'project_id': opened.project_id,
            'user_id': opened.user_id,
            'client_address': opened.client_address,
            'console_type': opened.console_type,
            'started_at': started_at,
        }
        stored = self._load()
        format_ = formats.OF_TYPES[opened.console_type]
        writer = format_.writer(stored.keys.new(recording_id), document)
        return writer, stored.storage.create(recording_id, writer.start())

    def _load(self) -> _Stored:
        """Load the storage, unless it is loaded. It is called in threads.

        :raises oslo_config.cfg.Error: there is no such storage
        :raises OSError: it cannot be written
        """
        with self._loading:
            if self._stored is None:
                self._stored = _Stored(self._conf)
            if not self._is_checked:
                self._stored.storage.check()
                self._is_checked = True
            return self._stored

    async def keep(self) -> None:
        """Complete interrupted recordings and delete old ones, now and then.

        It is a background task.
        """
        now = time.monotonic()
        if now < self._next_keeping:
            return
        self._next_keeping = now + INTERVAL
        if self._stored is None and not keys.exist(self._conf):
            # This host is not set up for recordings.
            return
        try:
            # Without a time-out: there may be many recordings.
            interval = await asyncio.get_running_loop().run_in_executor(
                self._threads, self._keep
            )
        except (OSError, cfg.Error) as error:
            LOG.error('The storage of recordings is unavailable: %s', error)
        else:
            self._next_keeping = now + interval

    def _keep(self) -> float:
        """Keep the storage in order; seconds until the next time."""
        with self._loading:
            if self._stored is None:
                self._stored = _Stored(self._conf)
        keeping = self._stored.keeping
        try:
            kept = keeping.run(time.time())
        except FileNotFoundError:
            # With the mode off, the storage is made for the first recording.
            if self._is_checked:
                raise
        else:
            self._metrics.recordings_waiting(kept.waiting)
        return keeping.interval


def _close_created(
    creating: 'futures.Future[tuple[Writer, Sink]]',
) -> None:
    """Close a recording that nobody uses. It is then completed."""
    if not creating.cancelled() and creating.exception() is None:
        creating.result()[1].close()


def check(conf: cfg.ConfigOpts) -> None:
    """Check the options and the storage, before workers start.

    :raises oslo_config.cfg.Error: the storage is unknown, or the key file is
        missing or invalid
    :raises OSError: recordings cannot be written
    """
    if conf.recording.mode == 'off':
        return
    stored = storage.load(conf)
    Keys(conf).check()
    stored.check()
