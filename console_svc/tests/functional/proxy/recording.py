# SPDX-License-Identifier: Apache-2.0

"""A proxy that records consoles."""

import json
import pathlib
from typing import Any

import fixtures as fixtures_
from cryptography.fernet import Fernet
from oslo_config import cfg

from console_svc.recordings import check, contents, fbs, formats, storage
from console_svc.recordings.keys import Keys
from console_svc.tests import fixtures
from console_svc.tests.functional.proxy.base import LAPSE, ProxyTest
from console_svc.tests.programs import process


class RecordedTest(ProxyTest):
    """Each test has a proxy of its own."""

    # The sessions of dead workers lapse.
    CONSOLEAUTH = {'session_lapse': LAPSE}

    @classmethod
    def start_proxy(cls) -> None:
        pass

    def setUp(self) -> None:
        super().setUp()
        folder = pathlib.Path(self.useFixture(fixtures_.TempDir()).path)
        self.folder = folder / 'recordings'
        self.key_file = folder / 'keys'
        self.key_file.write_text(Fernet.generate_key().decode())
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
        self.configure(mode, options)
        self.start(recording=self.recording, **proxy or {})

    def configure(self, mode: str, options: dict[str, Any]) -> None:
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
            fixtures.Configuration(recording=self.recording)
        )
        self.conf: cfg.ConfigOpts = self.configuration.conf
        self.storage = storage.load(self.conf)

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

    def stored_file(self) -> dict[str, Any]:
        """The only recording, once it is finished: as a playable file."""
        process.wait_for(
            lambda: [it for it in self.storage.entries() if it.is_finished],
            'the recording',
        )
        (entry,) = self.storage.entries()
        with self.storage.open(entry.id) as source:
            key = Keys(self.conf).of(entry.id, source)
            result = check.check(source, key)
            self.assertTrue(result.is_good)
            return {
                'head': contents.head(source, key),
                'state': result.state,
                'reason': result.reason,
                'file': b''.join(formats.parts(source, key)),
            }

    def inputs(self, recording_id: str) -> bytes:
        """What the client of a VNC console has sent."""
        with self.storage.open(recording_id) as source:
            key = Keys(self.conf).of(recording_id, source)
            return b''.join(data for _, data in fbs.client_bytes(source, key))

    def outcomes(self) -> dict[str, float]:
        """The metric of recordings."""
        name = 'console_svc_proxy_recordings_total{outcome="'
        return {
            key.removeprefix(name).rstrip('"}'): value
            for key, value in self.proxy.metrics().items()
            if key.startswith(name)
        }

    def is_written(self, text: bytes) -> bool:
        """Whether the only recording has a text, as far as it is written."""
        (entry,) = self.storage.entries()
        with self.storage.open(entry.id) as source:
            key = Keys(self.conf).of(entry.id, source)
            return text in b''.join(formats.parts(source, key))
