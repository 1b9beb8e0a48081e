# SPDX-License-Identifier: Apache-2.0

"""Hand-overs and take-overs of consoles."""

import dataclasses
import json
from typing import Any

import fixtures as fixtures_
import testtools

from console_svc import exception
from console_svc.consoles.new_sessions import TakeoverRefused
from console_svc.consoles.terms import NotViewable, Terms
from console_svc.context import RequestContext
from console_svc.endings import EndReason, SessionQuery
from console_svc.objects import ConsoleSession, SessionMode
from console_svc.tests import fixtures
from console_svc.tests.unit.consoles import fakes
from console_svc.tests.unit.consoles.fakes import RecordingDriver

NOW = 1_800_000_000
PROXY = '1d8f3c52-7a90-4e6b-8c14-5f2e9b7a3d60'
UNKNOWN = 'c4a6f0d2-83b1-4f7e-9d25-6b0e1a7f5c38'
VIEW, CONTROL = SessionMode.VIEW, SessionMode.CONTROL


class Case(testtools.TestCase):
    """Sessions of two users on one server, opened by a console proxy."""

    def service(self, **options: object) -> None:
        configuration = self.useFixture(
            fixtures.Configuration(consoleauth=options)
        )
        self.log = self.useFixture(fixtures_.FakeLogger('console_svc.audit'))
        self.driver = RecordingDriver()
        self.services = fakes.services(configuration, self.driver, lambda: NOW)
        self.server = self.driver.server

    def open(
        self,
        user_id: str = 'joe',
        console_type: str = 'novnc',
        mode: SessionMode = CONTROL,
        address: str = '198.51.100.7',
        lists_sessions: bool = False,
        **more: Any,
    ) -> ConsoleSession:
        token, _ = self.services.tokens.issue_with(
            RequestContext(user_id=user_id, overwrite=False),
            self.server,
            console_type,
            Terms(mode=mode),
            lists_sessions,
        )
        return self.use(token, address, **more)

    def use(
        self, token: str, address: str = '198.51.100.7', **more: Any
    ) -> ConsoleSession:
        session, _, _ = self.services.sessions.open_by_token(
            RequestContext(user_id='proxy', overwrite=False),
            token,
            address,
            **more,
        )
        return session

    def change(
        self, session: ConsoleSession, mode: SessionMode
    ) -> ConsoleSession:
        return self.services.session_modes.change(
            RequestContext(user_id='ada', overwrite=False),
            self.server,
            session.id,
            mode,
        )

    def ids(self) -> list[str]:
        return [
            it.id
            for it in self.services.session_lists.live(
                SessionQuery(server_id=self.server.id, limit=1000)
            )
        ]

    def events(self, name: str) -> list[dict[str, Any]]:
        """The audit events of a type, the oldest first."""
        lines = map(json.loads, self.log.output.splitlines())
        return [it for it in lines if it['name'] == name]


class HandOverTest(Case):
    def test_is_audited_with_user_and_mode(self) -> None:
        self.service()
        session = self.open(mode=VIEW)
        self.change(session, CONTROL)
        (event,) = self.events('console_session.set_mode')
        self.assertEqual('ada', event['initiator']['id'])
        self.assertEqual('update', event['action'])
        self.assertEqual('control', event['target']['mode'])
        self.assertEqual(session.id, event['target']['session_id'])
        (issued,) = self.events('console_auth_token.issue')
        (opened,) = self.events('console_session.open')
        for event in issued, opened:
            self.assertEqual('view', event['target']['mode'])

    def test_only_sessions_of_the_server_change(self) -> None:
        self.service()
        session = self.open()
        for server_id, session_id in (
            (fixtures.STOPPED, session.id),
            (fixtures.SERVER, UNKNOWN),
            (fixtures.SERVER, 'x' * 300),
        ):
            server = dataclasses.replace(self.server, id=server_id)
            self.assertRaises(
                exception.SessionNotFound,
                self.services.session_modes.change,
                fakes.CONTEXT,
                server,
                session_id,
                VIEW,
            )
        self.assertEqual([], self.events('console_session.set_mode'))

    def test_client_does_not_take_control_back_by_connecting_again(
        self,
    ) -> None:
        self.service(allow_takeover=True)
        token = self.services.tokens.issue(fakes.CONTEXT, self.server, 'novnc')
        look_up = self.services.tokens.look_up
        session = self.use(token)
        self.change(session, VIEW)
        self.assertEqual(VIEW, self.use(token).mode)
        self.assertRaises(TakeoverRefused, self.use, token, takes_over=True)
        # Nor by a proxy that opens no sessions.
        self.assertRaises(
            exception.TokenNotFound, look_up, fakes.CONTEXT, token
        )
        self.change(session, CONTROL)
        self.assertEqual(CONTROL, self.use(token).mode)
        self.assertEqual(CONTROL, look_up(fakes.CONTEXT, token).mode)

    def test_types_that_cannot_be_watched_stay(self) -> None:
        self.service()
        session = self.open(console_type='webmks')
        self.assertRaises(NotViewable, self.change, session, VIEW)
        self.assertEqual(CONTROL, self.change(session, CONTROL).mode)

    def test_all_channels_of_a_page_change(self) -> None:
        self.service()
        token = self.services.tokens.issue(
            fakes.CONTEXT, self.server, 'spice-html5'
        )
        first, second = self.use(token), self.use(token)
        self.change(second, VIEW)
        third = self.use(token)
        self.assertEqual(VIEW, third.mode)
        modes = self.services.session_modes.get([first.id, second.id])
        self.assertEqual([VIEW, VIEW], [*modes.values()])

    def test_session_that_ends_meanwhile_is_not_found(self) -> None:
        self.service()
        session = self.open()
        modes = self.services.database.modes
        change = modes.change

        def end_first(*arguments: Any) -> Any:
            self.services.sessions.close(fakes.CONTEXT, session.id)
            return change(*arguments)

        self.patch(modes, 'change', end_first)
        self.assertRaises(
            exception.SessionNotFound, self.change, session, VIEW
        )
        self.assertEqual([], self.events('console_session.set_mode'))

    def test_resumed_session_keeps_its_mode(self) -> None:
        self.service(max_uses=1)
        token = self.services.tokens.issue(fakes.CONTEXT, self.server, 'novnc')
        session = self.use(token, secret='one')
        self.change(session, VIEW)
        resumed = self.use(token, secret='two', previous_secret='one')
        self.assertEqual(VIEW, resumed.mode)
        self.assertEqual(
            'view', self.events('console_session.open')[-1]['target']['mode']
        )


