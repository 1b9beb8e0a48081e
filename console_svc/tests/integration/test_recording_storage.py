# SPDX-License-Identifier: Apache-2.0

"""Recordings in a real Swift, by its own API and by that of S3."""

import os
import pathlib
import subprocess
import time
import uuid
from collections.abc import Sequence
from typing import Any

import fixtures
import testtools
from oslo_config import cfg
from testtools import MultipleExceptions

from console_svc import conf as configuration
from console_svc.recordings import objects, s3, swift
from console_svc.recordings.check import State, check
from console_svc.recordings.keys import Keys
from console_svc.recordings.objects import (
    ObjectSource,
    ObjectStorage,
    Part,
    Store,
)
from console_svc.recordings.storage import Unavailable
from console_svc.tests.functional.proxy.recording import RecordedTest
from console_svc.tests.integration.keystone import PASSWORD
from console_svc.tests.integration.swift import SECRET_KEY, Swift
from console_svc.tests.programs import process
from console_svc.tests.programs.proxy import Proxy

# Seconds that a request may take: where Swift is suspended, and elsewhere.
TIMEOUT = 1
PATIENT = {'timeout': process.PATIENCE}


class Swifts(fixtures.Fixture):
    """An empty container."""

    #: What [recording] storage is.
    KIND = 'swift'

    def _setUp(self) -> None:
        self.service = process.shared(Swift)
        self.container = f'recordings-{uuid.uuid4()}'
        self.create()

    def create(self) -> None:
        self.store()._request('PUT', '')

    def groups(self, **options: object) -> dict[str, dict[str, Any]]:
        """Groups of options, with some for the credential."""
        return {'swift': {**self.service.options(), **PATIENT, **options}}

    def store(self, **options: object) -> Any:
        """The container."""
        return swift.Container(self._conf(options))

    def _conf(self, options: dict[str, object]) -> cfg.ConfigOpts:
        file = pathlib.Path(self.useFixture(fixtures.TempDir()).path, 'conf')
        groups = {
            'recording': {'container': self.container},
            **self.groups(**options),
        }
        file.write_text(
            ''.join(
                f'[{group}]\n'
                + ''.join(f'{name} = {value}\n' for name, value in it.items())
                for group, it in groups.items()
            )
        )
        return configuration.load(files=[str(file)])


class Buckets(Swifts):
    """An empty bucket."""

    KIND = 's3'

    def create(self) -> None:
        self.store()._call('create_bucket')

    def groups(self, **options: object) -> dict[str, dict[str, Any]]:
        return {'s3': {**self.service.s3_options(), **PATIENT, **options}}

    def store(self, **options: object) -> s3.Bucket:
        return s3.Bucket(self._conf(options))


class StoreCases:
    """What all stores do."""

    KIND: type[Swifts]

    def setUp(self) -> None:
        super().setUp()
        self.kind = self.useFixture(self.KIND())
        self.store: Store = self.kind.store()
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)

    def parts(self, data: bytes, size: int | None = None) -> Sequence[Part]:
        """Data in parts, by default in one."""
        path = self.folder / 'data'
        path.write_bytes(data)
        file = os.open(path, os.O_RDONLY)
        self.addCleanup(os.close, file)
        if size is not None:
            self.useFixture(
                fixtures.MonkeyPatch(f'{objects.__name__}.PART', size)
            )
        return objects._parts(file, len(data))

    def names(self) -> list[str]:
        return [it.name for it in self.store.objects()]

    def test_objects_are_written_read_listed_and_deleted(self) -> None:
        self.store.check()
        data = os.urandom(200_000)
        for _ in range(2):
            self.store.put('a b/ü?', self.parts(data))
        self.store.put('x', self.parts(b'small'))
        self.assertEqual((b'mal', 5), self.store.get('x', 1, 3))
        self.assertEqual((b'll', 5), self.store.get('x', 3, 100))
        source = ObjectSource(self.store, 'a b/ü?')
        self.assertEqual(len(data), source.size)
        self.assertEqual(data[70_000:190_000], source.read(70_000, 120_000))
        (entry,) = [it for it in self.store.objects() if it.name == 'x']
        self.assertEqual(5, entry.size)
        # Within the hour: it is in UTC.
        self.assertLess(abs(entry.changed_at - time.time()), 1800)
        for _ in range(2):
            self.store.delete('x')
        self.assertRaises(FileNotFoundError, self.store.get, 'x', 0, 1)
        self.assertNotIn('x', self.names())

    def test_large_objects_have_parts(self) -> None:
        # The smallest part of S3.
        size = 5 << 20
        data = os.urandom(size + 1000)
        for _ in range(2):
            self.store.put('x', self.parts(data, size))
        self.assertEqual(['x'], self.names())
        (entry,) = self.store.objects()
        self.assertEqual(len(data), entry.size)
        source = ObjectSource(self.store, 'x')
        self.assertEqual(
            data[size - 10 : size + 10], source.read(size - 10, 20)
        )
        self.store.delete('x')
        self.assertEqual([], self.stored())

    def stored(self) -> list[str]:
        """All that is in the container, with parts of objects."""
        return self.names()

    def test_listings_are_read_by_the_page(self) -> None:
        self.page_of_two()
        names = [f'{it}.rec' for it in range(5)]
        for name in names:
            self.store.put(name, self.parts(b'x'))
        self.assertEqual(names, self.names())
        for name in names[1:]:
            self.store.delete(name)
        self.assertEqual(names[:1], self.names())

    def test_body_that_changes_on_the_way_is_refused(self) -> None:
        parts = self.parts(b'one')
        (self.folder / 'data').write_bytes(b'two')
        error = self.assertRaises(OSError, self.store.put, 'x', parts)
        self.assertNotIsInstance(error, Unavailable)
        self.assertEqual([], self.names())

    def test_missing_container_is_an_error(self) -> None:
        self.kind.container = 'another'
        other = self.kind.store()
        for call in (
            other.check,
            lambda: other.put('x', self.parts(b'x')),
            lambda: [*other.objects()],
        ):
            error = self.assertRaises(OSError, call)
            self.assertNotIsInstance(error, Unavailable)
            self.assertIn('404', str(error))

    def test_wrong_credential_is_an_error(self) -> None:
        for options in self.wrong():
            error = self.assertRaises(
                OSError, self.kind.store(**options).check
            )
            self.assertNotIsInstance(error, Unavailable)

    def test_store_that_does_not_answer_is_unavailable(self) -> None:
        store = self.kind.store(timeout=TIMEOUT)
        with self.kind.service.hanging():
            self.assertRaises(Unavailable, store.put, 'x', self.parts(b'x'))
        for options in self.unreachable(f'http://127.0.0.1:{unused()}'):
            self.assertRaises(Unavailable, self.kind.store(**options).check)


