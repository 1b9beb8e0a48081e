# SPDX-License-Identifier: Apache-2.0

"""The sources of the api-ref, and the requests that they describe."""

import contextlib
import dataclasses
import hashlib
import json
import pathlib
import re
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

import webob
import yaml

from console_svc.api.middleware.branch import PUBLIC_PATHS
from console_svc.consoles import vault
from console_svc.db import tables
from console_svc.objects import NEVER
from console_svc.recorded import RecordingAccess
from console_svc.tests import fixtures, recordings

ROOT = pathlib.Path(__file__).parents[3]
SAMPLES = ROOT / 'doc/api_samples'
SOURCE = ROOT / 'api-ref/source'

SERVER = f'/v2.1/servers/{fixtures.SERVER}'
TOKENS = '/v2.1/os-console-auth-tokens'
RECORDING = '0f7a1c2e-5a3d-4c57-8f0e-3b9f0f0f5d11'
PASSWORD = 'Yx4cB8eJ'

PARAMETERS: Mapping[str, Any] = yaml.safe_load(
    (SOURCE / 'parameters.yaml').read_text()
)
STATUS: Mapping[int, Mapping[str, str]] = yaml.safe_load(
    (SOURCE / 'status.yaml').read_text()
)

# '   - name: key', a line of a rest_parameters or rest_status_code.
_ITEM = r'^   - ([\w:-]+?)(?:: (\w+))?$'

# A title, and the directive that follows it in every section.
_SECTION = r'^(.+)\n=+\n\n\.\. rest_method:: '


@dataclasses.dataclass(frozen=True)
class Message:
    """The description of a request, or of its response.

    :param parameters: names, and their keys in parameters.yaml
    :param samples: files below SAMPLES
    """

    parameters: Sequence[tuple[str, str]]
    samples: Sequence[str]

    def described(self, place: str) -> Mapping[str, Sequence[Any]]:
        """The parameters in the path, body or query: name -> descriptions."""
        found: dict[str, list[Any]] = {}
        for name, key in self.parameters:
            if PARAMETERS[key]['in'] == place:
                found.setdefault(name, []).append(PARAMETERS[key])
        return found


@dataclasses.dataclass(frozen=True)
class Operation:
    """A section, which starts with ``rest_method``."""

    title: str
    method: str
    path: str
    statuses: Mapping[int, str]
    request: Message
    response: Message

    def __str__(self) -> str:
        return f'{self.method} {self.path}'

    @property
    def template(self) -> str:
        """The whole path, with the names of ids in braces."""
        return self.path if self.is_public else f'/v2.1{self.path}'

    @property
    def is_public(self) -> bool:
        """Whether it needs no token."""
        return self.path in PUBLIC_PATHS


