# SPDX-License-Identifier: Apache-2.0

"""Every rule for every persona, over HTTP."""

import json
from typing import Any

import testtools

from console_svc import policies
from console_svc.api import app
from console_svc.policies import recordings as recording_policies
from console_svc.tests import fixtures, recordings

PERSONAS = {
    'admin': 'admin:admin',
    'member': 'joe:demo:member',
    'manager': 'mia:demo:manager,member,reader',
    'reader': 'rita:demo:reader',
    'member and reader': 'joe:demo',
    'no role': 'nina:demo:',
    'service': 'proxy:service:service',
    'admin of another project': 'root:other:admin',
    'member of another project': 'eve:other:member',
    'reader of another project': 'ron:other:reader',
    'no role in another project': 'nils:other:',
    'service in the project': 'proxy:demo:service',
    'no token': None,
}

_OUTSIDERS = {
    'service': 404,
    'member of another project': 404,
    'reader of another project': 404,
    'no role in another project': 404,
    'no token': 401,
}


def _everybody(**statuses: int) -> dict[str, int]:
    return {
        'admin': statuses['success'],
        'admin of another project': statuses['success'],
        'member': statuses['member'],
        'member and reader': statuses['member'],
        'manager': statuses['member'],
        'reader': statuses['reader'],
        'no role': 403,
        'service in the project': 403,
        **_OUTSIDERS,
    }


def _services(success: int) -> dict[str, int]:
    return {
        **dict.fromkeys(PERSONAS, 403),
        'admin': success,
        'admin of another project': success,
        'service': success,
        'service in the project': success,
        'no token': 401,
    }


def _listing() -> dict[str, int]:
    """Every caller who has a role lists the servers of its own project."""
    return {
        **dict.fromkeys(PERSONAS, 200),
        'no role': 403,
        'no role in another project': 403,
        'service': 403,
        'service in the project': 403,
        'no token': 401,
    }


def _admins() -> dict[str, int]:
    return {
        **dict.fromkeys(PERSONAS, 403),
        'admin': 200,
        'admin of another project': 200,
        'no token': 401,
    }


def _managers(success: int) -> dict[str, int]:
    return {
        **_everybody(success=success, member=403, reader=403),
        'manager': success,
    }


#: Rule -> persona -> the status of the requests that the rule guards.
EXPECTED = {
    'os_compute_api:servers:index': _listing(),
    'os_compute_api:servers:detail': _listing(),
    'os_compute_api:servers:index:get_all_tenants': _admins(),
    'os_compute_api:servers:detail:get_all_tenants': _admins(),
    # Users may send the other filters, too: they are ignored.
    'os_compute_api:servers:allow_all_filters': _listing(),
    'os_compute_api:servers:show': _everybody(
        success=200, member=200, reader=200
    ),
    'os_compute_api:os-consoles:index': _everybody(
        success=200, member=200, reader=200
    ),
    'os_compute_api:os-consoles:create': _everybody(
        success=200, member=200, reader=403
    ),
    'os_compute_api:os-consoles:show': _everybody(
        success=200, member=200, reader=403
    ),
    'os_compute_api:os-consoles:delete': _everybody(
        success=202, member=202, reader=403
    ),
    'os_compute_api:os-remote-consoles': _everybody(
        success=200, member=200, reader=403
    ),
    'os_compute_api:os-console-auth-tokens': _services(200),
    'console_svc:sessions:create': _services(201),
    'console_svc:sessions:update': _services(200),
    'console_svc:sessions:index': _everybody(
        success=200, member=200, reader=200
    ),
    'console_svc:sessions:index:all': _admins(),
    'console_svc:sessions:delete': _everybody(
        success=204, member=204, reader=403
    ),
    'console_svc:sessions:set-mode': _everybody(
        success=200, member=200, reader=403
    ),
    'console_svc:console-auth-tokens:delete': _everybody(
        success=204, member=204, reader=403
    ),
    'console_svc:console-auth-tokens:create-view': _everybody(
        success=201, member=201, reader=201
    ),
    'console_svc:console-auth-tokens:create-control': _everybody(
        success=201, member=201, reader=403
    ),
    'console_svc:console-gateway:authenticate': _services(201),
    'console_svc:console-recordings:index': _managers(200),
    'console_svc:console-recordings:read': _managers(200),
    'console_svc:console-recordings:delete': _managers(204),
    'console_svc:console-recording-reads:create': _services(201),
}

TOKENS = '/v2.1/os-console-auth-tokens'
SERVER = f'/v2.1/servers/{fixtures.SERVER}'
RECORDINGS = f'{SERVER}/console-recordings'
REMOTE_CONSOLE = {'remote_console': {'protocol': 'vnc', 'type': 'novnc'}}


