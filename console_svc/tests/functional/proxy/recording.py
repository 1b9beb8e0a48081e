# SPDX-License-Identifier: Apache-2.0

"""A proxy that records consoles."""

import contextlib
import json
import pathlib
from collections.abc import Iterator
from typing import Any

import fixtures as fixtures_
import testtools
from cryptography.fernet import Fernet
from oslo_config import cfg

from console_svc.recordings import check, contents, formats, storage
from console_svc.recordings.keys import Keys
from console_svc.recordings.pieces import RecordingKey
from console_svc.tests import fixtures
from console_svc.tests.functional.proxy.base import LAPSE, ProxyTest
from console_svc.tests.programs import process


class RecordingsTest(testtools.TestCase):
    """Tests of recordings, by default in a directory."""

    #: Other groups of options of the proxy.
    groups: dict[str, dict[str, Any]] = {}

    def setUp(self) -> None:
        super().setUp()
        folder = pathlib.Path(self.useFixture(fixtures_.TempDir()).path)
        self.folder = folder / 'recordings'
        self.key_file = folder / 'keys'
        self.key_file.write_text(Fernet.generate_key().decode())

    def configure(self, mode: str, **options: Any) -> None:
        """Have the options of a proxy that records.

        :param options: of [recording]
        """
        self.recording = {
            'mode': mode,
            'directory': self.folder,
            'key_file': self.key_file,
            'min_free': 0,
            'piece_seconds': 0.1,
            **options,
        }
        self.configuration = self.useFixture(
            fixtures.Configuration(recording=self.recording, **self.groups)
        )
        self.conf: cfg.ConfigOpts = self.configuration.conf
        self.storage = storage.load(self.conf)

    def stored_file(self) -> dict[str, Any]:
        """The only recording, once it is finished: as a playable file."""
        process.wait_for(
            lambda: [it for it in self.storage.entries() if it.is_finished],
            'the recording',
        )
        with self.opened_recording() as (source, key):
            result = check.check(source, key)
            self.assertTrue(result.is_good)
            return {
                'head': contents.head(source, key),
                'state': result.state,
                'reason': result.reason,
                'file': b''.join(formats.parts(source, key)),
            }

    def file(self) -> bytes:
        """The only recording as a playable file, as far as it is written."""
        with self.opened_recording() as (source, key):
            return b''.join(formats.parts(source, key))

    def is_written(self, text: bytes) -> bool:
        """Whether the only recording has a text, as far as it is written."""
        return text in self.file()

    @contextlib.contextmanager
    def opened_recording(self) -> Iterator[tuple[check.Source, RecordingKey]]:
        """The only recording, and its key."""
        (entry,) = self.storage.entries()
        with self.storage.open(entry.id) as source:
            yield source, Keys(self.conf).of(entry.id, source)


class RecordedTest(RecordingsTest, ProxyTest):
    """Each test has a proxy of its own."""

    # The sessions of dead workers lapse.
    CONSOLEAUTH = {'session_lapse': LAPSE}

    @classmethod
    def start_proxy(cls) -> None:
        pass

    def setUp(self) -> None:
        super().setUp()
        self.console()

    def record(
        self,
        mode: str = 'optional',
        proxy: dict[str, Any] | None = None,
        **options: Any,
    ) -> None:
        """Start a proxy that records.

        :param proxy: options of [proxy]
        :param options: of [recording]
        """
        self.configure(mode, **options)
        self.start(recording=self.recording, groups=self.groups, **proxy or {})

    def stored(self) -> dict[str, Any]:
        """The only recording, once it is finished, of a serial console."""
        stored = self.stored_file()
        lines = stored['file'].decode().split('\n')
        events = [json.loads(line) for line in lines[1:-1]]
        return {
            **stored,
            **{
                code: ''.join(it[2] for it in events if it[1] == code)
                for code in 'oi'
            },
            'times': [it[0] for it in events],
        }

    def outcomes(self) -> dict[str, float]:
        """The metric of recordings."""
        name = 'console_svc_proxy_recordings_total{outcome="'
        return {
            key.removeprefix(name).rstrip('"}'): value
            for key, value in self.proxy.metrics().items()
            if key.startswith(name)
        }
