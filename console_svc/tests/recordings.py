# SPDX-License-Identifier: Apache-2.0

"""Recordings in the storage of an API."""

import pathlib
import uuid
from collections.abc import Mapping
from typing import Any

from console_svc.consoles import vault
from console_svc.consoles.recording_index import RecordingIndex
from console_svc.recordings import formats, storage
from console_svc.recordings.keys import Keys
from console_svc.tests import fixtures

SESSION = '9e1b4ad1-6e4b-4a8c-9f1d-3f8c2f0b6d77'


def add(configuration: fixtures.Configuration, **head: Any) -> str:
    """Add a recording of "one", "two" and "three", a second apart.

    :param head: differs from the usual description of the session; "id" is
        that of the recording
    :returns: its id
    """
    recording_id: str = head.pop('id', None) or str(uuid.uuid4())
    write(configuration, recording_id, head)
    RecordingIndex(configuration.conf, configuration.database).update()
    return recording_id


def write(
    configuration: fixtures.Configuration,
    recording_id: str,
    head: Mapping[str, Any],
) -> None:
    """Write a recording, and leave the index as it is."""
    conf = configuration.conf
    key_file = pathlib.Path(conf.recording.key_file)
    if not key_file.exists():
        vault.create_key_file(key_file)
    conf.set_override('min_free', 0, 'recording')
    stored = storage.load(conf)
    stored.check()
    document = {
        'session_id': SESSION,
        'server_id': fixtures.SERVER,
        'project_id': 'demo',
        'user_id': 'joe',
        'client_address': '198.51.100.7',
        'console_type': 'serial',
        'started_at': 1795521600,
        **head,
    }
    writer = formats.OF_TYPES[document['console_type']].writer(
        Keys(conf).new(recording_id), document
    )
    sink = stored.create(recording_id, writer.start())
    for second, text in enumerate((b'one', b'two', b'three')):
        writer.output(second * 10**6, text)
        sink.append(writer.cut())
    sink.append(writer.end(3 * 10**6, 'The console has ended.'))
    sink.finish()
