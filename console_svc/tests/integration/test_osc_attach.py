# SPDX-License-Identifier: Apache-2.0

"""``openstack server console attach``, in a terminal of the test."""

import contextlib
import os
import pathlib
import pty
import signal
import socket
import subprocess
import termios
import threading
from collections.abc import Sequence

from console_svc.tests import fixtures
from console_svc.tests.functional.proxy.base import ProxyTest
from console_svc.tests.programs import process
from console_svc.tests.programs.proxy import Proxy

#: What the command prints before it puts the terminal into raw mode.
BANNER = b'to disconnect.\r\n'


class Attached:
    """The command, and the terminal that it runs in.

    :param command: it and its arguments
    """

    def __init__(
        self,
        test: ProxyTest,
        *options: str,
        command: Sequence[str] = (
            *('server', 'console', 'attach', fixtures.SERVER),
        ),
        token: str = fixtures.MEMBER,
    ) -> None:
        self.master, self._slave = pty.openpty()
        test.addCleanup(self._close)
        self.before = termios.tcgetattr(self._slave)
        #: What the terminal has shown.
        self.shown = b''
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._process = subprocess.Popen(
            [
                *(process.program('openstack'), *options),
                *command,
            ],
            env={
                **os.environ,
                'OS_AUTH_TYPE': 'admin_token',
                'OS_TOKEN': token,
                'OS_ENDPOINT': f'{test.service.url}/v2.1',
            },
            stdin=self._slave,
            stdout=self._slave,
            stderr=self._slave,
            # Its controlling terminal is not that of the tests.
            start_new_session=True,
        )
        test.addCleanup(self._process.wait)
        test.addCleanup(self._process.kill)

    def _close(self) -> None:
        os.close(self._slave)
        # The last slave: this ends the reader.
        self._reader.join()
        os.close(self.master)

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while data := os.read(self.master, 4096):
                with self._changed:
                    self.shown += data
                    self._changed.notify_all()

    def see(self, what: bytes) -> None:
        """Wait until the terminal has shown something."""
        with self._changed:
            seen = self._changed.wait_for(
                lambda: what in self.shown, process.PATIENCE
            )
        if not seen:
            raise AssertionError(f'{what!r} is not in {self.shown!r}')

    def type(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def end(self) -> int:
        """Wait for the end of the command; return its status."""
        return self._process.wait(process.PATIENCE)

    @property
    def is_restored(self) -> bool:
        """Whether the terminal is as it was before the command."""
        return termios.tcgetattr(self._slave) == self.before


def shell(connection: socket.socket) -> None:
    """A guest that greets, and repeats what is typed in capitals."""
    connection.sendall(b'login: ')
    while data := connection.recv(4096):
        connection.sendall(data.upper())


class AttachCase(ProxyTest):
    def setUp(self) -> None:
        super().setUp()
        self.console(shell)
        self.lead(self.proxy.url)

    def lead(self, base: str) -> None:
        """Have the URLs of serial consoles begin with this one."""
        self.service.conf.set_override('base_url', base, 'serial_console')
        self.addCleanup(
            self.service.conf.clear_override, 'base_url', 'serial_console'
        )

    def check_session(self, attached: Attached) -> None:
        """Use a console, and disconnect."""
        attached.see(b'login: ')
        self.assertFalse(attached.is_restored)
        # Control characters reach the guest, such as Ctrl+C and Ctrl+Z.
        attached.type(b'a\x03\x1a\x04\xc3\xa9~~\r')
        attached.see(b'A\x03\x1a\x04')
        attached.see(b'~~\r')
        attached.type(b'~~~x\r')
        attached.see(b'~~X\r')
        attached.type(b'~.')
        self.assertEqual(0, attached.end(), attached.shown)
        attached.see(b'Disconnected.')
        self.assertTrue(attached.is_restored)
        self.assertNotIn(b'~.', attached.shown.partition(BANNER)[2])
        self.wait_for_no_session()


class AttachTest(AttachCase):
    def test_from_a_websocket_url(self) -> None:
        self.check_session(Attached(self))

    def test_from_the_url_of_a_page(self) -> None:
        page = f'http://127.0.0.1:{self.proxy.port}/serial.html'
        self.lead(page)
        self.check_session(Attached(self))

    def test_close_reason_is_shown(self) -> None:
        attached = Attached(self)
        attached.see(b'login: ')
        (session,) = self.sessions()
        self.end(session)
        self.assertEqual(1, attached.end())
        attached.see(b'The session was ended. (close code 1008)')
        self.assertTrue(attached.is_restored)

    def test_guest_that_ends_the_console(self) -> None:
        self.console(lambda connection: connection.sendall(b'bye\r\n'))
        attached = Attached(self)
        self.assertEqual(0, attached.end())
        attached.see(b'bye')
        attached.see(b'The console has ended.')
        self.assertTrue(attached.is_restored)

    def test_proxy_that_is_lost(self) -> None:
        lost = self.useFixture(Proxy(self.service, keep_interval=1))
        self.lead(lost.url)
        attached = Attached(self)
        attached.see(b'login: ')
        lost.process.kill()
        self.assertEqual(1, attached.end())
        attached.see(b'The connection was lost.')
        self.assertTrue(attached.is_restored)
        for session in self.sessions():
            self.end(session)

    def test_signals_restore_the_terminal(self) -> None:
        for number in signal.SIGTERM, signal.SIGHUP:
            attached = Attached(self)
            attached.see(b'login: ')
            attached.signal(number)
            self.assertEqual(0, attached.end())
            self.assertTrue(attached.is_restored)

    def test_proxy_that_does_not_answer_is_named(self) -> None:
        port = process.free_port()
        self.lead(f'ws://127.0.0.1:{port}/')
        attached = Attached(self, '--debug')
        self.assertEqual(1, attached.end())
        attached.see(b'The console proxy at 127.0.0.1:%d cannot be' % port)
        self.assertTrue(attached.is_restored)
        self.assertNotIn(b'?token=', attached.shown)

    def test_debug_log_has_no_token(self) -> None:
        attached = Attached(self, '--debug')
        attached.see(b'login: ')
        attached.type(b'~.')
        self.assertEqual(0, attached.end())
        self.assertNotIn(b'?token=', attached.shown)

    def test_pipes_are_refused(self) -> None:
        done = subprocess.run(
            [
                process.program('openstack'),
                *('server', 'console', 'attach', fixtures.SERVER),
            ],
            env={
                **os.environ,
                'OS_AUTH_TYPE': 'admin_token',
                'OS_TOKEN': fixtures.MEMBER,
                'OS_ENDPOINT': f'{self.service.url}/v2.1',
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        self.assertEqual(
            (1, 'Standard input and output must be a terminal.\n'),
            (done.returncode, done.stderr),
        )
        self.assertEqual([], self.sessions())


class TLSTest(AttachCase):
    @classmethod
    def start_proxy(cls) -> None:
        cls.use_tls()
        super().start_proxy()

    def test_certificate_of_a_known_ca_is_accepted(self) -> None:
        folder = pathlib.Path(self.PROXY['cert']).parent
        page = f'https://127.0.0.1:{self.proxy.port}/serial.html'
        self.lead(page)
        self.check_session(
            Attached(self, '--os-cacert', str(folder / 'ca-cert.pem'))
        )

    def test_no_certificate_is_verified_if_the_user_says_so(self) -> None:
        self.check_session(Attached(self, '--insecure'))

    def test_unknown_certificate_is_refused(self) -> None:
        attached = Attached(self)
        self.assertEqual(1, attached.end())
        attached.see(b'CERTIFICATE_VERIFY_FAILED')
        self.assertEqual([], self.sessions())
