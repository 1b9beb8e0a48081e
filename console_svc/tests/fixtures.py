# SPDX-License-Identifier: Apache-2.0

"""Fixtures of the service: real files and a real database, no network."""

import json
import pathlib
import secrets
from collections.abc import Mapping
from typing import Any

import fixtures
import sqlalchemy as sa
import webob
import yaml

from console_svc import conf as configuration
from console_svc.api import app
from console_svc.consoles import vault
from console_svc.db import migration, tables
from console_svc.db.database import Database
from console_svc.protocols import rfb

SERVER = '5f3d1f8e-9c8e-4a57-9a0c-4dd8e3f1c001'
STOPPED = '5f3d1f8e-9c8e-4a57-9a0c-4dd8e3f1c002'
BARE = '5f3d1f8e-9c8e-4a57-9a0c-4dd8e3f1c003'
OTHERS = '5f3d1f8e-9c8e-4a57-9a0c-4dd8e3f1c004'
UNKNOWN = '00000000-0000-4000-8000-000000000000'

MEMBER = 'joe:demo'
READER = 'rita:demo:reader'
ADMIN = 'admin:admin'
STRANGER = 'eve:other'
SERVICE = 'proxy:service:service'


def inventory() -> dict[str, Any]:
    """Return an inventory with the servers of the constants above.

    ``BARE`` has no consoles, and ``OTHERS`` belongs to another project.
    """

    def server(server_id: str, number: int, **more: Any) -> dict[str, Any]:
        return {
            'id': server_id,
            'project_id': 'demo',
            'name': f'web-{number}',
            'instance_name': f'instance-0000000{number}',
            'host': 'compute-1',
            **more,
        }

    consoles = {
        'native': {'console_type': 'vnc', 'host': '192.0.2.10', 'port': 5999},
        'consoles': [
            {'type': 'novnc', 'host': '192.0.2.10', 'port': 5901},
            {
                'type': 'spice-direct',
                'host': '192.0.2.10',
                'port': 5902,
                'tls_port': 5903,
            },
            {
                'type': 'rdp-html5',
                'host': '192.0.2.11',
                'port': 3389,
                'internal_access_path': 'a-path',
            },
            {'type': 'serial', 'host': '192.0.2.10', 'port': 10000},
        ],
    }
    return {
        'servers': [
            server(SERVER, 1, **consoles),
            server(STOPPED, 2, status='SHUTOFF', **consoles),
            server(BARE, 3),
            server(OTHERS, 4, **consoles, project_id='other'),
        ]
    }


def authentication(password: str, **values: Any) -> dict[str, Any]:
    """Return the body of a gateway's log-in request with a password.

    :param values: other members: ``port`` or ``user_name``, for example
    """
    # A new one each time: the API accepts none twice.
    challenge = secrets.token_bytes(rfb.CHALLENGE)
    return {
        'authentication': {
            'challenge': challenge.hex(),
            'response': rfb.response(challenge, password).hex(),
            **values,
        }
    }


def _sections(options: Mapping[str, Mapping[str, Any]]) -> str:
    """The text of a configuration file."""
    return '\n'.join(
        f'[{group}]\n'
        + ''.join(f'{name} = {value}\n' for name, value in it.items())
        for group, it in options.items()
    )


class Configuration(fixtures.Fixture):
    """A configuration with its own files, and a database with the schema.

    :param options: group -> option -> value, in addition to the defaults of
        tests
    """

    #: Whether an API lists recordings.
    RECORDINGS = False

    def __init__(self, **options: dict[str, Any]) -> None:
        self._options = options

    def _setUp(self) -> None:
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.inventory = self.folder / 'servers.yaml'
        self.policy = self.folder / 'policy.yaml'
        self.key_file = self.folder / 'console-keys'
        self.write_inventory(inventory())
        vault.create_key_file(self.key_file)
        options: dict[str, dict[str, Any]] = {
            'DEFAULT': {'state_path': self.folder},
            'api': {
                'auth_strategy': 'noauth2',
                'recordings': self.RECORDINGS,
            },
            'static': {'inventory': self.inventory},
            'oslo_policy': {'policy_file': self.policy},
        }
        for group, values in self._options.items():
            options.setdefault(group, {}).update(values)
        self.file = self.folder / 'console-svc.conf'
        self.file.write_text(_sections(options))
        self.conf = configuration.load(files=[str(self.file)])
        recording_keys = pathlib.Path(self.conf.recording.key_file)
        if self.conf.api.recordings and not recording_keys.exists():
            vault.create_key_file(recording_keys)
        self.database = Database(self.conf)
        self.addCleanup(self.database.dispose)
        migration.sync(self.database)
        if self.database.engine.dialect.name == 'sqlite':
            self._limit_lengths()

    def _limit_lengths(self) -> None:
        """Refuse values that do not fit, as the other engines do.

        SQLite ignores the length of VARCHAR.
        """
        with self.database.engine.begin() as connection:
            for table in tables.metadata.tables.values():
                too_long = ' OR '.join(
                    f'length(NEW.{column.name}) > {column.type.length}'
                    for column in table.columns
                    if isinstance(column.type, sa.String)
                )
                for event in ('INSERT', 'UPDATE'):
                    connection.exec_driver_sql(
                        'CREATE TRIGGER IF NOT EXISTS '
                        f'{table.name}_{event} '
                        f'BEFORE {event} ON {table.name} WHEN {too_long} '
                        "BEGIN SELECT RAISE(ABORT, 'Data too long'); END"
                    )

    def add(self, **options: dict[str, Any]) -> None:
        """Add options to the file, for programs that start later."""
        with self.file.open('a') as lines:
            lines.write(_sections(options))

    def write_inventory(self, document: dict[str, Any]) -> None:
        """Replace the inventory file atomically."""
        new = self.inventory.with_suffix('.new')
        new.write_text(yaml.safe_dump(document))
        new.replace(self.inventory)


class Api(Configuration):
    """The whole WSGI application with such a configuration."""

    RECORDINGS = True

    def _setUp(self) -> None:
        super()._setUp()
        self.app = app.build(self.conf)

    def request(
        self,
        method: str,
        path: str,
        token: str | None = MEMBER,
        version: str | None = None,
        body: bytes | str | None = None,
        **headers: str,
    ) -> webob.Response:
        """Send a request to the API.

        :param token: the token for noauth2; None: no token is sent
        :param version: the microversion
        :param headers: other headers, with _ instead of -
        """
        request = webob.Request.blank(path, method=method)
        if token is not None:
            request.headers['X-Auth-Token'] = token
        if version is not None:
            request.headers['OpenStack-API-Version'] = f'compute {version}'
        for name, value in headers.items():
            request.headers[name.replace('_', '-')] = value
        if body is not None:
            request.body = body.encode() if isinstance(body, str) else body
        return request.get_response(self.app)

    def issue(self, console_type: str, server_id: str = SERVER) -> str:
        """Issue a console token through the API."""
        protocol = {
            'novnc': 'vnc',
            'spice-direct': 'spice',
            'rdp-html5': 'rdp',
            'serial': 'serial',
        }[console_type]
        wanted = {'protocol': protocol, 'type': console_type}
        answer = self.request(
            'POST',
            f'/v2.1/servers/{server_id}/remote-consoles',
            version='2.99',
            body=json.dumps({'remote_console': wanted}),
        )
        assert answer.status_int == 200, answer.body
        return answer.json['remote_console']['url'].rpartition('token')[2][
            1 if console_type != 'novnc' else 3 :
        ]