class TakeOverTest(Case):
    def test_is_refused_by_default(self) -> None:
        self.service()
        holder = self.open()
        error = self.assertRaises(
            TakeoverRefused, self.open, 'eve', takes_over=True
        )
        self.assertEqual('Consoles cannot be taken over here', str(error))
        self.assertEqual([holder.id], self.ids())
        self.assertEqual(
            'failure', self.events('console_session.open')[-1]['outcome']
        )

    def test_needs_control(self) -> None:
        self.service(allow_takeover=True)
        holder = self.open()
        error = self.assertRaises(
            TakeoverRefused, self.open, 'eve', mode=VIEW, takes_over=True
        )
        self.assertIn('cannot take it over', str(error))
        self.assertEqual([holder.id], self.ids())

    def test_names_who_took_over(self) -> None:
        self.service(allow_takeover=True)
        holder = self.open()
        watcher = self.open(mode=VIEW)
        self.services.keep_alives.keep_proxy(PROXY, [holder.id, watcher.id])
        taker = self.open('eve', takes_over=True)
        self.assertEqual([watcher.id, taker.id], self.ids())
        kept = self.services.keep_alives.keep_proxy(PROXY, [])
        self.assertEqual(
            {holder.id: (EndReason.TAKEN_OVER, 'eve')}, kept.reasons
        )
        (event,) = self.events('console_session.end')
        self.assertEqual('taken_over', event['target']['reason'])
        self.assertEqual('eve', event['target']['ended_by'])

    def test_other_consoles_of_the_server_stay(self) -> None:
        self.service(allow_takeover=True)
        serial = self.open(console_type='serial')
        taker = self.open('eve', takes_over=True)
        self.assertEqual([serial.id, taker.id], self.ids())
        third = self.open('ada', takes_over=True)
        self.assertEqual([serial.id, third.id], self.ids())

    def test_repeated_request_ends_nothing_else(self) -> None:
        self.service(allow_takeover=True)
        token = self.services.tokens.issue(fakes.CONTEXT, self.server, 'novnc')
        first = self.use(token, session_id=UNKNOWN, takes_over=True)
        again = self.use(token, session_id=UNKNOWN, takes_over=True)
        self.assertEqual(first, again)
        self.assertEqual([], self.events('console_session.end'))


class HoldersTest(Case):
    """The users of a console, in a refusal to a user who may know them."""

    def holders(self, **more: Any) -> list[tuple[str, str]]:
        """User and mode of the sessions that a refusal names."""
        error = self.assertRaises(
            exception.TooManySessions, self.open, 'eve', **more
        )
        return [
            (it['user_id'], it['mode'])
            for it in error.details.get('holders', ())
        ]

    def test_those_with_control_come_first(self) -> None:
        self.service(max_sessions_per_server=3)
        self.open('ada', mode=VIEW)
        self.open('joe')
        self.open('bob', 'serial')
        self.assertEqual([], self.holders())
        expected = [('joe', 'control'), ('bob', 'control'), ('ada', 'view')]
        self.assertEqual(expected, self.holders(lists_sessions=True))

    def test_channels_of_a_page_are_one(self) -> None:
        self.service(max_sessions_per_server=3)
        token, _ = self.services.tokens.issue_with(
            fakes.CONTEXT, self.server, 'spice-html5', Terms()
        )
        for _ in range(3):
            self.use(token)
        self.assertEqual(
            [('joe', 'control')], self.holders(lists_sessions=True)
        )

    def test_ten_are_named_at_most(self) -> None:
        self.service(max_sessions_per_server=12)
        for number in range(12):
            self.open(f'user-{number}')
        self.assertEqual(10, len(self.holders(lists_sessions=True)))
