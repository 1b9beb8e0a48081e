# SPDX-License-Identifier: Apache-2.0

import testtools

from console_svc.api.bodies import keep_alives, sessions
from console_svc.objects import ConnectInfo, ConsoleSession, ConsoleType
from console_svc.tests import fixtures

NOW = 900.5


class SecondsLeftTest(testtools.TestCase):
    """By the API's clock; never too many."""

    def test_whole_seconds_until_the_expiry(self) -> None:
        kept = keep_alives.kept(
            {'a': 1000, 'b': 900, 'c': None, 'd': 800}, NOW
        )
        self.assertEqual(
            [('a', 1000, 99), ('b', 900, 0), ('c', None, None), ('d', 800, 0)],
            [
                (it['id'], it['expires'], it['expires_in'])
                for it in kept['console_sessions']
            ],
        )

    def test_whole_seconds_of_a_new_session(self) -> None:
        for expires, left in (1000, 99), (None, None):
            opened = sessions.opened(
                session(expires), ConnectInfo('192.0.2.10', 5901), NOW
            )
            self.assertEqual(
                (expires, left),
                (
                    opened['session']['expires'],
                    opened['session']['expires_in'],
                ),
            )


def session(expires: int | None) -> ConsoleSession:
    return ConsoleSession(
        id=fixtures.UNKNOWN,
        token_hash='',
        server_id=fixtures.SERVER,
        project_id='demo',
        user_id=None,
        console_type=ConsoleType.NOVNC,
        client_address=None,
        created_at=900,
        expires=expires,
    )
