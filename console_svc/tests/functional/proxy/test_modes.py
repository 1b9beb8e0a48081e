# SPDX-License-Identifier: Apache-2.0

"""What a client may do with a console, and what its page is told of it."""

import json
import socket
from typing import Any, ClassVar

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


class ModesTest(ProxyTest):
    CONSOLEAUTH = {'allow_takeover': True}

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

    def check_mode(self, connection: ClientConnection, mode: str) -> None:
        message = connection.recv(process.PATIENCE)
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

    def test_view_mode_drops_input(self) -> None:
        received: list[bytes] = []
        self.serve(received)
        connection = self.open('view')
        self.assertEqual(b'hello', connection.recv(process.PATIENCE))
        connection.send(b'typed')
        # A close reaches the console behind all that was sent before.
        connection.close()
        self.wait_for_no_session()
        self.assertEqual([], received)

    def test_control_is_handed_over_and_back(self) -> None:
        received: list[bytes] = []
        self.serve(received)
        connection = self.open('control')
        self.assertEqual(b'hello', connection.recv(process.PATIENCE))
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
            self.assertEqual(b'hello', connection.recv(process.PATIENCE))
        code, reason = self.closed(holder)
        self.assertEqual(1008, code)
        self.assertRegex(reason, r'^User \S+ has taken over the console\.$')
        self.assertEqual(
            {'control', 'view'}, {it['mode'] for it in self.sessions()}
        )
        self.check_echo(other)

    def test_token_to_view_takes_nothing_over(self) -> None:
        self.serve([])
        token = self.token_for('view')
        self.assertEqual(
            (1008, 'A token to watch a console cannot take it over.'),
            self.refused(f'?token={token}&takeover=1'),
        )


class FullTest(ModesTest):
    CONSOLEAUTH = {'allow_takeover': True, 'max_sessions_per_server': 1}

    def test_control_is_handed_over_and_back(self) -> None:
        """As without a limit."""

    def test_take_over_ends_the_session_of_the_holder(self) -> None:
        """Its page learns that it can."""
        self.serve([])
        holder = self.open('control')
        for mode, messages in (('view', []), ('control', [True])):
            refused = self.connect(
                f'?token={self.token_for(mode)}', subprotocols=PROTOCOLS
            )
            for expected in messages:
                message = json.loads(refused.recv(process.PATIENCE))
                self.assertEqual({'takeover': expected}, message)
            code, reason = self.closed(refused)
            self.assertEqual(1008, code)
            self.assertIn('too many console sessions', reason)
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
