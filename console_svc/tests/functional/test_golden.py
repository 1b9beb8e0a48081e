# SPDX-License-Identifier: Apache-2.0

"""Replays nova-34.0.0.json: look-ups, versions and refusals."""

import time

from console_svc.consoles.tokens import hash_of
from console_svc.objects import ConnectInfo, ConsoleAuthToken
from console_svc.tests.functional import golden
from console_svc.tests.functional.golden import Differs
from console_svc.tests.functional.golden import fault as _fault

RECORDS = golden.load('nova-34.0.0.json')
TOKEN = '11111111-2222-4333-8444-555555555555'
SERVER = 'aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee'


def _not_found(why: str) -> Differs:
    message = 'The resource could not be found.'
    return Differs(why, 404, _fault('itemNotFound', 404, message))


def _bad_method(method: str) -> Differs:
    return Differs(
        'a wrong method is a 405 that says which are right',
        405,
        _fault(
            'badMethod',
            405,
            f'The method {method} is not allowed for this resource.',
        ),
    )


def _range(version: str) -> Differs:
    return Differs(
        'a 406 has the range as fields too (API SIG, errors)',
        406,
        _fault(
            'computeFault',
            406,
            f'Version {version} is not supported by the API. '
            'Minimum is 2.1 and maximum is 2.104.',
            min_version='2.1',
            max_version='2.104',
        ),
    )


_LINKS = [{'rel': 'self', 'href': 'http://localhost/v2.1/'}]
_VERSION = {
    'id': 'v2.1',
    'status': 'CURRENT',
    'version': '2.104',
    'min_version': '2.1',
    'updated': '2026-11-25T00:00:00Z',
    'links': _LINKS,
}
_CONNECT_INFO = {
    'console': {
        'instance_uuid': SERVER,
        'host': '192.0.2.10',
        'port': 5900,
        'internal_access_path': None,
    }
}
_RDP_ONLY = Differs(
    'before 2.31 rdp-html5 tokens work, as in nova 20; others are a 401',
    401,
    _fault(
        'unauthorized',
        401,
        'The requested console type details are not accessible',
    ),
)
_NO_TEXT = 'an unknown path is a JSON fault'
_ANY_PROJECT = 'a project id need not be hexadecimal; admins see all'
_ALIVE = 'os-consoles is what this service brings back'

DIFFERENCES = {
    'root with accept xml': Differs(
        'our own version document', 200, {'versions': [_VERSION]}
    ),
    'version doc no slash': Differs(
        'our own version document',
        200,
        {
            'version': {
                **_VERSION,
                'media-types': [
                    {
                        'base': 'application/json',
                        'type': 'application/vnd.openstack.compute+json;'
                        'version=2.1',
                    }
                ],
            }
        },
    ),
    'unknown path': _not_found(_NO_TEXT),
    'odd token 2': _not_found(_NO_TEXT),
    'trailing slash': _not_found(_NO_TEXT),
    'collection': _not_found(_NO_TEXT),
    'sub path': _not_found(_NO_TEXT),
    'token at 2.1': _RDP_ONLY,
    'token at 2.30': _RDP_ONLY,
    "malformed microversion ''": _RDP_ONLY,
    'no service type': _RDP_ONLY,
    'token not admin at 2.1': Differs(
        'policy is asked first',
        403,
        _fault(
            'forbidden',
            403,
            "Policy doesn't allow os_compute_api:os-console-auth-tokens "
            'to be performed.',
        ),
    ),
    'unsupported microversion 2.0': _range('2.0'),
    'unsupported microversion 1.1': _range('1.1'),
    'unsupported microversion 2.105': _range('2.105'),
    'unsupported microversion 2.999': _range('2.999'),
    'no auth token': Differs(
        'a JSON fault',
        401,
        _fault(
            'unauthorized',
            401,
            'The request you have made requires authentication.',
        ),
    ),
    'project in path': Differs(_ANY_PROJECT, 200, _CONNECT_INFO),
    'project in path, other project': Differs(
        _ANY_PROJECT, 200, _CONNECT_INFO
    ),
    'HEAD token': Differs('HEAD works wherever GET does', 200, ''),
    'PATCH token': _bad_method('PATCH'),
    'DELETE token': Differs('ours: the token is revoked', 204, ''),
    'remote-consoles: wrong content type': Differs(
        'a body that says it is no JSON is refused',
        415,
        _fault('badMediaType', 415, 'Unsupported Content-Type'),
    ),
    'remote-consoles: GET': _bad_method('GET'),
    'remote-consoles: PUT': _bad_method('PUT'),
    'remote-consoles: DELETE': _bad_method('DELETE'),
    'xvp consoles (gone): GET ': Differs(_ALIVE, 200, {'consoles': []}),
    'xvp consoles (gone): POST ': Differs(_ALIVE, 200, ''),
    'xvp consoles (gone): DELETE /1': Differs(
        _ALIVE,
        404,
        _fault(
            'itemNotFound',
            404,
            f'Console for instance {SERVER} could not be found.',
        ),
    ),
    'xvp consoles (gone): PUT /1': _bad_method('PUT'),
}


class GoldenTest(golden.ReplayTest):
    """A token exists, no server does in nova's own table."""

    DIFFERENCES = DIFFERENCES

    def setUp(self) -> None:
        super().setUp()
        self.api.write_inventory(
            {
                'servers': [
                    {
                        'id': SERVER,
                        'project_id': 'admin',
                        'instance_name': 'instance-00000001',
                        'host': 'compute1',
                        'native': {'console_type': 'vnc', 'port': 5900},
                        'consoles': [
                            {
                                'type': 'novnc',
                                'host': '192.0.2.10',
                                'port': 5900,
                            }
                        ],
                    }
                ]
            }
        )
        now = int(time.time())
        token = ConsoleAuthToken(
            token_hash=hash_of(TOKEN),
            server_id=SERVER,
            project_id='admin',
            user_id='admin',
            console_type='novnc',
            connect_info=ConnectInfo('192.0.2.10', 5900),
            expires=now + 600,
        )
        self.api.database.tokens.create(token, now)

    def test_every_difference_belongs_to_a_record(self) -> None:
        names = {record['name'] for record in RECORDS}
        self.assertEqual(set(), set(DIFFERENCES) - names)


GoldenTest.add_tests(RECORDS)
