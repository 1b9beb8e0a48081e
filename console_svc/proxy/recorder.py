# SPDX-License-Identifier: Apache-2.0

"""Starts the recordings of sessions, and keeps their storage in order."""

import asyncio
import functools
import logging
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
from console_svc.recordings import cast, storage
from console_svc.recordings.keeping import Keeping
from console_svc.recordings.keys import Keys
from console_svc.recordings.storage import Sink

LOG = logging.getLogger(__name__)

# The console type that can be recorded.
_SERIAL: Final = 'serial'

# Threads that wait for the storage.
_THREADS: Final = 8


class Recorder:
    """Starts recordings, and keeps their storage in order.

    :raises oslo_config.cfg.Error: there is no such storage
    """

    def __init__(self, conf: cfg.ConfigOpts, metrics: Metrics) -> None:
        self._options = conf.recording
        self._metrics = metrics
        self._storage = storage.load(conf)
        self._keys = Keys(conf)
        self._keeping = Keeping(conf, self._storage, self._keys)
        self._next_keeping = time.monotonic()
        self._threads = futures.ThreadPoolExecutor(_THREADS, 'recordings')

    @property
    def _is_required(self) -> bool:
        mode: str = self._options.mode
        return mode == 'required'

    async def start(
        self, opened: OpenedSession, end: Callable[[Ended], None]
    ) -> 'Recording | None':
        """Start the recording of a session.

        :param end: ends the session
        :returns: None: it is not recorded
        :raises console_svc.proxy.errors.Ended: it must be recorded, and cannot
            be
        """
        types = self._options.types
        if types and opened.console_type not in types:
            return None
        if opened.console_type != _SERIAL:
            if not self._is_required:
                return None
            self._metrics.recording('refused')
            raise Refused(
                'Sessions must be recorded, and those of this console type '
                'cannot be.'
            )
        recording_id = str(uuid.uuid4())
        creating = functools.partial(self._create, recording_id, opened)
        try:
            writer, sink = await in_thread(
                self._threads, creating, _close_created
            )
        except (OSError, ValueError) as error:
            self._metrics.recording('failed')
            LOG.error(
                'Session %s cannot be recorded: %s',
                opened.id,
                str(error) or 'the storage timed out',
            )
            if self._is_required:
                raise NotRecorded from None
            return None
        self._metrics.recording('started')
        LOG.info('Session %s is recorded as %s', opened.id, recording_id)
        recording = Recording(self._options, writer, sink, self._threads)

        def failed(error: Exception) -> None:
            self._metrics.recording('failed')
            if self._is_required:
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
        self, recording_id: str, opened: OpenedSession
    ) -> tuple[cast.Writer, Sink]:
        document: dict[str, Any] = {
            'version': 1,
            'id': recording_id,
            'session_id': opened.id,
            'server_id': opened.server_id,
            'project_id': opened.project_id,
            'user_id': opened.user_id,
            'client_address': opened.client_address,
            'console_type': opened.console_type,
            'started_at': time.time(),
        }
        writer = cast.Writer(self._keys.new(recording_id), document)
        return writer, self._storage.create(recording_id, writer.start())

    async def keep(self) -> None:
        """Complete interrupted recordings and delete old ones, now and then.

        It is a background task.
        """
        now = time.monotonic()
        if now < self._next_keeping:
            return
        self._next_keeping = now + self._keeping.interval
        try:
            # Without a time-out: there may be many recordings.
            kept = await asyncio.get_running_loop().run_in_executor(
                self._threads, self._keeping.run, time.time()
            )
            self._metrics.recordings_waiting(kept.waiting)
        except OSError as error:
            LOG.error('The storage of recordings is unavailable: %s', error)


def _close_created(
    creating: 'futures.Future[tuple[cast.Writer, Sink]]',
) -> None:
    """Close a recording that nobody uses. It is then completed."""
    if not creating.cancelled() and creating.exception() is None:
        creating.result()[1].close()


def start_recorder(conf: cfg.ConfigOpts, metrics: Metrics) -> Recorder | None:
    """The recorder; None: no session is recorded."""
    return None if conf.recording.mode == 'off' else Recorder(conf, metrics)


def check(conf: cfg.ConfigOpts) -> None:
    """Check the options and the storage, before workers start.

    :raises oslo_config.cfg.Error: the storage is unknown, or the key file is
        missing or invalid
    :raises OSError: recordings cannot be written
    """
    if conf.recording.mode == 'off':
        return
    stored = storage.load(conf)
    try:
        Keys(conf).new('')
    except ValueError as error:
        raise cfg.Error(f'[recording] key_file: {error}') from error
    stored.check()
