# SPDX-License-Identifier: Apache-2.0

"""Recorded sessions of VNC consoles, of browsers and of native clients."""

import base64
import os
import random
import shutil
import signal
from typing import Any

from websockets.exceptions import ConnectionClosed

from console_svc.compute.libvirt.vnc import Connection
from console_svc.protocols import rfb
from console_svc.recordings.check import State
from console_svc.recordings.fbs import client_bytes
from console_svc.recordings.keeping import Keeping
from console_svc.recordings.keys import Keys
from console_svc.tests import fixtures
from console_svc.tests.functional.proxy.base import SERVER
from console_svc.tests.functional.proxy.recording import (
    RecordedTest,
    RecordingsTest,
)
from console_svc.tests.functional.proxy.test_recording import NOT_RECORDED
from console_svc.tests.programs import consoles, fbs, process
from console_svc.tests.programs import rfb_messages as messages
from console_svc.tests.programs.browser import Browser
from console_svc.tests.programs.gateway import Gateway, GatewayTest, desktop
from console_svc.tests.programs.rfb_messages import (
    NOVNC,
    TIGERVNC,
    set_format,
)

# What the stub's ServerInit has behind the size and the pixel format.
_NAME = b'\0\0\0\4stub'

#: What a client sends at first, and what the server gets of it. ZRLE is for
#: noVNC's format alone, and the player does not know H.264.
OFFERED = messages.encodings(50, 7, 16, -312)
BEGIN = set_format(NOVNC) + OFFERED + messages.UPDATE_REQUEST
BEGUN = (
    set_format(NOVNC)
    + messages.encodings(7, 16, -312)
    + messages.UPDATE_REQUEST
)

KEY = messages.key(0x70, True)

OTHER_FORMAT = 'The session is recorded: its pixel format cannot change.'


def read(line: Connection, number: int) -> bytes:
    def step() -> Any:
        return (yield rfb.Read(number))

    data: bytes = line.perform(step())
    return data


def init(pixel_format: bytes) -> bytes:
    """The stub's ServerInit in a recording."""
    width, height = consoles.SCREEN
    return width.to_bytes(2) + height.to_bytes(2) + pixel_format + _NAME


