# SPDX-License-Identifier: Apache-2.0

"""Which sessions are recorded."""

import asyncio
import dataclasses
import pathlib
import uuid
from collections.abc import Awaitable, Callable
from typing import Any
from unittest import mock

import fixtures as fixtures_
import testtools
from cryptography.fernet import Fernet

from console_svc.proxy.api_answers import OpenedSession
from console_svc.proxy.errors import NotRecorded, Refused
from console_svc.proxy.recorder import Recorder
from console_svc.recordings import contents, formats, storage
from console_svc.recordings.keys import Keys
from console_svc.tests import fixtures

OPENED = OpenedSession('id', 'server', 'serial', '192.0.2.1', 1, None, None)


class RecorderTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.log = self.useFixture(fixtures_.FakeLogger('console_svc'))
        folder = pathlib.Path(self.useFixture(fixtures_.TempDir()).path)
        self.folder = folder / 'recordings'
        self.keys = folder / 'keys'
        self.keys.write_text(Fernet.generate_key().decode())
        self.metrics = mock.Mock()

    def configure(self, mode: str, **options: Any) -> None:
        self.conf = self.useFixture(
            fixtures.Configuration(
                recording={
                    'mode': mode,
                    'directory': self.folder,
                    'key_file': self.keys,
                    'min_free': 0,
                    **options,
                }
            )
        ).conf

    def run_with(self, act: Callable[[Recorder], Awaitable[Any]]) -> Any:
        async def run() -> Any:
            return await act(Recorder(self.conf, self.metrics))

        return asyncio.run(run())

    def is_recorded(self, console_type: str, **terms: Any) -> bool:
        """Whether a session is recorded."""
        opened = dataclasses.replace(
            OPENED, console_type=console_type, **terms
        )

        async def act(recorder: Recorder) -> bool:
            found = await recorder.start(opened, mock.Mock())
            if found is not None:
                await found.close('The end.')
            return found is not None

        return bool(self.run_with(act))

    def test_consoles_have_the_formats_of_their_types(self) -> None:
        self.configure('optional')
        self.folder.mkdir()
        for kind in ('serial', 'novnc', 'vnc'):
            self.assertTrue(self.is_recorded(kind))
        found = {}
        stored = storage.load(self.conf)
        for entry in stored.entries():
            with stored.open(entry.id) as source:
                key = Keys(self.conf).of(entry.id, source)
                kind = contents.head(source, key)['console_type']
                found[kind] = formats.of(source, key).extension
        self.assertEqual(
            {'serial': 'cast', 'novnc': 'fbs', 'vnc': 'fbs'}, found
        )

    def test_types_restrict_the_mode(self) -> None:
        self.configure('required', types='novnc')
        self.folder.mkdir()
        self.assertTrue(self.is_recorded('novnc'))
        for kind in ('serial', 'vnc', 'webmks'):
            self.assertFalse(self.is_recorded(kind))

    def test_terms_of_a_token_outrank_the_options(self) -> None:
        """What is needed is loaded and made, when a session needs it."""
        for mode, types in (('off', ''), ('optional', 'novnc')):
            self.configure(mode, types=types)
            self.assertFalse(self.is_recorded('serial'))
            # The first one has made the folder.
            self.assertTrue(self.is_recorded('serial', is_recorded=True))

    def test_terms_refuse_a_session_that_cannot_be_recorded(self) -> None:
        self.configure('off')
        for kind in ('spice-html5', 'spice-direct', 'rdp-html5', 'webmks'):
            self.assertRaises(
                Refused, self.is_recorded, kind, is_recorded=True
            )
        for options in (
            {'key_file': self.keys.with_name('missing')},
            {'directory': self.folder / 'missing/folder'},
            {'storage': 'missing'},
        ):
            self.configure('off', **options)
            self.assertRaises(
                NotRecorded, self.is_recorded, 'novnc', is_recorded=True
            )
            self.assertFalse(self.is_recorded('novnc'))
        self.assertEqual(3, self.log.output.count('cannot be recorded'))

    def test_storage_is_loaded_once_a_session_needs_it(self) -> None:
        self.configure('off', directory=self.folder / 'missing/folder')
        opened = dataclasses.replace(OPENED, is_recorded=True)

        async def act(recorder: Recorder) -> None:
            with self.assertRaises(NotRecorded):
                await recorder.start(opened, mock.Mock())
            self.folder.mkdir()
            (self.folder / 'missing').mkdir()
            found = await recorder.start(opened, mock.Mock())
            assert found is not None
            await found.close('The end.')

        self.run_with(act)

    def test_with_the_mode_off_nothing_is_made(self) -> None:
        self.configure('off')
        self.run_with(lambda recorder: recorder.keep())
        self.assertFalse(self.folder.exists())
        self.assertEqual('', self.log.output)

    def test_with_the_mode_off_recordings_are_completed(self) -> None:
        """Those of tokens that require it."""
        self.configure('off')
        stored = storage.load(self.conf)
        stored.check()
        recording_id = str(uuid.uuid4())
        writer = formats.OF_TYPES['vnc'].writer(
            Keys(self.conf).new(recording_id), {}
        )
        stored.create(recording_id, writer.start()).close()
        self.run_with(lambda recorder: recorder.keep())
        (entry,) = stored.entries()
        self.assertTrue(entry.is_finished)
