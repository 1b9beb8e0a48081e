# SPDX-License-Identifier: Apache-2.0

"""Filters of the input of sessions, by their mode and by the options."""

import asyncio
import dataclasses
from typing import Any
from unittest import mock

import testtools

from console_svc.protocols import rfb, serial, spice
from console_svc.proxy.api_answers import OpenedSession
from console_svc.proxy.errors import ChannelClosed, ClientFailed, Refused
from console_svc.proxy.inputs import (
    ClientInput,
    browser_input,
    channel_input,
    vnc_input,
)
from console_svc.proxy.rdp import RDPServer
from console_svc.proxy.session import Session
from console_svc.tests import fixtures

KEY = bytes([4, 1, 0, 0, 0, 0, 0, 0x78])
UNKNOWN = b'\xe0unknown'
OPENED = OpenedSession('id', 'server', 'serial', '192.0.2.1', 1, None, None)


def session(console_type: str, mode: str) -> Session:
    async def make() -> Session:
        return Session(
            dataclasses.replace(OPENED, console_type=console_type, mode=mode)
        )

    return asyncio.run(make())


class ClientInputTest(testtools.TestCase):
    def test_unknown_message_ends_view_mode(self) -> None:
        client = ClientInput(rfb.Filter(is_view=True))
        self.assertEqual(b'', client.passed(KEY))
        error = self.assertRaises(ClientFailed, client.passed, UNKNOWN)
        self.assertEqual(1002, error.code)

    def test_all_passes_behind_an_unknown_message_with_control(self) -> None:
        client = ClientInput(rfb.Filter(is_view=False))
        passed = client.passed(KEY + KEY[:3])
        passed += client.passed(KEY[3:] + UNKNOWN[:1])
        self.assertTrue(client.take_seen())
        passed += client.passed(UNKNOWN[1:])
        passed += client.passed(b'more')
        self.assertEqual(KEY + KEY + UNKNOWN + b'more', passed)
        self.assertTrue(client.take_seen())
        self.assertFalse(client.take_seen())
        # What follows could be input.
        self.assertRaises(Refused, client.change, True)

    def test_unknown_message_ends_a_recorded_session(self) -> None:
        """What follows could be another pixel format."""
        client = ClientInput(rfb.Filter(is_view=False), must_know=True)
        self.assertEqual(KEY, client.passed(KEY))
        self.assertRaises(ClientFailed, client.passed, UNKNOWN)

    def test_choice_that_cannot_be_recorded_is_refused(self) -> None:
        recorded = rfb.Recorded(lambda _: None)
        for is_view in (True, False):
            client = ClientInput(rfb.Filter(is_view, recorded), True)
            # A pixel format of 8 bits.
            error = self.assertRaises(
                Refused, client.passed, bytes(4) + b'\x08' + bytes(15)
            )
            self.assertEqual(1008, error.code)

    def test_keys_are_released(self) -> None:
        client = ClientInput(rfb.Filter(is_view=False))
        client.passed(KEY)
        self.assertEqual(KEY[:1] + b'\0' + KEY[2:], client.change(True))
        self.assertEqual(b'', client.passed(KEY))
        self.assertEqual(b'', client.change(False))
        self.assertEqual(KEY, client.passed(KEY))

    def test_filter_may_require_control(self) -> None:
        usbredir = spice.channel_filter(spice.Channel.USBREDIR, True, False)
        self.assertRaises(Refused, ClientInput(usbredir).change, True)


class ChoiceTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.conf = self.useFixture(fixtures.Configuration()).conf

    def of(self, console_type: str, mode: str, server: Any = None) -> Any:
        found = session(console_type, mode)
        return browser_input(self.conf, found, server)

    def test_unparsed_if_nothing_depends_on_it(self) -> None:
        self.conf.set_override('hand_over', False, 'proxy')
        link: Any = spice.Link(b'', 0, spice.Channel.INPUTS, 0)
        control = session('vnc', 'control')
        for found in (
            *(self.of(it, 'control') for it in ('novnc', 'serial', 'webmks')),
            self.of('spice-html5', 'control'),
            vnc_input(self.conf, control),
            channel_input(self.conf, control, link),
        ):
            self.assertIsNone(found)
        self.conf.set_override('idle_timeout', 1, 'proxy')
        self.assertIsNotNone(self.of('novnc', 'control'))
        self.conf.set_override('idle_timeout', 0, 'proxy')
        self.conf.set_override('hand_over', True, 'proxy')
        self.assertIsNotNone(vnc_input(self.conf, control))

    def test_recorded_vnc_sessions_are_parsed(self) -> None:
        self.conf.set_override('hand_over', False, 'proxy')
        for mode in ('control', 'view'):
            for kind, choose in (
                ('novnc', lambda it: browser_input(self.conf, it, None)),
                ('vnc', lambda it: vnc_input(self.conf, it)),
            ):
                recorded = session(kind, mode)
                recorded.recording = mock.Mock(
                    choices=rfb.Recorded(mock.Mock())
                )
                found = choose(recorded)
                self.assertEqual(mode == 'view', found._filter.is_view)
                # A pixel format of 8 bits.
                self.assertRaises(
                    Refused, found.passed, bytes(4) + b'\x08' + bytes(15)
                )

    def test_each_type_has_its_filter(self) -> None:
        self.conf.set_override('hand_over', False, 'proxy')
        server = RDPServer(None, True)  # type: ignore[arg-type]
        for console_type, expected in (
            ('novnc', rfb.Filter),
            ('serial', serial.Filter),
            ('spice-html5', spice.Filter),
        ):
            found = self.of(console_type, 'view')
            self.assertIsInstance(found._filter, expected)
            self.assertTrue(found._filter.is_view)
        found = self.of('rdp-html5', 'view', server)
        self.assertTrue(found._filter.is_view)

    def test_type_without_view_mode_is_refused(self) -> None:
        self.assertRaises(Refused, self.of, 'webmks', 'view')
        self.assertIsNone(self.of('webmks', 'control'))

    def test_channels_for_input_require_control(self) -> None:
        for channel in spice.Channel:
            link: Any = spice.Link(b'', 0, channel, 0)
            view = session('spice-direct', 'view')
            if channel in spice.VIEW_CHANNELS:
                self.assertIsNotNone(channel_input(self.conf, view, link))
            else:
                self.assertRaises(
                    ChannelClosed, channel_input, self.conf, view, link
                )
