# SPDX-License-Identifier: Apache-2.0

"""A proxy that records serial consoles."""

import json
import pathlib
from typing import Any

import fixtures as fixtures_
from cryptography.fernet import Fernet
from oslo_config import cfg

from console_svc.recordings import cast, check, storage
from console_svc.recordings.keys import Keys
from console_svc.tests import fixtures
from console_svc.tests.functional.proxy.base import LAPSE, ProxyTest
from console_svc.tests.programs import process


class RecordedTest(ProxyTest):
    """Each test has a proxy of its own."""

    # The sessions of dead workers lapse.
    CONSOLEAUTH = {'session_lapse': LAPSE}

    #: Other groups of options of the proxy.
    groups: dict[str, dict[str, Any]] = {}

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
        recording = {
            'mode': mode,
            'directory': self.folder,
            'key_file': self.key_file,
            'min_free': 0,
            'piece_seconds': 0.1,
            **options,
        }
        self.configuration = self.useFixture(
            fixtures.Configuration(recording=recording, **self.groups)
        )
        self.conf: cfg.ConfigOpts = self.configuration.conf
        self.storage = storage.load(self.conf)
        self.start(recording=recording, groups=self.groups, **proxy or {})

    def stored(self) -> dict[str, Any]:
        """The only recording, once it is finished."""
        process.wait_for(
            lambda: [it for it in self.storage.entries() if it.is_finished],
            'the recording',
        )
        (entry,) = self.storage.entries()
        with self.storage.open(entry.id) as source:
            key = Keys(self.conf).of(entry.id, source)
            result = check.check(source, key)
            pieces = [it.piece for it in check.pieces(source, key)]
            lines = b''.join(cast.lines(source, key)).decode().split('\n')
        self.assertTrue(result.is_good)
        events = [json.loads(line) for line in lines[1:-1]]
        return {
            'head': pieces[0].document(),
            'state': result.state,
            'reason': result.reason,
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

    def is_written(self, text: bytes) -> bool:
        """Whether the only recording has a text, as far as it is written."""
        (entry,) = self.storage.entries()
        with self.storage.open(entry.id) as source:
            key = Keys(self.conf).of(entry.id, source)
            return text in b''.join(cast.lines(source, key))