class BrowserTest(RecordedTest):
    def setUp(self) -> None:
        super().setUp()
        # Behind ServerInit, it is an echo.
        self.console(consoles.vnc, kind='novnc')

    def browser(self, token: str | None = None) -> Browser:
        """A browser behind ServerInit.

        :param token: None: a new one
        """
        token = token or self.token('vnc', 'novnc')
        browser = Browser(f'{self.proxy.url}?token={token}')
        self.addCleanup(browser.connection.close)
        browser.perform(rfb.log_in((rfb.NONE,)))
        self.assertEqual(consoles.SCREEN, browser.desktop())
        read(browser, 16 + len(_NAME))
        return browser

    def check_sent(
        self, browser: Browser, sent: bytes, received: bytes
    ) -> None:
        """Check what the server gets of what a client sends."""
        browser.sendall(sent)
        self.assertEqual(received, read(browser, len(received)))

    def end_of(self, browser: Browser) -> tuple[int, str]:
        """Code and reason with which the proxy closes the websocket."""
        try:
            while True:
                browser.connection.recv(process.PATIENCE)
        except ConnectionClosed as closed:
            assert closed.rcvd is not None
            return closed.rcvd.code, closed.rcvd.reason

    def test_session_is_recorded(self) -> None:
        self.record()
        browser = self.browser()
        self.check_sent(browser, BEGIN, BEGUN)
        (session,) = self.sessions()
        self.check_sent(browser, messages.XVP, messages.XVP)
        browser.connection.close()
        stored = self.stored_file()
        self.assertEqual(
            init(NOVNC) + BEGUN + messages.XVP, fbs.sent(stored['file'])
        )
        times = [time for time, _ in fbs.blocks(stored['file'])]
        self.assertEqual(sorted(times), times)
        self.assertEqual(State.COMPLETE, stored['state'])
        self.assertEqual(session['id'], stored['head']['session_id'])
        self.assertEqual('novnc', stored['head']['console_type'])
        self.assertEqual({'started': 1}, self.outcomes())

    def test_session_without_a_recording_is_not_rewritten(self) -> None:
        self.record(types='serial')
        browser = self.browser()
        self.check_sent(browser, BEGIN + b'\xe0any', BEGIN + b'\xe0any')
        self.assertEqual([], [*self.storage.entries()])

    def token_with(self, **terms: Any) -> str:
        """A new console token with terms."""
        answer = self.service.request(
            'POST',
            f'{SERVER}/console-auth-tokens',
            fixtures.MEMBER,
            json={'console_auth_token': {'type': 'novnc', **terms}},
        )
        token: str = answer.json()['console_auth_token']['token']
        return token

    def test_session_that_only_views_is_recorded(self) -> None:
        self.record(mode='required')
        browser = self.browser(self.token_with(mode='view'))
        self.check_sent(browser, BEGIN + KEY, BEGUN)
        browser.sendall(set_format(TIGERVNC))
        self.assertEqual((1008, OTHER_FORMAT), self.end_of(browser))
        self.assertEqual(
            init(NOVNC) + BEGUN, fbs.sent(self.stored_file()['file'])
        )

    def test_token_can_require_a_recording(self) -> None:
        self.record(mode='off')
        browser = self.browser(self.token_with(record=True))
        self.check_sent(browser, BEGIN, BEGUN)
        browser.connection.close()
        self.assertEqual(
            init(NOVNC) + BEGUN, fbs.sent(self.stored_file()['file'])
        )
        shutil.rmtree(self.folder)
        target = f'?token={self.token_with(record=True)}'
        self.assertEqual(NOT_RECORDED, self.refused(target))
        # Others do not depend on it.
        self.check_sent(self.browser(), BEGIN, BEGIN)

    def test_format_that_cannot_be_recorded_ends_the_session(self) -> None:
        self.record()
        browser = self.browser()
        self.check_sent(browser, BEGIN, BEGUN)
        browser.sendall(set_format(TIGERVNC))
        self.assertEqual((1008, OTHER_FORMAT), self.end_of(browser))
        stored = self.stored_file()
        self.assertEqual(OTHER_FORMAT, stored['reason'])
        self.assertEqual(init(NOVNC) + BEGUN, fbs.sent(stored['file']))
        self.assertNotIn('unexpected', self.proxy.log.read_text())

    def test_unknown_message_ends_the_session(self) -> None:
        """What follows it could be another choice."""
        self.record()
        browser = self.browser()
        browser.sendall(b'\xe0' + BEGIN)
        code, _ = self.end_of(browser)
        self.assertEqual(1002, code)

    def recorded_input(self) -> bytes:
        """What is recorded of a client that also presses a key."""
        browser = self.browser()
        self.check_sent(browser, BEGIN, BEGUN)
        self.check_sent(browser, KEY, KEY)
        browser.connection.close()
        self.assertEqual(
            init(NOVNC) + BEGUN + KEY, fbs.sent(self.stored_file()['file'])
        )
        with self.opened_recording() as (source, key):
            found = client_bytes(source, key)
            return b''.join(data for _, data in found)

    def test_input_is_not_recorded_by_default(self) -> None:
        self.record()
        self.assertEqual(b'', self.recorded_input())

    def test_input_is_recorded_if_it_should_be(self) -> None:
        self.record(record_input=True)
        self.assertEqual(BEGUN + KEY, self.recorded_input())

    def test_recording_of_a_killed_worker_is_completed(self) -> None:
        self.record()
        browser = self.browser()
        self.check_sent(browser, BEGIN, BEGUN)
        process.wait_for(lambda: self.is_written(BEGUN), 'the piece')
        (worker,) = process.children(self.proxy.process.pid)
        os.kill(worker, signal.SIGKILL)
        stored = self.stored_file()
        self.assertEqual(init(NOVNC) + BEGUN, fbs.sent(stored['file']))
        self.assertEqual(State.INTERRUPTED, stored['state'])

    def test_required_recording_on_a_full_disk_refuses(self) -> None:
        self.record(mode='required', min_free=2**40)
        target = f'?token={self.token("vnc", "novnc")}'
        self.assertEqual(NOT_RECORDED, self.refused(target))

    def test_session_ends_when_its_recording_cannot_grow(self) -> None:
        """A piece is written in part. What was whole before is completed."""
        limited = 'ulimit -f 64 && exec console-svc-proxy "$@"'
        self.record(
            mode='required',
            proxy={'command': ('bash', '-c', limited, 'limited')},
        )
        browser = self.browser()
        self.check_sent(browser, BEGIN, BEGUN)
        process.wait_for(lambda: self.is_written(BEGUN), 'the piece')
        # It hardly compresses: more than 64 KiB.
        text = base64.b64encode(random.Random(0).randbytes(90_000))
        browser.sendall(messages.cut_text(text))
        self.assertEqual(NOT_RECORDED, self.end_of(browser))
        # As a worker does each minute.
        Keeping(self.conf, self.storage, Keys(self.conf)).run(0)
        stored = self.stored_file()
        self.assertEqual(State.INTERRUPTED, stored['state'])
        self.assertEqual(init(NOVNC) + BEGUN, fbs.sent(stored['file']))

    def test_session_continues_without_its_optional_recording(self) -> None:
        self.record(min_free=1)
        browser = self.browser()
        self.check_sent(browser, BEGIN, BEGUN)
        shutil.rmtree(self.folder)
        self.check_sent(browser, messages.XVP, messages.XVP)
        process.wait_for(
            lambda: self.outcomes() == {'started': 1, 'failed': 1},
            'the recording to fail',
        )
        self.check_sent(browser, messages.XVP, messages.XVP)


