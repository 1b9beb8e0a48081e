# SPDX-License-Identifier: Apache-2.0

"""Malformed, slow and broken connections of native SPICE clients."""

import contextlib
import os
import random
import socket
import struct
import time

from console_svc.tests.functional.proxy.spice import SpiceTest
from console_svc.tests.programs import bad_input, process, spice
from console_svc.tests.programs.spice import DISPLAY, OK, Server

LINK = spice.link()
#: After the reply: the mechanism, and a ticket that cannot be decrypted.
TICKET = struct.pack('<I', 1) + bytes(range(128))

#: What is sent, and the error of the reply; None: it has none.
MALFORMED = (
    (spice.message(LINK[16:], magic=b'RED\0'), 2),
    (b'GET / HTTP/1.1\r\nHost: x\r\n\r\n', 2),
    (b'RFB 003.008\n' * 2, 2),
    (b'\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03' + bytes(500), 2),
    (spice.message(LINK[16:], major=1), 4),
    (spice.message(LINK[16:], major=2**32 - 1), 4),
    # Sizes: too short, too long, without the rest.
    (struct.pack('<4sIII', b'REDQ', 2, 2, 17), 3),
    (struct.pack('<4sIII', b'REDQ', 2, 2, 4097), 3),
    (struct.pack('<4sIII', b'REDQ', 2, 2, 2**32 - 1), 3),
    # Capabilities outside of the message, or inside of the header.
    (spice.message(struct.pack('<IBBIII', 0, 1, 0, 1, 0, 18)), 3),
    (spice.message(struct.pack('<IBBIII', 0, 1, 0, 0, 0, 17)), 3),
    (spice.message(struct.pack('<IBBIII', 0, 1, 0, 0, 0, 19)), 3),
    (spice.message(struct.pack('<IBBIII', 0, 1, 0, 0, 0, 2**32 - 1)), 3),
    (spice.message(struct.pack('<IBBIII', 0, 1, 0, 2**32 - 1, 0, 18)), 3),
    (
        spice.message(
            struct.pack('<IBBIII', 0, 1, 0, 2**32 - 1, 2**32 - 1, 18)
            + bytes(4000)
        ),
        3,
    ),
    # Unknown channels, and connection ids that do not fit.
    *((spice.link(kind), 9) for kind in (0, 7, 12, 255)),
    (spice.link(spice.MAIN, 1), 8),
    (spice.link(DISPLAY, 0), 8),
    # Well-formed, but cut off.
    *((LINK[:at], None) for at in range(len(LINK))),
    *((LINK + TICKET[:at], OK) for at in (0, 1, 4, 5, 131)),
    # Another mechanism, and tickets that cannot be decrypted.
    (LINK + struct.pack('<I', 2), OK),
    (LINK + TICKET, OK),
    (LINK + struct.pack('<I', 1) + b'\xff' * 128, OK),
)


