# SPDX-License-Identifier: Apache-2.0

"""Clients of two console proxies race for the last places of three APIs."""

import concurrent.futures
import pathlib
from collections.abc import Set
from typing import Any, ClassVar

from websockets.exceptions import ConnectionClosed
from websockets.sync import client

from console_svc.objects import SESSIONS, UNUSED_TOKENS
from console_svc.tests import fixtures
from console_svc.tests.integration.mariadb import MariaDB
from console_svc.tests.integration.service import Service, console_api, uwsgi
from console_svc.tests.integration.test_limits import LimitsCase
from console_svc.tests.programs import consoles, process
from console_svc.tests.programs.proxy import Proxy

SERVER = f'/v2.1/servers/{fixtures.SERVER}'

#: Clients that open a session at the same time.
CLIENTS = 12

OF_USER, OF_SERVER = 3, 5

OF_FULL_SERVER = f'Instance {fixtures.SERVER} has too many console sessions.'


def three_processes(port: int, file: pathlib.Path) -> list[str]:
    """uWSGI with three processes of the service."""
    return uwsgi(port, file, {'processes = 2': 'processes = 3'})


class LimitRacesTest(LimitsCase):
    CONSOLEAUTH: ClassVar = {
        'max_sessions_per_user': OF_USER,
        'max_sessions_per_server': OF_SERVER,
    }

    @classmethod
    def start(cls, server: Any = three_processes) -> Service:
        database = process.shared(MariaDB).database()
        cls.OPTIONS = {**cls.OPTIONS, 'database': {'connection': database}}
        return super().start(server)

    def setUp(self) -> None:
        super().setUp()
        port = self.useFixture(consoles.TCPConsole(consoles.echo)).port
        document = fixtures.inventory()
        document['servers'][0].update(
            project_id=self.keystone.projects['demo'],
            consoles=[{'type': 'serial', 'host': '127.0.0.1', 'port': port}],
        )
        self.service.write_inventory(document)
        credential = {
            **console_api(self.keystone),
            'endpoint_override': f'{self.service.url}/v2.1',
        }
        self.proxies = [
            self.useFixture(
                Proxy(
                    self.service,
                    credential,
                    keep_interval=1,
                    max_opens_per_address=CLIENTS,
                )
            )
            for _ in range(2)
        ]

    def url(self, number: int, user: str) -> str:
        """The URL of a new token, at one of the proxies."""
        answer = self.service.request(
            'POST',
            f'{SERVER}/console-auth-tokens',
            user,
            json={'console_auth_token': {'type': 'serial'}},
        )
        self.assertEqual(201, answer.status_code, answer.text)
        token = answer.json()['console_auth_token']['token']
        self.service.secrets.add(token)
        return f'{self.proxies[number % 2].url}?token={token}'

    def try_to_open(self, url: str) -> client.ClientConnection | str:
        """A websocket whose console answers, or why it was closed."""
        connection = client.connect(
            url, subprotocols=['binary'], open_timeout=process.PATIENCE
        )
        self.addCleanup(connection.close)
        try:
            connection.send(b'hello')
            connection.recv(process.PATIENCE)
        except ConnectionClosed as closed:
            assert closed.rcvd is not None
            return closed.rcvd.reason
        return connection

    def live(self) -> int:
        """The number of sessions of the server, for the API."""
        answer = self.service.request(
            'GET', f'{SERVER}/console-sessions', self.member
        )
        return len(answer.json()['console_sessions'])

    def check_race(self, places: int, *users: str) -> Set[str]:
        """Check that as many get a place as there are.

        Once they have them, they give one back, and all race for the last.

        :returns: why the others were refused
        """
        held: list[client.ClientConnection] = []
        reasons = set()
        for free in (places, 1, 1, 1):
            urls = [
                self.url(number, users[number % len(users)])
                for number in range(CLIENTS)
            ]
            with concurrent.futures.ThreadPoolExecutor(CLIENTS) as threads:
                outcomes = [*threads.map(self.try_to_open, urls)]
            refused = [it for it in outcomes if isinstance(it, str)]
            held += [it for it in outcomes if not isinstance(it, str)]
            self.assertEqual(CLIENTS - free, len(refused), refused)
            self.assertEqual(places, self.live())
            # The users may list sessions, and learn who has the console.
            reasons.update(
                OF_FULL_SERVER if it.startswith('Used by user ') else it
                for it in refused
            )
            held.pop().close()
            process.wait_for(
                lambda: self.live() == places - 1, 'the session to end'
            )
        for connection in held:
            connection.close()
        process.wait_for(lambda: self.live() == 0, 'no session')
        return reasons

    def test_no_limit_is_exceeded(self) -> None:
        unlimited = {SESSIONS: -1, UNUSED_TOKENS: -1}
        with self.limited('registered_limits', unlimited):
            with self.limited('limits', {SESSIONS: 2}):
                self.assertEqual(
                    {'The project has as many console sessions as it may.'},
                    self.check_race(2, self.member, self.admin),
                )
            of_user = 'The user has as many console sessions as a user may.'
            self.assertEqual({of_user}, self.check_race(OF_USER, self.member))
            # A user may be at the limit before the server is.
            self.assertLessEqual(
                self.check_race(OF_SERVER, self.member, self.admin),
                {of_user, OF_FULL_SERVER},
            )