class ReadyApi(fixtures.Api):
    """An API with every type of console, and one of each resource."""

    def __init__(self, **options: dict[str, Any]) -> None:
        gateway = {
            'mode': 'gateway',
            'port_range': '5901-5999',
            'public_hostname': 'console.example.org',
            'native_max_uses': 1,
        }
        super().__init__(consoles=gateway, **options)

    def _setUp(self) -> None:
        super()._setUp()
        document = fixtures.inventory()
        document['servers'][0]['consoles'] += [
            {'type': 'spice-html5', 'host': '192.0.2.10', 'port': 5904},
            {'type': 'webmks', 'host': '192.0.2.12', 'port': 902},
        ]
        self.write_inventory(document)
        self.request('POST', f'{SERVER}/consoles')
        # As the samples have them.
        encrypted = vault.Vault(self.conf).encrypt(PASSWORD)
        with self.database.writing() as connection:
            connection.execute(
                tables.consoles.update().values(
                    gateway_port=5901, encrypted_password=encrypted
                )
            )
        token = self.issue('novnc')
        opened = self.request(
            'POST',
            f'{TOKENS}/{token}/sessions',
            token=fixtures.SERVICE,
            body=sample('console-sessions/session-create-req.json'),
        )
        self.ids = {
            'server_id': fixtures.SERVER,
            'console_id': '1',
            'console_token': token,
            'session_id': opened.json.get('session', {}).get('id'),
            'recording_id': recordings.add(self, id=RECORDING),
        }
        self._give_access()

    def _give_access(self) -> None:
        """Give access to the recording, with the token of the sample."""
        token = document('console-recordings/read-create-req.json')[
            'console_recording_read'
        ]['token']
        self.database.recording_accesses.create(
            RecordingAccess(
                token_hash=hashlib.sha256(token.encode()).hexdigest(),
                recording_id=self.ids['recording_id'],
                user_id='mia',
                expires=NEVER,
            )
        )

    def path(self, operation: Operation, **ids: str) -> str:
        """The operation's path, with ids in their places."""
        return operation.template.format(**{**self.ids, **ids})

    def send(
        self, operation: Operation, query: str = '', **request: Any
    ) -> webob.Response:
        """Send it as an administrator, with the body of its sample."""
        ids = {name: request.pop(name) for name in self.ids if name in request}
        if operation.request.samples:
            request.setdefault('body', sample(operation.request.samples[0]))
        request.setdefault('token', fixtures.ADMIN)
        path = self.path(operation, **ids) + query
        self._forget_challenges()
        return self.request(operation.method, path, **request)

    def _forget_challenges(self) -> None:
        """Let a sample be sent again: it has the same challenge each time.

        Tests may count the statements of the engine, or have dropped tables.
        """
        file = self.database.engine.url.database
        with (
            contextlib.suppress(sqlite3.OperationalError),
            contextlib.closing(sqlite3.connect(file)) as connection,
            connection,
        ):
            connection.execute('DELETE FROM used_challenges')


def sample(name: str) -> str:
    """The text of a sample."""
    return (SAMPLES / name).read_text()


def document(name: str) -> Any:
    """A sample, parsed."""
    return json.loads(sample(name))


def read() -> Sequence[Operation]:
    """Every section, in the order of the files."""
    return [
        operation
        for path in sorted(SOURCE.glob('*.inc'))
        for operation in read_file(path.name)
    ]


def read_file(name: str) -> Sequence[Operation]:
    """The sections of one file."""
    text = (SOURCE / name).read_text()
    _, *parts = re.split(_SECTION, text, flags=re.M)
    return [
        _operation(title, section)
        for title, section in zip(parts[::2], parts[1::2], strict=True)
    ]


def general_statuses() -> Mapping[int, str]:
    """The statuses that any request can get."""
    return _statuses((SOURCE / 'index.rst').read_text())


def general_headers(section: str) -> set[str]:
    """The headers of any request or response, from the introduction.

    :param section: ``Requests`` or ``Answers``
    """
    text = (SOURCE / 'index.rst').read_text()
    begin = text.index(f'\n{section}\n===')
    table = text[begin:].split('\n=====')[2]
    return set(re.findall(r'^``([\w-]+)``', table, re.M))


def microversions() -> set[str]:
    """The microversions that change something, from the introduction."""
    text = (SOURCE / 'index.rst').read_text()
    return set(re.findall(r'^(2\.\d+) ', text, re.M))


def _operation(title: str, text: str) -> Operation:
    method, path = text.split(None, 2)[:2]
    request, _, response = text.partition('\nResponse\n--------\n')
    return Operation(
        title,
        method,
        path,
        _statuses(text),
        _message(request),
        _message(response),
    )


def _message(text: str) -> Message:
    parameters = [
        item
        for table in _blocks(text, 'rest_parameters')
        for item in re.findall(_ITEM, table, re.M)
    ]
    samples = re.findall(r'literalinclude:: \S+/api_samples/(\S+)', text)
    return Message(parameters, samples)


def _statuses(text: str) -> Mapping[int, str]:
    return {
        int(code): key or 'default'
        for table in _blocks(text, 'rest_status_code')
        for code, key in re.findall(_ITEM, table, re.M)
    }


def _blocks(text: str, directive: str) -> Sequence[str]:
    """The content of each directive of this name."""
    return re.findall(rf'^\.\. {directive}::.*\n((?:\n|   .*\n)*)', text, re.M)
