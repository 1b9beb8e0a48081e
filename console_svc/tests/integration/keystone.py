# SPDX-License-Identifier: Apache-2.0

"""A real keystone: SQLite, fernet tokens, uWSGI."""

import functools
import pathlib
import signal
import subprocess
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from typing import Any

import fixtures
import requests
from keystoneauth1.identity import v3
from keystoneauth1.session import Session

from console_svc.tests.programs import process

#: The password of every user. Distinctive, so that logs can be searched.
PASSWORD = 'keystones-users-have-this-one'

_CONFIGURATION = """\
[DEFAULT]
log_file = {folder}/keystone.log
# A line for each request.
default_log_levels = keystone.server.flask.request_processing.req_logging=DEBUG
[database]
connection = {database}
[fernet_tokens]
key_repository = {folder}/fernet
[credential]
key_repository = {folder}/credential
[identity]
# The fewest that bcrypt takes: each log-in checks a password.
password_hash_rounds = 4
[token]
expiration = 3600
[cache]
# Without it, a validation takes 0.2 to 0.5 s of CPU time.
enabled = true
backend = dogpile.cache.memory
"""


class Keystone(fixtures.Fixture):
    """Keystone with projects demo and other, and a user for each role.

    ``expiring_url`` is a second process of the same keystone, whose tokens
    expire after two seconds.
    """

    def _setUp(self) -> None:
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.file = self.folder / 'keystone.conf'
        self.file.write_text(
            _CONFIGURATION.format(folder=self.folder, database=self.database())
        )
        short = self.folder / 'short.conf'
        short.write_text('[token]\nexpiration = 2\n')
        self._port = process.free_port()
        self.url = f'http://127.0.0.1:{self._port}/v3'
        root = ('--keystone-user', 'root', '--keystone-group', 'root')
        with futures.ThreadPoolExecutor() as pool:
            for done in (
                pool.submit(self._manage, 'db_sync'),
                pool.submit(self._manage, 'fernet_setup', *root),
                pool.submit(self._manage, 'credential_setup', *root),
            ):
                done.result()
        self._manage(
            'bootstrap',
            *('--bootstrap-password', PASSWORD),
            *('--bootstrap-region-id', 'RegionOne'),
            *('--bootstrap-public-url', self.url),
            *('--bootstrap-internal-url', self.url),
            *('--bootstrap-admin-url', self.url),
        )
        self.server = self._serve(self._port, str(self.file))
        port = process.free_port()
        expiring = self._serve(port, f'{self.file};{short}')
        self.expiring_url = f'http://127.0.0.1:{port}/v3'
        self.wait_until_it_answers(self.server)
        self._populate()
        self.wait_until_it_answers(expiring, port)

    def database(self) -> str:
        """Return the URL of its empty database."""
        return f'sqlite:///{self.folder}/keystone.sqlite'

    def _manage(self, *arguments: str) -> None:
        subprocess.run(
            [
                process.program('keystone-manage'),
                '--config-file',
                self.file,
                *arguments,
            ],
            check=True,
            capture_output=True,
        )

    def _serve(self, port: int, files: str) -> process.Program:
        return self.useFixture(
            process.Program(
                [
                    'uwsgi',
                    *('--http-socket', f'127.0.0.1:{port}'),
                    *('--module', 'keystone.wsgi.api:application'),
                    *('--master', '--die-on-term', '--need-app'),
                    *('--processes', '1', '--threads', '2'),
                    *('--buffer-size', '65535', '--disable-logging'),
                    *('--post-buffering', '8192'),
                    *('--add-header', 'Connection: close'),
                ],
                self.folder / f'uwsgi-{port}.log',
                {'OS_KEYSTONE_CONFIG_FILES': files},
            )
        )

    def wait_until_it_answers(
        self, server: process.Program, port: int | None = None
    ) -> None:
        """Wait until a process of keystone answers.

        It accepts connections before it has loaded keystone, which may take
        longer than the time-out of a client.
        """
        url = f'http://127.0.0.1:{port or self._port}/v3'

        def answers() -> bool:
            try:
                requests.get(url, timeout=process.PATIENCE)
            except requests.ConnectionError:
                return False
            return True

        server.wait_for(answers, 'keystone')

    @contextmanager
    def away(self) -> Iterator[None]:
        """Stop keystone for the duration of the context."""
        self.server.stop()
        try:
            yield
        finally:
            self.server.start()
            self.wait_until_it_answers(self.server)

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Suspend keystone: it accepts connections, but does not answer."""
        self.server.signal_all(signal.SIGSTOP)
        try:
            yield
        finally:
            self.server.signal_all(signal.SIGCONT)

    def _populate(self) -> None:
        self.projects = {}
        for name in ('demo', 'other', 'service'):
            answer = self.api(
                'POST', '/projects', json={'project': {'name': name}}
            )
            self.projects[name] = answer['project']['id']
        roles = {
            role['name']: role['id']
            for role in self.api('GET', '/roles')['roles']
        }
        for user, project, role in (
            ('member', 'demo', 'member'),
            ('reader', 'demo', 'reader'),
            ('stranger', 'other', 'member'),
            ('proxy', 'service', 'service'),
            ('console-svc', 'service', 'service'),
        ):
            answer = self.api(
                'POST',
                '/users',
                json={'user': {'name': user, 'password': PASSWORD}},
            )
            self.api(
                'PUT',
                f'/projects/{self.projects[project]}/users/'
                f'{answer["user"]["id"]}/roles/{roles[role]}',
            )

        admin = self._admin.get_user_id()
        self.api(
            'PUT', f'/domains/default/users/{admin}/roles/{roles["admin"]}'
        )

    def session(
        self, user: str = 'admin', project: str = 'admin', url: str = ''
    ) -> Session:
        """Return a session of a user, scoped to a project."""
        return Session(
            v3.Password(
                auth_url=url or self.url,
                username=user,
                password=PASSWORD,
                project_name=project,
                user_domain_id='default',
                project_domain_id='default',
            )
        )

    @functools.cached_property
    def _admin(self) -> Session:
        return self.session()

    def api(self, method: str, path: str, **arguments: Any) -> Any:
        """Call keystone's API as administrator."""
        answer = self._admin.request(f'{self.url}{path}', method, **arguments)
        return answer.json() if answer.content else None

    def token(self, user: str = 'admin', project: str = 'admin') -> str:
        """Return a new token."""
        token = self.session(user, project).get_token()
        assert token is not None
        return token

    def scoped_token(self, user: str = 'admin', **scope: Any) -> str:
        """Return a token without a project.

        :param scope: system_scope or domain_id; neither: it is unscoped
        """
        token = Session(
            v3.Password(
                auth_url=self.url,
                username=user,
                password=PASSWORD,
                user_domain_id='default',
                **(scope or {'unscoped': True}),
            )
        ).get_token()
        assert token is not None
        return token

    def restricted_token(self, *rules: tuple[str, str]) -> str:
        """Return a token of an application credential of user member.

        :param rules: methods and paths of the compute service; a compute
            service must be registered
        """
        session = self.session('member', 'demo')
        answer = session.post(
            f'{self.url}/users/{session.get_user_id()}'
            '/application_credentials',
            json={
                'application_credential': {
                    'name': str(rules),
                    'access_rules': [
                        {'service': 'compute', 'method': method, 'path': path}
                        for method, path in rules
                    ],
                }
            },
        )
        return self.application_token(answer.json()['application_credential'])

    def add_compute(self, url: str) -> Callable[[], None]:
        """Register a compute service; return a function that removes it."""
        service = self.api(
            'POST',
            '/services',
            json={'service': {'type': 'compute', 'name': 'nova'}},
        )['service']['id']
        endpoint = {
            'service_id': service,
            'interface': 'public',
            'region_id': 'RegionOne',
            'url': f'{url}/v2.1',
        }
        self.api('POST', '/endpoints', json={'endpoint': endpoint})
        return functools.partial(self.api, 'DELETE', f'/services/{service}')

    def application_token(self, credential: dict[str, Any]) -> str:
        """Return a token for an application credential."""
        token = Session(
            v3.ApplicationCredential(
                auth_url=self.url,
                application_credential_id=credential['id'],
                application_credential_secret=credential['secret'],
            )
        ).get_token()
        assert token is not None
        return token

    def expired_token(self, user: str, project: str) -> str:
        """Return a token that has just expired."""
        token = self.session(user, project, self.expiring_url).get_token()
        assert token is not None
        headers = {'X-Subject-Token': token}

        def expired() -> bool:
            answer = self._admin.get(
                f'{self.url}/auth/tokens', headers=headers, raise_exc=False
            )
            return answer.status_code == 404

        process.wait_for(expired, 'a token to expire')
        return token

    def revoked_token(self, user: str, project: str) -> str:
        """Return a token that has been revoked."""
        token = self.token(user, project)
        self.api('DELETE', '/auth/tokens', headers={'X-Subject-Token': token})
        return token
