# SPDX-License-Identifier: Apache-2.0

"""Replays nova-34.0.0-live.json: issue tokens in each server state."""

from typing import Any

from console_svc.tests.functional import golden
from console_svc.tests.functional.golden import Differs, fault

_PREFIX = '5e72e200-0000-4000-8000-0000000000'

#: Texts of records that need another driver or another configuration.
_LEFT_OUT = (
    'base URLs',  # tests/unit/consoles/test_access_url.py has them
    'NotImplementedError',
    'does not run',
    'ConsoleTypeUnavailable',
    'was deleted by',
)

RECORDS = [
    record
    for record in golden.load('nova-34.0.0-live.json')
    if record['method'] == 'POST'
    and not any(words in record['given'] for words in _LEFT_OUT)
]

_STATES = {
    '01': 'ACTIVE',
    '04': 'BUILD',
    '05': 'BUILD',
    '06': 'DELETING',
    '07': 'MIGRATING',
    '08': 'PAUSED',
    '09': 'ERROR',
    '0a': 'ERROR',
    '0b': 'SHELVED_OFFLOADED',
    '0c': 'SOFT_DELETED',
    '10': 'ACTIVE',
    '20': 'ACTIVE',
}
_NO_CONSOLES = '10'


def _server(suffix: str, status: str) -> dict[str, Any]:
    types = ('novnc', 'spice-html5', 'spice-direct', 'serial', 'webmks')
    return {
        'id': f'{_PREFIX}{suffix}',
        'project_id': 'demo',
        'instance_name': f'instance-000000{suffix}',
        'host': 'compute-1',
        'status': status,
        'consoles': [
            {'type': console_type, 'host': '192.0.2.10', 'port': 6969}
            for console_type in (() if suffix == _NO_CONSOLES else types)
        ],
    }


def _not_ready(suffix: str, why: str) -> Differs:
    message = f'Instance {_PREFIX}{suffix} is not ready'
    return Differs(why, 409, fault('conflictingRequest', 409, message))


def _bad(why: str, message: str) -> Differs:
    return Differs(why, 400, fault('badRequest', 400, message))


_STATE = 'a server that is not active has no consoles'
_TASK = 'nova fails there: 500'
_PAIR = 'protocol and type must belong together'

DIFFERENCES = {
    f'remote-consoles vnc novnc at 2.6, {state}, the owner': _not_ready(
        suffix, why
    )
    for state, suffix, why in (
        ('building', '04', _STATE),
        ('deleting', '06', _TASK),
        ('migrating', '07', _TASK),
        ('paused', '08', _STATE),
        ('error', '09', _STATE),
        ('soft-deleted', '0c', _STATE),
    )
} | {
    f'remote-consoles serial {console_type} at 2.99, active, the owner': _bad(
        _PAIR, f'Invalid console type {console_type}'
    )
    for console_type in ('novnc', 'webmks', 'spice-direct')
}
DIFFERENCES |= {
    'remote-consoles rdp rdp-html5 at 2.6, active, the owner': _bad(
        'says which type', 'Unavailable console type rdp-html5.'
    ),
    'remote-consoles rdp novnc at 2.99, active, the owner': _bad(
        _PAIR, 'Invalid console type novnc'
    ),
    'remote-consoles vnc serial at 2.99, off, the owner': _bad(
        _PAIR, 'Invalid console type serial'
    ),
    'os-getVNCConsole xvpvnc at 2.5, active, the owner': _bad(
        _TASK, 'Invalid console type xvpvnc'
    ),
    'os-getVNCConsole novnc at 2.1, deleting, the owner': _not_ready(
        '06', 'the same message for every state'
    ),
    'os-getSerialConsole serial at 2.1, deleting, the owner': _not_ready(
        '06', _TASK
    ),
    'os-getVNCConsole novnc at 2.1, active, a reader of another project': (
        Differs(
            "another project's server does not exist, for readers too",
            404,
            fault(
                'itemNotFound',
                404,
                f'Instance {_PREFIX}01 could not be found.',
            ),
        )
    ),
}


class GoldenIssueTest(golden.ReplayTest):
    """A server in each state."""

    DIFFERENCES = DIFFERENCES

    def setUp(self) -> None:
        super().setUp()
        self.api.write_inventory(
            {'servers': [_server(*item) for item in _STATES.items()]}
        )

    def test_every_difference_belongs_to_a_record(self) -> None:
        names = {record['name'] for record in RECORDS}
        self.assertEqual(set(), set(DIFFERENCES) - names)


GoldenIssueTest.add_tests(RECORDS)
