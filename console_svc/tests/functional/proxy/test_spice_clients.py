# SPDX-License-Identifier: Apache-2.0

"""Native SPICE clients: channels, sessions and refusals."""

import socket
import struct

from console_svc.tests import fixtures
from console_svc.tests.functional.proxy.base import SERVER
from console_svc.tests.functional.proxy.spice import SpiceTest
from console_svc.tests.programs import process, spice
from console_svc.tests.programs.spice import (
    DISPLAY,
    INPUTS,
    KEY_UP,
    MAIN,
    OK,
    PERMISSION_DENIED,
    USBREDIR,
    Server,
)


class ChannelsTest(SpiceTest):
    CONSOLEAUTH = {'max_uses': 1, 'max_sessions_per_server': 1}

    def test_channels_are_relayed(self) -> None:
        server = self.serve(Server())
        token = self.spice_token()
        for tls in False, True:
            token = self.spice_token()
            main = self.channel(token, tls=tls)
            self.assertEqual(OK, main.error)
            self.assertEqual((0xB, 0xF), main.capabilities)
            number = main.init()
            display = self.channel(token, DISPLAY, number, tls)
            self.assertEqual(OK, display.error)
            self.assertEqual((0xB, 0x1052), display.capabilities)
            data = bytes(range(256)) * 4096
            for channel in main, display:
                self.assertEqual(data, channel.echo(data))
            self.assertEqual(
                [spice.link(), spice.link(DISPLAY, number)], server.links
            )
            server.links.clear()
            main.stream.close()
            self.wait_for_no_session()

    def test_channels_are_one_session_and_one_use(self) -> None:
        self.serve(Server())
        token = self.spice_token()
        main = self.channel(token)
        number = main.init()
        others = [
            self.channel(token, kind, number)
            for kind in (DISPLAY, INPUTS, USBREDIR)
        ]
        self.assertEqual([OK] * 3, [it.error for it in others])
        (session,) = self.sessions()
        self.assertEqual('spice-direct', session['console_type'])
        self.assertEqual('127.0.0.1', session['client_address'])
        metrics = self.proxy.metrics()
        self.assertEqual(1, metrics['console_svc_proxy_sessions'])
        # Another main channel would be another use.
        self.assertEqual(PERMISSION_DENIED, self.channel(token).error)

    def test_session_goes_on_without_a_further_channel(self) -> None:
        self.serve(Server())
        token = self.spice_token()
        main = self.channel(token)
        number = main.init()
        display = self.channel(token, DISPLAY, number)
        display.stream.close()
        self.wait_for_log('display channel closed: The console has ended.')
        self.assertEqual(b'on', main.echo(b'on'))
        self.assertEqual(OK, self.channel(token, DISPLAY, number).error)

    def test_main_channel_ends_all(self) -> None:
        self.serve(Server())
        token = self.spice_token()
        main = self.channel(token)
        number = main.init()
        display = self.channel(token, DISPLAY, number)
        main.stream.close()
        self.assertTrue(display.is_closed())
        self.wait_for_no_session()
        self.assertEqual(
            PERMISSION_DENIED, self.channel(token, DISPLAY, number).error
        )

    def test_revocation_ends_all_channels(self) -> None:
        self.serve(Server())
        token = self.spice_token()
        main = self.channel(token)
        number = main.init()
        channels = [
            main,
            *(self.channel(token, it, number) for it in (DISPLAY, INPUTS)),
        ]
        self.service.request(
            'DELETE', f'{SERVER}/console-auth-tokens', fixtures.MEMBER
        )
        for channel in channels:
            self.assertTrue(channel.is_closed())
        self.wait_for_log('inputs channel closed: The session was ended.')

    def test_wrong_tokens_are_refused(self) -> None:
        server = self.serve(Server())
        wrong = 'x' * 43
        for password in ('', 'x', wrong, wrong, 'x' * 60):
            for kind, number in ((MAIN, 0), (DISPLAY, 1)):
                self.assertEqual(
                    PERMISSION_DENIED,
                    self.channel(password, kind, number).error,
                )
        self.assertEqual([], server.links)

    def test_ticket_for_another_key_is_refused(self) -> None:
        stream = self.dial()
        stream.sendall(spice.link())
        spice.receive_message(stream)
        stream.sendall(struct.pack('<I', 1) + bytes(128))
        self.assertEqual(
            struct.pack('<I', PERMISSION_DENIED), spice.receive(stream, 4)
        )

    def test_tokens_of_other_types_are_refused(self) -> None:
        self.console()
        self.assertEqual(PERMISSION_DENIED, self.channel(self.token()).error)
        self.wait_for_log(
            'Native SPICE clients require a token of the type spice-direct.'
        )

    def test_websockets_are_refused(self) -> None:
        self.serve(Server())
        code, reason = self.refused(f'?token={self.spice_token()}')
        self.assertEqual(1008, code)
        self.assertIn('spice-direct', reason)

    def test_client_without_authentication_selection(self) -> None:
        """It sends no mechanism before its ticket."""
        server = self.serve(Server())
        server.selects = False
        stream = self.dial()
        stream.sendall(spice.link(common=(0x8,)))
        key = spice.receive_message(stream)[20:182]
        stream.sendall(spice.ticket(self.spice_token(), key))
        self.assertEqual(bytes(4), spice.receive(stream, 4))


