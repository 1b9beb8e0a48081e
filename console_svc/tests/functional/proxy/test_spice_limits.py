# SPDX-License-Identifier: Apache-2.0

"""Limits of native SPICE clients, and several workers."""

import contextlib
import socket

from console_svc.tests import fixtures
from console_svc.tests.functional.proxy import test_spice_clients
from console_svc.tests.functional.proxy.base import SERVER
from console_svc.tests.functional.proxy.spice import SpiceTest
from console_svc.tests.programs import bad_input, process, spice
from console_svc.tests.programs.spice import (
    DISPLAY,
    INPUTS,
    KEY_DOWN,
    OK,
    Channel,
    Server,
)


class SeveralWorkersTest(test_spice_clients.ChannelsTest):
    """The kernel distributes the channels of a client."""

    PROXY = {'workers': 2}


class IdleTest(SpiceTest):
    # Long enough for a check of each worker, once a second.
    PROXY = {'workers': 2, 'idle_timeout': 6}

    def test_only_idle_sessions_time_out(self) -> None:
        self.serve(Server())
        idle, quiet = (self.channel(self.spice_token()) for _ in range(2))
        for channel in idle, quiet:
            channel.init()
        token = self.spice_token()
        main = self.channel(token)
        number = main.init()
        # Not all of them are in the worker of the main channel.
        busy = [self.channel(token, INPUTS, number) for _ in range(12)]
        screen = self.channel(token, DISPLAY, number)
        process.wait_for(
            lambda: self.check_keys_of(busy) or _is_closed(idle),
            'the time-out',
        )
        self.wait_for_log('channel closed: The session was idle for too long.')
        self.assertEqual(b'main', main.echo(b'main'))
        self.assertEqual(b'screen', screen.echo(b'screen'))
        self.assertTrue(quiet.is_closed())

    def check_keys_of(self, channels: list[Channel]) -> None:
        for channel in channels:
            self.assertEqual(bytes(4), channel.echo(bytes(4), KEY_DOWN))


class LimitsTest(SpiceTest):
    PROXY = {'max_sessions': 3}

    def test_channels_count_as_sessions_of_a_worker(self) -> None:
        self.serve(Server())
        token = self.spice_token()
        main = self.channel(token)
        number = main.init()
        errors = [self.channel(token, DISPLAY, number).error for _ in range(3)]
        self.assertEqual([OK, OK, 1], errors)
        self.wait_for_log(
            'display channel closed: This console proxy has too many sessions.'
        )


class AddressLimitTest(SpiceTest):
    PROXY = {'handshake_timeout': process.PATIENCE}
    SPICE = {'direct_max_connections_per_address': 3}

    def test_connections_beyond_the_limit_are_reset(self) -> None:
        """The limit holds for both ports together."""
        streams = [self.dial(tls) for tls in (False, False, True)]
        for stream in streams:
            stream.sendall(spice.link())
            spice.receive_message(stream)
        self.assertTrue(self.is_crowded(self.port))
        self.assertTrue(self.is_crowded(self.tls_port))
        self.wait_for_log(
            'There are too many connections of native SPICE clients: one from '
            '127.0.0.1 was reset.'
        )
        process.wait_for(
            lambda: self.outcomes().get('crowded', 0) >= 2, 'the metric'
        )
        streams.pop().close()
        process.wait_for(
            lambda: not self.is_crowded(self.port), 'room for one more'
        )

    def is_crowded(self, port: int) -> bool:
        """Whether a new connection is reset."""
        with bad_input.connect(port) as stream:
            stream.settimeout(process.PATIENCE)
            try:
                # The first byte of a reply to what is no link message.
                stream.sendall(bytes(16))
                return not stream.recv(1)
            except OSError:
                return True


class BoundTokenTest(SpiceTest):
    CONSOLEAUTH = {'max_uses': 1}

    def test_other_addresses_cannot_join(self) -> None:
        """Not even with the token and the connection id."""
        self.serve(Server())
        token = self.spice_token()
        number = self.channel(token).init()
        stream = socket.socket()
        self.addCleanup(stream.close)
        stream.settimeout(process.PATIENCE)
        stream.bind(('127.0.0.2', 0))
        stream.connect(('127.0.0.1', self.port))
        self.assertEqual(7, Channel(stream, token, DISPLAY, number).error)
        self.wait_for_log('Token has no open session from this address.')


class UnavailableApiTest(SpiceTest):
    def test_client_is_refused(self) -> None:
        self.serve(Server())
        token = self.spice_token()
        channel = self.channel(token)
        number = channel.init()
        self.service.stop()
        try:
            for kind, connection_id in ((1, 0), (DISPLAY, number)):
                self.assertEqual(
                    1, self.channel(token, kind, connection_id).error
                )
            self.assertEqual(b'on', channel.echo(b'on'))
        finally:
            self.service.start()


class ServerEndsTest(SpiceTest):
    def test_ended_session_cannot_be_joined(self) -> None:
        self.serve(Server())
        token = self.spice_token()
        main = self.channel(token)
        number = main.init()
        (session,) = self.sessions()
        self.assertEqual(204, self.end(session).status_code)
        self.assertEqual(7, self.channel(token, DISPLAY, number).error)
        self.assertTrue(main.is_closed())
        # The token is still valid.
        self.assertEqual(OK, self.channel(token).error)
        self.service.request(
            'DELETE', f'{SERVER}/console-auth-tokens', fixtures.MEMBER
        )
        self.assertEqual(7, self.channel(token).error)


def _is_closed(channel: Channel) -> bool:
    """Whether the proxy has closed a channel that gets no data."""
    channel.stream.settimeout(0.05)
    with contextlib.suppress(TimeoutError):
        return not channel.stream.recv(1)
    return False
