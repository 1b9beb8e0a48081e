# SPDX-License-Identifier: Apache-2.0

"""What a client may do with a console, and what its page is told of it."""

import json
import socket
from typing import Any, ClassVar, TypeVar

import sqlalchemy as sa
from websockets.sync.client import ClientConnection

from console_svc.db import tables
from console_svc.protocols import rfb
from console_svc.tests import fixtures
from console_svc.tests.functional.proxy.base import (
    SERVER,
    SESSIONS,
    ProxyTest,
)
from console_svc.tests.functional.proxy.test_rfb import RFBTest
from console_svc.tests.programs import consoles, process

#: What the pages of this package offer.
PROTOCOLS = ['binary', 'state.console-svc']

_T = TypeVar('_T', bytes, str)


class PageMessagesTest(ProxyTest):
    def test_page_is_told_its_mode_if_it_asks(self) -> None:
        self.console()
        for offered, messages in (
            (PROTOCOLS, [{'mode': 'control'}]),
            (['binary'], []),
        ):
            connection = self.connect(subprotocols=offered)
            self.assertEqual('binary', connection.subprotocol)
            found = []
            connection.send(b'x')
            while (message := connection.recv(process.PATIENCE)) != b'x':
                found.append(json.loads(message))
            self.assertEqual(messages, found)


class SharedFlagTest(RFBTest):
    """The flags with which VNC servers are opened."""

    #: From the client -> to the server.
    FLAGS: ClassVar = {b'\0': b'\1', b'\1': b'\1'}

    def test_flag(self) -> None:
        for sent, expected in self.FLAGS.items():
            flags: list[bytes] = []

            def serve(
                connection: socket.socket, flags: list[bytes] = flags
            ) -> None:
                consoles.accept(connection)
                flags.append(connection.recv(1))

            browser = self.browser(serve)
            browser.perform(rfb.log_in((rfb.NONE,)))
            browser.sendall(sent)
            process.wait_for(lambda flags=flags: flags, 'ClientInit')
            self.assertEqual([expected], flags)


class ClientSharedFlagTest(SharedFlagTest):
    VNC = {'shared_flag': 'client'}
    FLAGS = {b'\0': b'\0', b'\1': b'\1'}


class ModesCase(ProxyTest):
    CONSOLEAUTH = {'allow_takeover': True}

    def setUp(self) -> None:
        super().setUp()
        #: What was received and not asked for yet.
        self.queues: dict[ClientConnection, list[Any]] = {}

    def token_for(self, mode: str, kind: str = 'serial') -> str:
        """A new console token, for control or to view."""
        answer = self.service.request(
            'POST',
            f'{SERVER}/console-auth-tokens',
            fixtures.MEMBER,
            json={'console_auth_token': {'type': kind, 'mode': mode}},
        )
        token: str = answer.json()['console_auth_token']['token']
        return token

    def open(self, mode: str, more: str = '') -> ClientConnection:
        """Open a websocket; its page is told the mode."""
        connection = self.connect(
            f'?token={self.token_for(mode)}{more}', subprotocols=PROTOCOLS
        )
        self.check_mode(connection, mode)
        return connection

    def received(self, connection: ClientConnection, kind: type[_T]) -> _T:
        """The next data (bytes), or the next message (str)."""
        others = self.queues.setdefault(connection, [])
        for at, found in enumerate(others):
            if isinstance(found, kind):
                del others[at]
                return found
        while True:
            received = connection.recv(process.PATIENCE)
            if isinstance(received, kind):
                return received
            others.append(received)

    def check_hello(self, connection: ClientConnection) -> None:
        self.assertEqual(b'hello', self.received(connection, bytes))

    def check_echo(
        self,
        connection: ClientConnection,
        data: bytes = b'longer than a header',
    ) -> None:
        connection.send(data)
        got = b''
        while len(got) < len(data):
            got += self.received(connection, bytes)
        self.assertEqual(data, got)

    def check_mode(self, connection: ClientConnection, mode: str) -> None:
        message = self.received(connection, str)
        self.assertEqual({'mode': mode}, json.loads(message))

    def set_mode(self, session: dict[str, Any], mode: str) -> None:
        answer = self.service.request(
            'PUT',
            f'{SESSIONS}/{session["id"]}',
            fixtures.MEMBER,
            json={'console_session': {'mode': mode}},
        )
        self.assertEqual(200, answer.status_code, answer.text)

    def kept(self) -> int:
        """The number of sessions that were kept alive."""
        proxy_id = tables.console_sessions.c.proxy_id
        with self.service.database.engine.connect() as connection:
            found: int = connection.execute(
                sa.select(sa.func.count(proxy_id))
            ).scalar_one()
        return found

    def serve(self, received: list[bytes]) -> None:
        """Start a console that speaks first and keeps what it receives."""

        def serve(connection: socket.socket) -> None:
            connection.sendall(b'hello')
            while data := connection.recv(4096):
                received.append(data)
                connection.sendall(data)

        self.console(serve)