class ClosedChannelsTest(SpiceTest):
    SPICE = {'channels': 'record'}

    def test_closed_channels_are_refused(self) -> None:
        self.serve(Server())
        token = self.spice_token()
        main = self.channel(token)
        number = main.init()
        self.assertEqual(9, self.channel(token, USBREDIR, number).error)
        self.assertEqual(OK, self.channel(token, DISPLAY, number).error)
        self.wait_for_log(
            'the link failed: [spice] channels does not allow usbredir'
        )
        self.assertEqual(1, self.outcomes()['refused'])


class HypervisorsTest(SpiceTest):
    SPICE = {'hypervisor_password': 'sesame'}

    def check_refused(self, code: int, reason: str) -> None:
        """Check the error that a new client gets, and the log."""
        self.assertEqual(code, self.channel(self.spice_token()).error)
        self.wait_for_log(reason)

    def test_password_is_sent(self) -> None:
        self.serve(Server('sesame'))
        self.assertEqual(OK, self.channel(self.spice_token()).error)

    def test_wrong_password_is_not_the_fault_of_the_client(self) -> None:
        self.serve(Server('other'))
        self.check_refused(1, 'refuses with the error 7 (permission denied)')

    def test_old_server_is_refused(self) -> None:
        self.serve(Server('sesame', lacking=0x2))
        self.check_refused(
            1, 'it lacks main capabilities of spice-server 0.14: 0x2'
        )
        self.serve(Server('sesame', common=0x3))
        self.check_refused(
            1, 'it lacks common capabilities of spice-server 0.14: 0x8'
        )

    def test_error_of_a_link_is_passed_on(self) -> None:
        self.serve(Server('sesame', error=9))
        self.check_refused(9, 'the error 9 (channel not available)')

    def test_unknown_connection_id_is_refused(self) -> None:
        self.serve(Server('sesame'))
        token = self.spice_token()
        number = self.channel(token).init()
        self.assertEqual(8, self.channel(token, DISPLAY, number + 1).error)

    def test_unreachable_hypervisor(self) -> None:
        self.place(process.free_port(), kind='spice-direct')
        self.check_refused(1, 'The hypervisor does not answer.')

    def test_server_of_another_protocol(self) -> None:
        def serve(stream: socket.socket) -> None:
            stream.sendall(b'RFB 003.008\n' * 20)

        self.console(serve, kind='spice-direct')
        self.check_refused(1, 'the peer does not speak SPICE')


class ViewTest(SpiceTest):
    def test_control_needs_no_other_connection(self) -> None:
        self.serve(Server())
        token = self.token_to_view()
        main = self.channel(token)
        number = main.init()
        inputs = self.channel(token, INPUTS, number)
        self.assertEqual(OK, inputs.error)
        device = self.channel(token, USBREDIR, number)
        self.assertEqual(OK, device.error)
        self.assertTrue(device.is_closed())
        for _ in range(2):
            # The console sends everything back, and gets nothing of this.
            inputs.send(b'\x9e\0\0\0', KEY_UP)
            self.assertEqual(b'passes', inputs.echo(b'passes'))
            self.set_mode('control')
            key = b'\x9f\0\0\0'
            self.assertEqual(key, inputs.echo(key, KEY_UP))
            self.set_mode('view')
