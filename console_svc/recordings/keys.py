# SPDX-License-Identifier: Apache-2.0

"""The keys of recordings, in ``[recording] key_file``."""

import pathlib

from oslo_config import cfg

from console_svc.recordings.check import Source
from console_svc.recordings.pieces import (
    HEADER_SIZE,
    Invalid,
    RecordingKey,
    parse_header,
    parse_secrets,
)
from console_svc.watched_file import WatchedFile


def exist(conf: cfg.ConfigOpts) -> bool:
    """Whether this host has keys: it is set up for recordings."""
    return pathlib.Path(conf.recording.key_file).exists()


class Keys:
    """The keys, read again when the file changes."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._file = WatchedFile(conf.recording.key_file, parse_secrets)

    def check(self) -> None:
        """Check that there are keys.

        :raises oslo_config.cfg.Error: the file has never been valid
        """
        try:
            self._file.get()
        except ValueError as error:
            raise cfg.Error(f'[recording] key_file: {error}') from error

    def new(self, recording_id: str) -> RecordingKey:
        """The key of a new recording.

        :raises ValueError: the file has never been valid; says why
        """
        return RecordingKey(self._file.get()[0], recording_id)

    def of(self, recording_id: str, source: Source) -> RecordingKey:
        """The key of a recording: that with which its first piece is right.

        Without such a key, it is the one for new recordings.

        :raises ValueError: the file has never been valid; says why
        """
        try:
            header = parse_header(source.read(0, HEADER_SIZE))
        except Invalid:
            return self.new(recording_id)
        head = source.read(0, header.total)
        for secret in self._file.get():
            key = RecordingKey(secret, recording_id)
            try:
                key.open(head)
            except Invalid:
                continue
            return key
        return self.new(recording_id)
