# SPDX-License-Identifier: Apache-2.0

"""What a client may do with a console, and what its page is told of it."""

import json
import socket
from typing import ClassVar

from console_svc.protocols import rfb
from console_svc.tests.functional.proxy.base import ProxyTest
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