class PolicyTest(testtools.TestCase):
    """Sends the requests that a rule guards, as each persona."""

    def setUp(self) -> None:
        super().setUp()
        self.api = self.useFixture(fixtures.Api(consoles={'mode': 'gateway'}))

    def _console(self) -> str:
        """The path of an open console."""
        consoles = f'{SERVER}/consoles'
        self.api.request('POST', consoles)
        (console,) = self.api.request('GET', consoles).json['consoles']
        return f'{consoles}/{console["console"]["id"]}'

    def _authentication(self) -> str:
        """The body of a log-in to an open console."""
        console = self.api.request('GET', self._console()).json['console']
        return json.dumps(
            fixtures.authentication(
                console['password'], user_name=fixtures.SERVER
            )
        )

    def _session(self) -> str:
        """The id of an open session."""
        answer = self.api.request(
            'POST',
            f'{TOKENS}/{self.api.issue("novnc")}/sessions',
            token=fixtures.SERVICE,
        )
        session_id: str = answer.json['session']['id']
        return session_id

    def _recording(self) -> str:
        """The path of a new recording."""
        return f'{RECORDINGS}/{recordings.add(self.api)}'

    def _access(self) -> str:
        """A request for the recording of a new access."""
        answer = self.api.request(
            'POST', f'{self._recording()}/access', token=fixtures.ADMIN
        )
        token = answer.json['access']['url'].partition('#token=')[2]
        return json.dumps({'console_recording_read': {'token': token}})

    def _issue(self, **terms: str) -> dict[str, Any]:
        """A request for a token with terms."""
        wanted = {'type': 'novnc', **terms}
        return {
            'method': 'POST',
            'path': f'{SERVER}/console-auth-tokens',
            'body': json.dumps({'console_auth_token': wanted}),
        }

    def _requests(self, rule: str) -> list[dict[str, Any]]:
        """The requests that the rule guards, as arguments of Api.request."""
        action = {'os-getVNCConsole': {'type': 'novnc'}}
        return {
            'os_compute_api:servers:index': lambda: [
                {'method': 'GET', 'path': '/v2.1/servers'}
            ],
            'os_compute_api:servers:detail': lambda: [
                {'method': 'GET', 'path': '/v2.1/servers/detail'}
            ],
            'os_compute_api:servers:index:get_all_tenants': lambda: [
                {'method': 'GET', 'path': '/v2.1/servers?all_tenants=1'}
            ],
            'os_compute_api:servers:detail:get_all_tenants': lambda: [
                {'method': 'GET', 'path': '/v2.1/servers/detail?all_tenants='}
            ],
            'os_compute_api:servers:allow_all_filters': lambda: [
                {'method': 'GET', 'path': '/v2.1/servers?host=compute-1'},
                {
                    'method': 'GET',
                    'path': '/v2.1/servers/detail?host=compute-1',
                },
            ],
            'os_compute_api:servers:show': lambda: [
                {'method': 'GET', 'path': SERVER}
            ],
            'os_compute_api:os-consoles:index': lambda: [
                {'method': 'GET', 'path': f'{SERVER}/consoles'}
            ],
            'os_compute_api:os-consoles:create': lambda: [
                {'method': 'POST', 'path': f'{SERVER}/consoles'}
            ],
            'os_compute_api:os-consoles:show': lambda: [
                {'method': 'GET', 'path': self._console()},
                {'method': 'HEAD', 'path': self._console()},
            ],
            'os_compute_api:os-consoles:delete': lambda: [
                {'method': 'DELETE', 'path': self._console()}
            ],
            'os_compute_api:os-remote-consoles': lambda: [
                {
                    'method': 'POST',
                    'path': f'{SERVER}/remote-consoles',
                    'version': '2.6',
                    'body': json.dumps(REMOTE_CONSOLE),
                },
                {
                    'method': 'POST',
                    'path': f'{SERVER}/action',
                    'body': json.dumps(action),
                },
            ],
            'os_compute_api:os-console-auth-tokens': lambda: [
                {
                    'method': 'GET',
                    'path': '/v2.1/os-console-auth-tokens/'
                    + self.api.issue('novnc'),
                    'version': '2.31',
                }
            ],
            'console_svc:sessions:create': lambda: [
                {
                    'method': 'POST',
                    'path': f'{TOKENS}/{self.api.issue("novnc")}/sessions',
                }
            ],
            'console_svc:sessions:update': lambda: [
                {
                    'method': 'PUT',
                    'path': '/v2.1/console-sessions',
                    'body': json.dumps(
                        {'console_sessions': {'ids': [self._session()]}}
                    ),
                }
            ],
            'console_svc:sessions:index': lambda: [
                {'method': 'GET', 'path': f'{SERVER}/console-sessions'},
                {
                    'method': 'GET',
                    'path': f'{SERVER}/console-sessions?status=ended',
                },
            ],
            'console_svc:sessions:index:all': lambda: [
                {'method': 'GET', 'path': '/v2.1/console-sessions'},
                {
                    'method': 'GET',
                    'path': '/v2.1/console-sessions?status=ended',
                },
            ],
            'console_svc:sessions:delete': lambda: [
                {
                    'method': 'DELETE',
                    'path': f'{SERVER}/console-sessions/{self._session()}',
                }
            ],
            'console_svc:sessions:set-mode': lambda: [
                {
                    'method': 'PUT',
                    'path': f'{SERVER}/console-sessions/{self._session()}',
                    'body': json.dumps({'console_session': {'mode': 'view'}}),
                }
            ],
            'console_svc:console-auth-tokens:delete': lambda: [
                {
                    'method': 'DELETE',
                    'path': f'{TOKENS}/{self.api.issue("novnc")}',
                },
                {
                    'method': 'DELETE',
                    'path': f'{SERVER}/console-auth-tokens',
                },
            ],
            'console_svc:console-auth-tokens:create-view': lambda: [
                self._issue(mode='view')
            ],
            'console_svc:console-auth-tokens:create-control': lambda: [
                self._issue(mode='control'),
                self._issue(),
            ],
            'console_svc:console-recordings:index': lambda: [
                {'method': 'GET', 'path': RECORDINGS},
                {'method': 'GET', 'path': self._recording()},
            ],
            'console_svc:console-recordings:read': lambda: [
                {'method': 'GET', 'path': f'{self._recording()}/content'}
            ],
            'console_svc:console-recordings:delete': lambda: [
                {'method': 'DELETE', 'path': self._recording()}
            ],
            'console_svc:console-recording-reads:create': lambda: [
                {
                    'method': 'POST',
                    'path': '/v2.1/console-recording-reads',
                    'body': self._access(),
                }
            ],
            'console_svc:console-gateway:authenticate': lambda: [
                {
                    'method': 'POST',
                    'path': '/v2.1/console-gateway/authentications',
                    'body': self._authentication(),
                }
            ],
        }[rule]()

    def test_every_rule_of_a_route_is_tested(self) -> None:
        rules = {
            rule.name
            for rule in policies.list_rules()
            if getattr(rule, 'operations', None)
            # It refuses nothing: see test_must_record.
            and rule.name != recording_policies.RECORD
        }
        self.assertEqual(rules, set(EXPECTED))

    def test_every_rule_for_every_persona(self) -> None:
        for rule, expected in EXPECTED.items():
            got = {}
            for persona, token in PERSONAS.items():
                for request in self._requests(rule):
                    answer = self.api.request(**request, token=token)
                    got.setdefault(persona, set()).add(answer.status_int)
            self.assertEqual(
                {name: {status} for name, status in expected.items()},
                got,
                rule,
            )

    def test_who_can_read_a_recording_can_play_it(self) -> None:
        expected = EXPECTED['console_svc:console-recordings:read']
        path = f'{self._recording()}/access'
        for persona, status in expected.items():
            answer = self.api.request('POST', path, token=PERSONAS[persona])
            self.assertEqual(
                201 if status == 200 else status, answer.status_int, persona
            )

    def test_who_gets_no_url_gets_no_control(self) -> None:
        # An operator who restricts the compute API's rule restricts both.
        self.api.policy.write_text(
            'os_compute_api:os-remote-consoles: role:admin\n'
        )
        self.api.app = app.build(self.api.conf)
        for mode, status in (('control', 403), ('view', 201)):
            answer = self.api.request(
                **self._issue(mode=mode), token=PERSONAS['member']
            )
            self.assertEqual(status, answer.status_int)

    def test_a_403_names_the_rule(self) -> None:
        answer = self.api.request(
            'POST', f'{SERVER}/consoles', token=PERSONAS['reader']
        )
        self.assertEqual(
            "Policy doesn't allow os_compute_api:os-consoles:create to be "
            'performed.',
            answer.json['forbidden']['message'],
        )

    def test_another_projects_server_does_not_exist(self) -> None:
        for method, path in (
            ('GET', ''),
            ('GET', '/consoles'),
            ('POST', '/consoles'),
            ('GET', '/consoles/1'),
            ('DELETE', '/consoles/1'),
        ):
            theirs = self.api.request(
                method, f'/v2.1/servers/{fixtures.OTHERS}{path}'
            )
            none = self.api.request(
                method, f'/v2.1/servers/{fixtures.UNKNOWN}{path}'
            )
            self.assertEqual(404, theirs.status_int)
            self.assertEqual(
                none.text.replace(fixtures.UNKNOWN, fixtures.OTHERS),
                theirs.text,
            )