class SwiftTest(StoreCases, testtools.TestCase):
    """A container of Swift."""

    KIND = Swifts

    def stored(self) -> list[str]:
        return [it['name'] for it in self.kind.store()._list({})]

    def page_of_two(self) -> None:
        self.useFixture(fixtures.MonkeyPatch(f'{swift.__name__}._PAGE', 2))
        self.useFixture(
            fixtures.MonkeyPatch(
                f'{swift.__name__}._LISTING', {'format': 'json', 'limit': '2'}
            )
        )

    def wrong(self) -> list[dict[str, str]]:
        return [
            {'password': 'x'},
            {'username': 'member', 'project_name': 'demo'},
            {'region_name': 'elsewhere'},
        ]

    def unreachable(self, url: str) -> list[dict[str, str]]:
        return [
            {'auth_url': url},
            {'auth_url': f'{url}/v3'},
            {'endpoint_override': f'{url}/v1/x'},
        ]

    def test_token_that_was_revoked_is_replaced(self) -> None:
        keystone = self.kind.service.keystone
        for data in b'one', b'two':
            token = self.store._client.get_token()
            keystone.api(
                'DELETE', '/auth/tokens', headers={'X-Subject-Token': token}
            )
            self.store.put('x', self.parts(data))
            self.assertEqual((data, 3), self.store.get('x', 0, 3))


class S3Test(StoreCases, testtools.TestCase):
    """A bucket of Swift's S3 API."""

    KIND = Buckets

    def page_of_two(self) -> None:
        call = self.store._call

        def limited(operation: str, **arguments: Any) -> dict[str, Any]:
            if operation == 'list_objects_v2':
                arguments['MaxKeys'] = 2
            return call(operation, **arguments)

        self.store._call = limited

    def wrong(self) -> list[dict[str, str]]:
        return [
            {'secret_key': 'x'},
            {'access_key': 'x'},
            {'region_name': 'elsewhere'},
        ]

    def unreachable(self, url: str) -> list[dict[str, str]]:
        return [{'endpoint_url': url}]


def unused() -> int:
    """A port on which nothing listens."""
    return process.free_port()


class StoredTest(RecordedTest):
    """Has a proxy that uploads."""

    KIND: type[Swifts] = Swifts

    def setUp(self) -> None:
        super().setUp()
        self.kind = self.useFixture(self.KIND())
        self.groups = {
            'DEFAULT': {'debug': True},
            **self.kind.groups(timeout=TIMEOUT),
        }

    def record_sessions(self, **options: Any) -> None:
        """Start a proxy that uploads."""
        self.record(
            storage=self.kind.KIND,
            container=self.kind.container,
            upload_interval=0.2,
            **options,
        )
        self.storage = ObjectStorage(self.conf, self.kind.store())

    def check_log(self) -> None:
        super().check_log()
        log = self.proxy.log.read_text()
        for secret in PASSWORD, SECRET_KEY:
            self.assertNotIn(secret, log)

    def spooled(self) -> set[str]:
        """The files in the spool."""
        return {it.name for it in self.folder.iterdir()}

    def uploaded(self, number: int) -> list[str]:
        """The ids of recordings, once they are in Swift alone."""
        process.wait_for(
            lambda: (
                not self.spooled() and len([*self.storage.entries()]) == number
            ),
            'the uploads',
        )
        return [it.id for it in self.storage.entries()]

    def states(self, ids: Sequence[str]) -> list[State]:
        """How recordings end. They are whole."""
        found = []
        for recording_id in ids:
            with self.storage.open(recording_id) as source:
                key = Keys(self.conf).of(recording_id, source)
                result = check(source, key)
            self.assertTrue(result.is_good)
            found.append(result.state)
        return sorted(found)

    def end_session(self) -> None:
        """Have a session that is recorded and ends."""
        connection = self.connect()
        self.check_echo(connection)
        connection.close()
        self.wait_for_no_session()