class NativeClientTest(RecordingsTest, GatewayTest):
    def open(self, mode: str = 'optional', **options: Any) -> None:
        """Start a gateway that records."""
        port = self.useFixture(consoles.TCPConsole(consoles.vnc)).port
        self.configure(mode, **options)
        self.gateway = self.useFixture(
            Gateway(port, proxy={'recording': self.recording})
        )
        self.opened = self.gateway.open()

    def enter(self, *types: int) -> Connection:
        """A client behind ServerInit."""
        _, line = self.log_in(
            self.opened['port'], self.opened['password'], *types
        )
        self.assertEqual(consoles.SCREEN, desktop(line))
        read(line, 16 + len(_NAME))
        return line

    def test_session_is_recorded(self) -> None:
        """Inside TLS, with the format of TigerVNC's viewer."""
        self.open()
        line = self.enter(rfb.VENCRYPT)
        format_ = set_format(TIGERVNC)
        sent = format_ + OFFERED + messages.UPDATE_REQUEST
        received = (
            format_ + messages.encodings(7, -312) + messages.UPDATE_REQUEST
        )
        line.perform(step_of(sent))
        self.assertEqual(received, read(line, len(received)))
        (session,) = self.gateway.sessions()
        self.gateway.close(self.opened)
        stored = self.stored_file()
        self.assertEqual(init(TIGERVNC) + received, fbs.sent(stored['file']))
        self.assertEqual(session['id'], stored['head']['session_id'])
        self.assertEqual('vnc', stored['head']['console_type'])

    def test_format_that_cannot_be_recorded_ends_the_session(self) -> None:
        self.open()
        line = self.enter()
        line.perform(step_of(BEGIN + set_format(TIGERVNC)))
        self.assertRaises(rfb.RFBError, read, line, len(BEGUN) + 1)
        log = self.gateway.proxy.log
        process.wait_for(
            lambda: f'session closed: {OTHER_FORMAT}' in log.read_text(),
            'the reason in the log',
        )
        self.assertEqual(OTHER_FORMAT, self.stored_file()['reason'])

    def test_required_recording_that_cannot_be_created_refuses(self) -> None:
        """The viewer shows why."""
        self.open(mode='required')
        shutil.rmtree(self.folder)
        self.check_refused(
            NOT_RECORDED[1], self.opened['port'], self.opened['password']
        )
        self.folder.mkdir()
        self.enter()


def step_of(data: bytes) -> Any:
    """A handshake that writes."""
    yield rfb.Write(data)