class BadInputTest(SpiceTest):
    PROXY = {'handshake_timeout': 2}
    SPICE = {'direct_max_connections_per_address': 1000}

    def check_still_serves(self) -> None:
        """Check that a client gets a channel, and what the log has."""
        self.serve(Server())
        channel = self.channel(self.spice_token())
        self.assertEqual(OK, channel.error)
        channel.init()
        self.assertEqual(b'hello', channel.echo(b'hello'))
        log = self.proxy.log.read_text()
        for word in ('Traceback', ' ERROR ', ' CRITICAL '):
            at = log.find(word)
            self.assertLess(at, 0, log[max(0, at - 500) : at + 2000])

    def replies(self, port: int, data: bytes) -> bytes:
        """All that the proxy sends to a client that sends data."""
        with bad_input.connect(port, data) as stream:
            received = b''
            # The proxy may have closed already.
            with contextlib.suppress(OSError):
                stream.shutdown(socket.SHUT_WR)
                while more := stream.recv(65536):
                    received += more
        return received

    def test_malformed_links_get_an_error(self) -> None:
        for data, error in MALFORMED:
            received = self.replies(self.port, data)
            if error is None:
                self.assertEqual(b'', received, data)
                continue
            # A reset may discard the reply.
            if not received and error != OK:
                continue
            self.assertEqual(b'REDQ', received[:4], data)
            self.assertEqual(
                error, struct.unpack_from('<I', received, 16)[0], data
            )
            result = received[16 + struct.unpack_from('<I', received, 12)[0] :]
            self.assertIn(
                result, (b'', *(bytes([it, 0, 0, 0]) for it in (3, 7)))
            )
        self.check_still_serves()

    def test_mutations_are_refused(self) -> None:
        """Never anything but errors, and nothing reaches a server."""
        server = self.serve(Server())
        self.spice_token()
        chance = random.Random(19)
        bad = [
            (LINK + TICKET, False),
            (spice.link(DISPLAY, 5, (1, 2, 3), (4, 5, 6)) + TICKET, False),
        ]
        for data, _ in bad_input.mutated(bad, 1000, seed=19):
            port = chance.choice((self.port, self.port, self.tls_port))
            received = self.replies(port, data)
            if port == self.port and received:
                self.assertEqual(b'REDQ', received[:4])
                self.assertIn(len(received), (194, 202, 206, 198, 210))
        self.assertEqual([], server.links)
        self.check_still_serves()

    def test_slow_links_time_out(self) -> None:
        """A byte at a time does not extend the time of the link."""
        for start in (b'', LINK + TICKET[:4]):
            stream = self.dial()
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                stream.sendall(start)
                for byte in (LINK + TICKET)[len(start) :][:40]:
                    stream.sendall(bytes([byte]))
                    time.sleep(0.2)
            with contextlib.suppress(ConnectionResetError):
                while stream.recv(1000):
                    pass
        self.wait_for_log('the link failed: timed out')
        self.check_still_serves()

    def test_silent_clients_after_their_ticket_are_relayed(self) -> None:
        """What follows a ticket belongs to the channel, even if early."""
        self.serve(Server())
        early = struct.pack('<HI', spice.ACK, 5) + b'early'
        stream = self.dial()
        stream.sendall(LINK)
        key = spice.receive_message(stream)[20:182]
        stream.sendall(
            struct.pack('<I', 1)
            + spice.ticket(self.spice_token(), key)
            + early
        )
        self.assertEqual(bytes(4), spice.receive(stream, 4))
        spice.receive(stream, 10)
        self.assertEqual(early, spice.receive(stream, len(early)))

    def test_bad_connections_leave_nothing_behind(self) -> None:
        self.check_still_serves()
        bad = [
            (data, is_reset)
            for data, _ in MALFORMED
            for is_reset in (True, False)
        ]
        ports = (self.port, self.tls_port, self.port)
        bad_input.storm(ports, bad, 500)
        before = self.settled()
        bad_input.storm(ports, bad, 500)
        process.wait_for(
            lambda: all(
                now <= then
                for now, then in zip(self.settled(), before, strict=True)
            ),
            f'no more than {before}: {self.settled()}',
        )
        self.check_still_serves()

    def settled(self) -> tuple[int, float]:
        """Descriptors and tasks, once the metrics are up to date."""
        time.sleep(3)
        return self.proxy.descriptors(), self.proxy.tasks()


class BadServersTest(SpiceTest):
    """SPICE servers that send anything: clients get an error."""

    PROXY = {'handshake_timeout': 2}

    def test_malformed_replies_are_refused(self) -> None:
        good = Server()._reply(spice.MAIN)
        body = good[16:]
        chance = random.Random(20)
        bad = [
            *(good[:at] for at in range(0, len(good), 23)),
            spice.message(body, magic=b'REDX'),
            spice.message(body, major=3),
            spice.message(body[:177]),
            spice.message(b''),
            spice.message(body + bytes(5000)),
            # Keys: none, another size, no RSA.
            good[:20] + bytes(162) + good[182:],
            good[:20] + os.urandom(162) + good[182:],
            # Capabilities outside of the message.
            good[:182] + struct.pack('<III', 2**32 - 1, 2**32 - 1, 178),
            good[:182] + struct.pack('<III', 1, 1, 400) + good[194:],
            good[:182] + struct.pack('<III', 0, 0, 178) + good[194:],
            # Results that are unknown.
            *(good + struct.pack('<I', it) for it in (2**32 - 1, 10)),
            *(
                data
                for data, _ in bad_input.mutated(
                    [(good, False)], 60, chance.randrange(2**32)
                )
            ),
        ]
        replies = iter(bad)

        def serve(stream: socket.socket) -> None:
            with contextlib.suppress(EOFError):
                spice.receive_message(stream)
                stream.sendall(next(replies))
                stream.shutdown(socket.SHUT_WR)
                while stream.recv(1000):
                    pass

        self.console(serve, kind='spice-direct')
        token = self.spice_token()
        for data in bad:
            self.assertIn(self.channel(token).error, (1, 8, 9), data)
        self.wait_for_log('The main channel to the SPICE server at 127.0.0.1')
        self.assertNotIn('Traceback', self.proxy.log.read_text())

    def test_silent_server_times_out(self) -> None:
        def serve(stream: socket.socket) -> None:
            while stream.recv(1000):
                pass

        self.console(serve, kind='spice-direct')
        self.assertEqual(1, self.channel(self.spice_token()).error)
        self.wait_for_log('The hypervisor does not answer.')