class UploadTest(StoredTest):
    """Recordings of a proxy in Swift."""

    def manage(self, *arguments: str) -> str:
        """The output of console-svc-manage, on a host without the spool."""
        text = self.configuration.file.read_text()
        file = self.configuration.folder / 'other.conf'
        file.write_text(text.replace(str(self.folder), '/nonexistent'))
        return subprocess.run(
            [
                process.program('console-svc-manage'),
                *('--config-file', file, 'recording', *arguments),
            ],
            check=True,
            capture_output=True,
            text=True,
            timeout=process.PATIENCE,
        ).stdout

    def test_recordings_are_uploaded_and_read(self) -> None:
        self.record_sessions()
        connection = self.connect()
        self.check_echo(connection, b'one')
        # It is not uploaded before its end.
        process.wait_for(lambda: self.is_written(b'one'), 'the piece')
        self.assertEqual(1, len(self.spooled()))
        connection.close()
        (recording_id,) = self.uploaded(1)
        self.assertEqual('one', self.stored()['o'])
        self.assertIn(recording_id, self.manage('list'))
        self.assertIn('"one"', self.manage('export', recording_id))
        self.storage.delete(recording_id)
        self.assertEqual([], [*self.storage.entries()])


class S3UploadTest(UploadTest):
    """Recordings of a proxy in Swift, by its S3 API."""

    KIND = Buckets


class OutageTest(StoredTest):
    """Swift is suspended in the middle."""

    def waiting(self) -> float:
        name = 'console_svc_proxy_recordings_waiting'
        return self.proxy.metrics().get(name, 0)

    def test_nothing_is_lost(self) -> None:
        self.record_sessions(mode='required')
        self.end_session()
        self.uploaded(1)
        with self.kind.service.hanging():
            for _ in range(2):
                self.end_session()
            process.wait_for(lambda: self.waiting() == 2, 'two recordings')
            self.assertEqual(2, len(self.spooled()))
            self.assertIn(
                'Recordings cannot be uploaded', self.proxy.log.read_text()
            )
        ids = self.uploaded(3)
        self.assertEqual([State.COMPLETE] * 3, self.states(ids))
        process.wait_for(lambda: self.waiting() == 0, 'none')
        self.assertIn(
            'Recordings can be uploaded again', self.proxy.log.read_text()
        )

    def test_next_proxy_uploads_what_a_dead_one_has_left(self) -> None:
        self.record_sessions()
        with self.kind.service.hanging():
            self.end_session()
            self.check_echo(self.connect(), b'open')
            process.wait_for(
                lambda: (
                    {pathlib.Path(it).suffix for it in self.spooled()}
                    == {'.part', '.rec'}
                ),
                'both recordings',
            )
            self.proxy.process.kill()
            # It starts without Swift.
            self.proxy.process.start()
            self.proxy.wait()
        ids = self.uploaded(2)
        self.assertEqual([State.COMPLETE, State.INTERRUPTED], self.states(ids))


class StartTest(StoredTest):
    """A proxy that cannot use Swift."""

    def test_errors_of_the_configuration_are_found_at_the_start(self) -> None:
        good = self.kind.groups()['swift']
        recording = {
            'mode': 'optional',
            'storage': 'swift',
            'directory': self.folder,
            'key_file': self.key_file,
            'container': self.kind.container,
        }
        for options, reason in (
            (
                {'groups': {'swift': {**good, 'password': 'x'}}},
                'The credential of [swift] is not accepted',
            ),
            (
                {
                    'groups': {'swift': good},
                    'recording': {**recording, 'container': 'none'},
                },
                "Swift answers 404 Not Found: 'the container none'",
            ),
            (
                {
                    'groups': {
                        's3': {
                            **self.kind.service.s3_options(),
                            'secret_key': 'x',
                        }
                    },
                    'recording': {**recording, 'storage': 's3'},
                },
                'S3 answers 403',
            ),
        ):
            self.proxy = Proxy(
                self.service, **{'recording': recording, **options}
            )
            error = self.assertRaises(MultipleExceptions, self.proxy.setUp)
            self.assertIn('The proxy cannot start', str(error))
            self.assertIn(reason, str(error))
            self.assertNotIn('Traceback (most', str(error))
