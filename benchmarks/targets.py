# SPDX-License-Identifier: Apache-2.0

"""The programs to measure: the service, and lower bounds for it."""

import dataclasses
import functools
import json
import os
import pathlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import console_svc
from benchmarks.load import Request, Server
from console_svc.tests import fixtures
from console_svc.tests.integration.keystone import Keystone
from console_svc.tests.integration.mariadb import MariaDB
from console_svc.tests.integration.service import (
    MODULE,
    Service,
    authtoken,
    uwsgi,
)
from console_svc.tests.programs import process

#: This checkout.
HERE = pathlib.Path(console_svc.__file__).parents[1]

# Seconds; a token must live as long as the benchmark.
_TTL = 86400


@dataclasses.dataclass(frozen=True)
class Target:
    """A request to measure.

    :param server: the program that answers it
    """

    name: str
    server: Server
    request: Request


class DeployedKeystone(Keystone):
    """Keystone with MariaDB, as it is deployed.

    The first requests of all processes come at the same time. With SQLite,
    some fail after five seconds, because the database is locked.
    """

    def database(self) -> str:
        return str(process.shared(MariaDB).database())


class Stage:
    """The services that all targets use.

    :param exits: stops them
    """

    def __init__(self, exits: ExitStack) -> None:
        self._exits = exits
        self.keystone = process.shared(DeployedKeystone)
        self.mariadb = process.shared(MariaDB)
        port = process.free_port()
        memcached = process.Program(
            ['memcached', '-l', '127.0.0.1', '-p', str(port), '-u', 'root'],
            self.keystone.folder / 'memcached.log',
        )
        self.use(memcached)
        memcached.wait_for(lambda: process.listens(port), 'memcached')
        self._memcached = f'127.0.0.1:{port}'
        self._tokens: dict[str, str] = {}
        # Fill keystone's cache with the users of all processes.
        for user in ('proxy', 'console-svc'):
            self.token(user, 'service')

    def use(self, fixture: Any) -> None:
        """Set up a fixture, and clean it up at the end."""
        fixture.setUp()
        self._exits.callback(fixture.cleanUp)

    def token(self, user: str, project: str) -> str:
        """Return a token of a user, the same each time."""
        if user not in self._tokens:
            self._tokens[user] = self.keystone.token(user, project)
        return self._tokens[user]

    def authtoken(self) -> dict[str, Any]:
        """Return [keystone_authtoken] with a cache that processes share."""
        return authtoken(self.keystone, memcached_servers=self._memcached)


class Subject(Service):
    """The service from a checkout.

    :param driver: the driver for MariaDB: mysqldb (mysqlclient), which the
        installation guide has, or pymysql
    :param url_of_database: None: a new database
    :param options: other options: group -> option -> value
    """

    def __init__(
        self,
        stage: Stage,
        checkout: pathlib.Path = HERE,
        driver: str = 'mysqldb',
        consoleauth: Mapping[str, object] | None = None,
        url_of_database: str | None = None,
        **options: Any,
    ) -> None:
        self.url_of_database = url_of_database or stage.mariadb.database()
        self._stage = stage

        def server(port: int, file: pathlib.Path) -> list[str]:
            # The checkout takes precedence over the installed package.
            return [
                *uwsgi(port, file),
                *('--pythonpath', str(checkout)),
            ]

        super().__init__(
            server,
            projects=stage.keystone.projects,
            api={'auth_strategy': 'keystone'},
            database={
                'connection': self.url_of_database.replace('pymysql', driver)
            },
            consoleauth={'token_ttl': _TTL, **(consoleauth or {})},
            keystone_authtoken=stage.authtoken(),
            **options,
        )

    @property
    def server(self) -> Server:
        """The processes of the service."""
        return Server(self.process.pid)

    def lookup(self, token: str) -> Request:
        """Return the request with which a proxy looks up a console token."""
        return Request(
            f'{self.url}/v2.1/os-console-auth-tokens/{token}',
            self._headers('proxy', 'service', '2.31'),
        )

    def requests(self) -> Mapping[str, Request]:
        """Return the requests of the table by name."""
        consoles = f'/v2.1/servers/{fixtures.SERVER}/consoles'
        keystone_token = self._stage.token('member', 'demo')
        self.request('POST', consoles, keystone_token)
        listed = self.request('GET', consoles, keystone_token).json()
        number = listed['consoles'][0]['console']['id']
        headers = self._headers('member', 'demo', '2.31')
        return {
            'token look-up': self.lookup(self.issue()),
            'console show': Request(f'{self.url}{consoles}/{number}', headers),
            'console list': Request(f'{self.url}{consoles}', headers),
            'token issue': Request(
                f'{self.url}/v2.1/servers/{fixtures.SERVER}/remote-consoles',
                {**headers, 'Content-Type': 'application/json'},
                'POST',
                json.dumps(
                    {'remote_console': {'protocol': 'vnc', 'type': 'novnc'}}
                ),
            ),
        }

    def _headers(
        self, user: str, project: str, version: str
    ) -> dict[str, str]:
        return {
            'X-Auth-Token': self._stage.token(user, project),
            'OpenStack-API-Version': f'compute {version}',
        }


def floors(stage: Stage, subject: Subject) -> Iterator[Target]:
    """Start the lower bounds: a SELECT alone, and Pecan alone."""
    token = subject.issue()
    for name in ('plain', 'pecan'):
        port = process.free_port()
        command = uwsgi(
            port,
            subject.folder / f'{name}.conf',
            {
                MODULE: 'benchmarks.floors:application',
                # All threads of a process would share one connection.
                'threads = 4': 'threads = 1',
            },
        )
        program = process.Program(
            [*command, '--pythonpath', str(HERE)],
            subject.folder / f'{name}.log',
            {'FLOOR': name, 'FLOOR_DATABASE': subject.url_of_database},
        )
        stage.use(program)
        program.wait_for(functools.partial(process.listens, port), name)
        yield Target(
            {'plain': 'floor: WSGI + PyMySQL', 'pecan': 'floor: Pecan'}[name],
            Server(program.pid),
            Request(
                f'http://127.0.0.1:{port}/v2.1/os-console-auth-tokens/{token}'
            ),
        )


@contextmanager
def stage() -> Iterator[Stage]:
    """Start keystone, MariaDB and memcached for the context."""
    with ExitStack() as exits:
        os.environ.pop('OS_CONSOLE_SVC_CONFIG_FILES', None)
        yield Stage(exits)
