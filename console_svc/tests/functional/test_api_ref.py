# SPDX-License-Identifier: Apache-2.0

"""The api-ref says what the code does, and its samples are real answers."""

import json
import os
import pathlib
import re
from typing import Any

import testtools
import webob
import yaml

from console_svc.api.controllers import base, root, servers
from console_svc.api.controllers.console_auth_tokens import (
    ConsoleAuthTokenController,
)
from console_svc.api.controllers.console_sessions import (
    ConsoleSessionController,
)
from console_svc.api.controllers.consoles import ConsoleController
from console_svc.api.controllers.token_sessions import (
    TokenSessionController,
    TokenSessionsController,
)
from console_svc.tests import fixtures

ROOT = pathlib.Path(__file__).parents[3]
SAMPLES = ROOT / 'doc/api_samples'
SOURCE = ROOT / 'api-ref/source'

SERVER = f'/v2.1/servers/{fixtures.SERVER}'
TOKENS = '/v2.1/os-console-auth-tokens'

#: The URL tree: path -> controller.
TREE: dict[str, type[base.Resource]] = {
    '/': root.RootController,
    '/v2.1': root.VersionController,
    '/os-console-auth-tokens/{console_token}': ConsoleAuthTokenController,
    '/os-console-auth-tokens/{console_token}/sessions': (
        TokenSessionsController
    ),
    '/os-console-auth-tokens/{console_token}/sessions/{session_id}': (
        TokenSessionController
    ),
    '/servers/{server_id}/consoles/{console_id}': ConsoleController,
    '/servers/{server_id}/console-sessions/{session_id}': (
        ConsoleSessionController
    ),
} | {
    f'/servers/{{server_id}}/{name}': controller
    for name, controller in {**servers.CHILDREN, **servers.EXTENSIONS}.items()
}

#: What differs from one answer to the next.
_RANDOM = {
    'password': 'Yx4cB8eJ',
    'created_at': 1795521600,
}
_SESSION_ID = '9e1b4ad1-6e4b-4a8c-9f1d-3f8c2f0b6d77'
_TOKEN = 'oV8rRZ0mQ2nYwTt3b1aXcFh5kLs7uEiJpD9gGqNvMxw'


def _controllers(of: type[Any]) -> set[type[Any]]:
    found = set()
    for child in of.__subclasses__():
        found |= _controllers(child) | {child}
    return found


class RoutesTest(testtools.TestCase):
    def test_every_route_is_documented_and_no_other(self) -> None:
        documented = set()
        for path in SOURCE.glob('*.inc'):
            documented |= set(
                re.findall(r'rest_method:: (\w+) (\S+)', path.read_text())
            )
        served = {
            (method, path)
            for path, controller in TREE.items()
            for method in controller.index._pecan['allowed_methods']
        }
        self.assertEqual(served, documented)

    def test_every_controller_is_in_the_tree(self) -> None:
        resources = {
            controller
            for controller in _controllers(base.Resource)
            if controller.index is not None
        }
        self.assertEqual(resources, set(TREE.values()))

    def test_every_parameter_is_used_and_defined(self) -> None:
        defined = set(yaml.safe_load((SOURCE / 'parameters.yaml').read_text()))
        used = set()
        for path in SOURCE.glob('*.inc'):
            used |= set(
                re.findall(r'^   - \S+: (\w+)$', path.read_text(), re.M)
            )
        used -= {
            word
            for status in yaml.safe_load(
                (SOURCE / 'status.yaml').read_text()
            ).values()
            for word in status
        }
        self.assertEqual(defined, used)


