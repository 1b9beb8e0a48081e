# SPDX-License-Identifier: Apache-2.0

"""The samples of the api-ref are real responses."""

import json
import os
import re
from collections.abc import Iterator
from typing import Any

import testtools
import webob

from console_svc.tests import fixtures
from console_svc.tests.functional import api_ref
from console_svc.tests.functional.api_ref import SERVER, TOKENS, ReadyApi

#: As in the sample of the request.
PROXY = '1d8f3c52-7a90-4e6b-8c14-5f2e9b7a3d60'


class SamplesTest(testtools.TestCase):
    """UPDATE_SAMPLES=1 rewrites the samples of responses first."""

    def test_every_sample_is_in_the_api_ref(self) -> None:
        shown = {
            name
            for operation in api_ref.read()
            for message in (operation.request, operation.response)
            for name in message.samples
        }
        there = {
            str(path.relative_to(api_ref.SAMPLES))
            for path in api_ref.SAMPLES.rglob('*.json')
        }
        self.assertEqual(shown, there)

    def test_samples_are_real_responses(self) -> None:
        answered = dict(answers(self.useFixture(ReadyApi())))
        self.assertEqual(
            {
                name
                for operation in api_ref.read()
                for name in operation.response.samples
            },
            set(answered),
        )
        for name, answer in answered.items():
            self.assertEqual(2, answer.status_int // 100, name)
            got = _settled(answer.json)
            path = api_ref.SAMPLES / name
            if os.environ.get('UPDATE_SAMPLES'):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(f'{json.dumps(got, indent=4)}\n')
            self.assertEqual(api_ref.document(name), got, name)


def answers(api: ReadyApi) -> Iterator[tuple[str, webob.Response]]:
    """The name of each sample, and the response that it shows."""
    yield 'versions/versions-get-resp.json', api.request('GET', '/')
    yield 'versions/v21-version-get-resp.json', api.request('GET', '/v2.1')
    named = '?name=web-1&limit=1'
    yield (
        'servers/servers-list-resp.json',
        api.request('GET', f'/v2.1/servers{named}'),
    )
    for version, folder in (('2.1', ''), ('2.100', 'v2.100/')):
        yield (
            f'servers/{folder}servers-details-resp.json',
            api.request(
                'GET', f'/v2.1/servers/detail{named}', version=version
            ),
        )
        yield (
            f'servers/{folder}server-get-resp.json',
            api.request('GET', SERVER, version=version),
        )
    consoles = f'{SERVER}/consoles'
    yield (
        'consoles/consoles-list-get-resp.json',
        api.request('GET', consoles),
    )
    yield (
        'consoles/consoles-get-resp.json',
        api.request('GET', f'{consoles}/1'),
    )
    for version, path, sample in (
        ('2.1', 'action', 'get-vnc-console-post'),
        ('2.1', 'action', 'get-spice-console-post'),
        ('2.1', 'action', 'get-serial-console-post'),
        ('2.1', 'action', 'get-rdp-console-post'),
        ('2.6', 'remote-consoles', 'v2.6/create-vnc-console'),
        ('2.8', 'remote-consoles', 'v2.8/create-mks-console'),
        ('2.99', 'remote-consoles', 'v2.99/create-spice-direct-console'),
    ):
        sample = f'os-remote-consoles/{sample}'
        body = api_ref.sample(f'{sample}-req.json')
        yield (
            f'{sample}-resp.json',
            api.request(
                'POST', f'{SERVER}/{path}', version=version, body=body
            ),
        )
    for version, console_type, folder in (
        ('2.1', 'rdp-html5', ''),
        ('2.31', 'serial', 'v2.31/'),
        ('2.99', 'spice-direct', 'v2.99/'),
    ):
        yield (
            f'os-console-auth-tokens/{folder}'
            'get-console-connect-info-get-resp.json',
            api.request(
                'GET',
                f'{TOKENS}/{api.issue(console_type)}',
                token=fixtures.SERVICE,
                version=version,
            ),
        )
    yield (
        'console-sessions/sessions-list-resp.json',
        api.request('GET', f'{SERVER}/console-sessions'),
    )
    sessions = f'{TOKENS}/{api.ids["console_token"]}/sessions'
    yield (
        'console-sessions/session-create-resp.json',
        api.request(
            'POST',
            sessions,
            token=fixtures.SERVICE,
            body=api_ref.sample('console-sessions/session-create-req.json'),
        ),
    )
    yield (
        'console-sessions/sessions-keep-resp.json',
        api.request(
            'PUT',
            '/v2.1/console-sessions',
            token=fixtures.SERVICE,
            body=json.dumps(
                {
                    'console_sessions': {
                        'proxy_id': PROXY,
                        'ids': [api.ids['session_id']],
                    }
                }
            ),
        ),
    )
    yield (
        'console-auth-tokens/token-create-resp.json',
        api.request(
            'POST',
            f'{SERVER}/console-auth-tokens',
            body=api_ref.sample('console-auth-tokens/token-create-req.json'),
        ),
    )
    yield (
        'console-sessions/session-update-resp.json',
        api.request(
            'PUT',
            f'{SERVER}/console-sessions/{api.ids["session_id"]}',
            body=api_ref.sample('console-sessions/session-update-req.json'),
        ),
    )
    yield (
        'console-sessions/sessions-all-resp.json',
        api.request(
            'GET', '/v2.1/console-sessions?limit=1', token=fixtures.ADMIN
        ),
    )
    (closed, _) = api_ref.document('console-sessions/sessions-close-req.json')[
        'console_sessions'
    ]['closed']
    api.request(
        'PUT',
        '/v2.1/console-sessions',
        token=fixtures.SERVICE,
        body=json.dumps({'console_sessions': {'ids': [], 'closed': [closed]}}),
    )
    yield (
        'console-sessions/sessions-history-resp.json',
        api.request('GET', f'{SERVER}/console-sessions?status=ended'),
    )
    recordings = f'{SERVER}/console-recordings'
    yield (
        'console-recordings/recordings-list-resp.json',
        api.request('GET', recordings, token=fixtures.ADMIN),
    )
    yield (
        'console-recordings/recording-get-resp.json',
        api.request(
            'GET',
            f'{recordings}/{api.ids["recording_id"]}',
            token=fixtures.ADMIN,
        ),
    )
    yield (
        'console-recordings/access-create-resp.json',
        api.request(
            'POST',
            f'{recordings}/{api.ids["recording_id"]}/access',
            token=fixtures.ADMIN,
        ),
    )
    yield (
        'console-recordings/read-create-resp.json',
        api.request(
            'POST',
            '/v2.1/console-recording-reads',
            token=fixtures.SERVICE,
            body=api_ref.sample('console-recordings/read-create-req.json'),
        ),
    )
    yield (
        'console-gateway/authentication-create-resp.json',
        api.request(
            'POST',
            '/v2.1/console-gateway/authentications',
            token=fixtures.SERVICE,
            body=api_ref.sample(
                'console-gateway/authentication-create-req.json'
            ),
        ),
    )


#: Fixed values for fields that differ from one response to the next.
_RANDOM = {
    'created_at': 1795521600,
    'expires_at': 1795521900,
    'ended_at': 1795525200,
    # Its last piece has a digest that compresses differently.
    'size': 677,
}
_SESSION_ID = '9e1b4ad1-6e4b-4a8c-9f1d-3f8c2f0b6d77'
_KNOWN_IDS = {
    fixtures.SERVER,
    api_ref.RECORDING,
    api_ref.document('console-gateway/authentication-create-req.json')[
        'authentication'
    ]['id'],
}
_TOKEN = 'oV8rRZ0mQ2nYwTt3b1aXcFh5kLs7uEiJpD9gGqNvMxw'
_TOKEN_WITH_TERMS = 'kT4xNf0qRb7LzYw2HsVe9mCj5uPa8iDgOq3tXvB6nZcE'


def _settled(document: Any) -> Any:
    """A response body with fixed values in place of random ones."""
    if isinstance(document, dict):
        return {
            key: _RANDOM[key] if key in _RANDOM else _settled(value)
            for key, value in document.items()
        }
    if isinstance(document, list):
        return [_settled(item) for item in document]
    if isinstance(document, str):
        text = re.sub(
            r'(token(?:=|%3D)|^)[\w-]{44}$',
            rf'\g<1>{_TOKEN_WITH_TERMS}',
            document,
        )
        text = re.sub(r'(token(?:=|%3D))[\w-]{43}$', rf'\g<1>{_TOKEN}', text)
        if re.fullmatch(r'[0-9a-f-]{36}', text) and text not in _KNOWN_IDS:
            return _SESSION_ID
        return text
    return document