class ModesTest(ModesCase):
    def test_view_mode_drops_input(self) -> None:
        received: list[bytes] = []
        self.serve(received)
        connection = self.open('view')
        self.check_hello(connection)
        connection.send(b'typed')
        # A close reaches the console behind all that was sent before.
        connection.close()
        self.wait_for_no_session()
        self.assertEqual([], received)

    def test_control_is_handed_over_and_back(self) -> None:
        received: list[bytes] = []
        self.serve(received)
        connection = self.open('control')
        self.check_hello(connection)
        self.check_echo(connection, b'before')
        (session,) = self.sessions()
        for mode in ('view', 'control', 'view'):
            self.set_mode(session, mode)
            self.check_mode(connection, mode)
            process.wait_for(
                lambda mode=mode: self.sessions()[0]['enforced_mode'] == mode,
                'the confirmation',
            )
            if mode == 'view':
                connection.send(b'dropped')
        connection.close()
        self.wait_for_no_session()
        self.assertEqual(b'before', b''.join(received))

    def test_take_over_ends_the_session_of_the_holder(self) -> None:
        self.serve([])
        viewer, holder = self.open('view'), self.open('control')
        process.wait_for(lambda: self.kept() == 2, 'keep-alives')
        other = self.open('control', '&takeover=1')
        for connection in (viewer, holder, other):
            self.check_hello(connection)
        code, reason = self.closed(holder)
        self.assertEqual(1008, code)
        self.assertRegex(reason, r'^User \S+ has taken over the console\.$')
        self.assertEqual(
            {'control', 'view'}, {it['mode'] for it in self.sessions()}
        )
        self.check_echo(other)

    def test_take_over_is_explained_before_the_first_keep_alive(self) -> None:
        self.serve([])
        holder = self.open('control')
        self.open('control', '&takeover=1')
        code, reason = self.closed(holder)
        self.assertEqual(1008, code)
        self.assertRegex(reason, r'^User \S+ has taken over the console\.$')

    def test_pages_learn_who_else_uses_the_console(self) -> None:
        self.serve([])
        driver = self.open('control')
        self.check_hello(driver)
        viewer = self.open('view')
        self.check_hello(viewer)
        self.check_others(driver, control=0, view=1)
        self.check_others(viewer, control=1, view=0)
        by_mode = {it['mode']: it for it in self.sessions()}
        self.set_mode(by_mode['view'], 'control')
        self.check_mode(viewer, 'control')
        self.check_others(driver, control=1, view=0)
        # Other clients get no text.
        plain = self.connect()
        self.check_hello(plain)
        self.check_others(driver, control=2, view=0)
        self.check_others(viewer, control=2, view=0)
        self.check_echo(plain)
        for connection in plain, viewer:
            connection.close()
        # One after the other, or both at once.
        while (number := self.others(driver)['control']) != 0:
            self.assertEqual(1, number)

    def others(self, connection: ClientConnection) -> dict[str, Any]:
        message = json.loads(self.received(connection, str))
        found: dict[str, Any] = message['others']
        return found

    def check_others(
        self, connection: ClientConnection, **numbers: int
    ) -> None:
        """Check what a page is told of the others."""
        found = self.others(connection)
        listed = found.pop('sessions')
        self.assertEqual(numbers, found)
        self.assertEqual(sum(numbers.values()), len(listed))
        self.assertEqual({'user', 'address', 'since', 'mode'}, {*listed[0]})

    def test_token_to_view_takes_nothing_over(self) -> None:
        self.serve([])
        token = self.token_for('view')
        self.assertEqual(
            (1008, 'A token to watch a console cannot take it over.'),
            self.refused(f'?token={token}&takeover=1'),
        )


class FullTest(ModesCase):
    CONSOLEAUTH = {'allow_takeover': True, 'max_sessions_per_server': 1}

    def test_page_learns_who_has_the_console(self) -> None:
        self.serve([])
        holder = self.open('control')
        (session,) = self.sessions()
        shown = {
            'user': session['user_id'],
            'address': session['client_address'],
            'since': session['created_at'],
            'mode': 'control',
        }
        for mode in 'view', 'control':
            refused = self.connect(
                f'?token={self.token_for(mode)}', subprotocols=PROTOCOLS
            )
            self.assertEqual(
                {'takeover': mode == 'control', 'holders': [shown]},
                json.loads(refused.recv(process.PATIENCE)),
            )
            code, reason = self.closed(refused)
            self.assertEqual(1008, code)
            self.assertRegex(
                reason, r'^Used by user \S+ since [0-9-]{10} [0-9:]{5} UTC\.$'
            )
        self.open('control', '&takeover=1')
        self.assertEqual(1008, self.closed(holder)[0])


class WithoutHandOverTest(ModesTest):
    PROXY = {'hand_over': False}

    def test_control_is_handed_over_and_back(self) -> None:
        """The session ends instead."""
        self.serve([])
        connection = self.open('control')
        (session,) = self.sessions()
        self.set_mode(session, 'view')
        self.assertEqual(
            (1008, 'The session must not control the console any more.'),
            self.closed(connection),
        )