class SamplesTest(testtools.TestCase):
    """UPDATE_SAMPLES=1 writes the files instead of reading them."""

    def setUp(self) -> None:
        super().setUp()
        self.api = self.useFixture(fixtures.Api())

    def check(self, name: str, answer: webob.Response) -> None:
        """The answer is the sample, but for what is random."""
        got = _settled(answer.json)
        path = SAMPLES / name
        if os.environ.get('UPDATE_SAMPLES'):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f'{json.dumps(got, indent=4)}\n')
        self.assertEqual(json.loads(path.read_text()), got)
        self._documented(name, got)

    def _documented(self, name: str, document: Any) -> None:
        """The section that shows the sample names just its members."""
        (text,) = (
            text
            for path in SOURCE.glob('*.inc')
            if f'/{name}' in (text := path.read_text())
        )
        before = text[: text.index(f'/{name}')]
        table = before.rpartition('rest_parameters:: parameters.yaml')[2]
        names = set(re.findall(r'^   - (\S+):', table, re.M))
        members = set(_members(document)) - {'rel', 'href', 'base', 'type'}
        # tls_port is spice-direct's alone: one table for both samples.
        self.assertEqual(members | (names & {'type', 'tls_port'}), names)

    def request_sample(self, name: str) -> str:
        return (SAMPLES / name).read_text()

    def test_versions(self) -> None:
        self.check(
            'versions/versions-get-resp.json', self.api.request('GET', '/')
        )
        self.check(
            'versions/v21-version-get-resp.json',
            self.api.request('GET', '/v2.1'),
        )

    def test_consoles(self) -> None:
        self.api.request('POST', f'{SERVER}/consoles')
        self.check(
            'consoles/consoles-list-get-resp.json',
            self.api.request('GET', f'{SERVER}/consoles'),
        )
        self.check(
            'consoles/consoles-get-resp.json',
            self.api.request('GET', f'{SERVER}/consoles/1'),
        )

    def test_remote_consoles(self) -> None:
        self.check(
            'os-remote-consoles/create-vnc-console-resp.json',
            self.api.request(
                'POST',
                f'{SERVER}/remote-consoles',
                version='2.6',
                body=self.request_sample(
                    'os-remote-consoles/create-vnc-console-req.json'
                ),
            ),
        )

    def test_action(self) -> None:
        self.check(
            'servers/get-vnc-console-post-resp.json',
            self.api.request(
                'POST',
                f'{SERVER}/action',
                body=self.request_sample(
                    'servers/get-vnc-console-post-req.json'
                ),
            ),
        )

    def test_look_up(self) -> None:
        folder = 'os-console-auth-tokens'
        name = 'get-console-connect-info-get-resp.json'
        for console_type, version, sample in (
            ('novnc', '2.31', f'{folder}/{name}'),
            ('spice-direct', '2.99', f'{folder}/v2.99/{name}'),
        ):
            token = self.api.issue(console_type)
            self.check(
                sample,
                self.api.request(
                    'GET',
                    f'{TOKENS}/{token}',
                    token=fixtures.SERVICE,
                    version=version,
                ),
            )

    def test_sessions(self) -> None:
        sessions = f'{TOKENS}/{self.api.issue("novnc")}/sessions'
        opened = self.api.request(
            'POST',
            sessions,
            token=fixtures.SERVICE,
            body=self.request_sample(
                'console-sessions/session-create-req.json'
            ),
        )
        self.check('console-sessions/session-create-resp.json', opened)
        self.check(
            'console-sessions/session-keep-resp.json',
            self.api.request(
                'PUT',
                f'{sessions}/{opened.json["session"]["id"]}',
                token=fixtures.SERVICE,
            ),
        )
        self.check(
            'console-sessions/sessions-list-resp.json',
            self.api.request('GET', f'{SERVER}/console-sessions'),
        )


def _members(document: Any) -> list[str]:
    if isinstance(document, dict):
        return [
            name
            for key, value in document.items()
            for name in (key, *_members(value))
        ]
    if isinstance(document, list):
        return [name for item in document for name in _members(item)]
    return []


def _settled(document: Any) -> Any:
    """An answer with what is random in it replaced."""
    if isinstance(document, dict):
        return {
            key: _RANDOM[key] if key in _RANDOM else _settled(value)
            for key, value in document.items()
        }
    if isinstance(document, list):
        return [_settled(item) for item in document]
    if isinstance(document, str):
        text = re.sub(
            r'(token(?:=|%3D))[\w-]{43}', rf'\g<1>{_TOKEN}', document
        )
        if re.fullmatch(r'[0-9a-f-]{36}', text) and text != fixtures.SERVER:
            return _SESSION_ID
        return text
    return document
