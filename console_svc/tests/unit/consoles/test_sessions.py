# SPDX-License-Identifier: Apache-2.0

import dataclasses
import uuid

import testtools
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from console_svc import audit, exception
from console_svc.consoles import purge
from console_svc.consoles.sessions import ConsoleSessions
from console_svc.consoles.tokens import ConsoleAuthTokens
from console_svc.objects import ConsoleSession
from console_svc.tests import fixtures
from console_svc.tests.unit.consoles.fakes import CONTEXT, RecordingDriver

START = 1_800_000_000
TTL = 600
LAPSE = 30


class Service:
    """Tokens and sessions on a clock of our own."""

    def __init__(self, configuration: fixtures.Configuration) -> None:
        self.now = START
        self.driver = RecordingDriver()
        self.database = configuration.database
        parts = (configuration.conf, configuration.database)
        self.tokens = ConsoleAuthTokens(
            *parts, self.driver, audit.Audit(), clock=lambda: self.now
        )
        self.sessions = ConsoleSessions(
            *parts, self.tokens, audit.Audit(), clock=lambda: self.now
        )

    def issue(self) -> str:
        return self.tokens.issue(CONTEXT, self.driver.server, 'novnc')

    def open(self, token: str) -> ConsoleSession:
        return self.sessions.open(CONTEXT, token, '198.51.100.7')[0]

    def ids(self) -> list[str]:
        return [item.id for item in self.sessions.list(self.driver.server)]


class SessionsTest(testtools.TestCase):
    def service(self, **options: object) -> Service:
        options = {'token_ttl': TTL, 'session_lapse': LAPSE, **options}
        return Service(
            self.useFixture(fixtures.Configuration(consoleauth=options))
        )

    def test_lapses_when_it_is_not_kept_alive(self) -> None:
        service = self.service()
        token = service.issue()
        session = service.open(token)
        service.now += LAPSE - 1
        service.sessions.keep(token, session.id)
        service.now += LAPSE - 1
        self.assertEqual([session.id], service.ids())
        service.now += 1
        self.assertEqual([], service.ids())
        self.assertRaises(
            exception.SessionNotFound,
            service.sessions.keep,
            token,
            session.id,
        )

    def test_all_of_a_proxy_are_kept_at_once(self) -> None:
        service = self.service()
        tokens = [service.issue() for _ in range(3)]
        sessions = [service.open(token).id for token in tokens]
        service.now += LAPSE - 1
        kept = service.sessions.keep_all([*sessions[:2], str(uuid.uuid4())])
        self.assertEqual(dict.fromkeys(sessions[:2]), dict(kept))
        service.now += LAPSE - 1
        self.assertEqual(sessions[:2], service.ids())
        service.sessions.close(CONTEXT, tokens[0], sessions[0])
        self.assertEqual(
            dict.fromkeys(sessions[1:2]),
            dict(service.sessions.keep_all(sessions[:2])),
        )

    def test_comes_back_when_the_service_was_away(self) -> None:
        service = self.service()
        session = service.open(service.issue())
        service.now += LAPSE * 3
        self.assertEqual([], service.ids())
        self.assertEqual(
            {session.id: None}, dict(service.sessions.keep_all([session.id]))
        )
        self.assertEqual([session.id], service.ids())

    def test_does_not_come_back_after_its_end(self) -> None:
        service = self.service(enforce_session_timeout=True)
        session = service.open(service.issue())
        service.now = START + TTL - 1
        self.assertEqual(
            {session.id: START + TTL},
            dict(service.sessions.keep_all([session.id])),
        )
        service.now += 1
        self.assertEqual({}, dict(service.sessions.keep_all([session.id])))

    def test_outlives_its_token(self) -> None:
        service = self.service()
        token = service.issue()
        session = service.open(token)
        self.assertIsNone(session.expires)
        for _ in range(TTL):
            service.now += LAPSE - 1
            service.sessions.keep(token, session.id)

    def test_ends_with_its_token_where_that_is_enforced(self) -> None:
        service = self.service(enforce_session_timeout=True)
        token = service.issue()
        session = service.open(token)
        self.assertEqual(START + TTL, session.expires)
        while service.now < START + TTL:
            service.sessions.keep(token, session.id)
            service.now += 10
        self.assertEqual([], service.ids())
        self.assertRaises(
            exception.SessionNotFound,
            service.sessions.keep,
            token,
            session.id,
        )

    def test_only_its_own_token_keeps_or_closes_it(self) -> None:
        service = self.service()
        session, other = service.open(service.issue()), service.issue()
        for method in (
            service.sessions.keep,
            lambda *args: service.sessions.close(CONTEXT, *args),
        ):
            self.assertRaises(
                exception.SessionNotFound, method, other, session.id
            )
        self.assertEqual([session.id], service.ids())

    def test_only_its_own_server_ends_it(self) -> None:
        service = self.service()
        session = service.open(service.issue())
        other = dataclasses.replace(service.driver.server, id=fixtures.UNKNOWN)
        self.assertRaises(
            exception.SessionNotFound,
            service.sessions.end,
            CONTEXT,
            other,
            session.id,
        )

    def test_a_token_for_a_single_use(self) -> None:
        service = self.service(max_uses=1)
        token = service.issue()
        service.tokens.validate(CONTEXT, token)  # a look-up is no use
        session = service.open(token)
        service.sessions.close(CONTEXT, token, session.id)
        self.assertRaises(exception.TokenUsedUp, service.open, token)
        self.assertEqual([], service.ids())

    def test_a_limit_of_sessions_refuses(self) -> None:
        service = self.service(max_sessions_per_server=2, max_uses=1)
        first, second = (service.open(service.issue()) for _ in range(2))
        third = service.issue()
        self.assertRaises(exception.TooManySessions, service.open, third)
        self.assertEqual([first.id, second.id], service.ids())
        service.now += LAPSE
        # What lapsed makes room, and the refusal was no use of the token.
        service.open(third)

    def test_or_the_newest_wins(self) -> None:
        service = self.service(
            max_sessions_per_server=2, when_sessions_are_full='replace'
        )
        opened = [service.open(service.issue()).id for _ in range(4)]
        self.assertEqual(opened[2:], service.ids())

    def test_a_use_that_finds_nothing_replaces_nobody(self) -> None:
        service = self.service(
            max_sessions_per_server=1,
            when_sessions_are_full='replace',
            max_uses=1,
        )
        used = service.issue()
        service.open(used)
        winner = service.open(service.issue())
        self.assertRaises(exception.TokenUsedUp, service.open, used)
        self.assertEqual([winner.id], service.ids())

    def test_housekeeping_takes_turns(self) -> None:
        configuration = self.useFixture(
            fixtures.Configuration(consoleauth={'purge_interval': 60})
        )
        service = Service(configuration)
        service.open(service.issue())
        service.now += 10_000
        keepers = [
            purge.Housekeeper(
                configuration.conf,
                configuration.database,
                _NoConsoles(),
                audit.Audit(),
                clock=lambda: service.now,
            )
            for _ in range(3)
        ]
        for _ in range(2):
            done = [keeper.purge_if_due() for keeper in keepers]
            self.assertEqual([True, False, False], done)
            service.now += 60
        self.assertEqual(
            (0, 0),
            purge.purge(service.database, audit.Audit(), service.now),
        )


class _NoConsoles:
    def purge(self, context: object) -> int:
        return 0


class SessionMachine(RuleBasedStateMachine):
    """Whatever happens in whatever order, the list says who is there."""

    tokens = Bundle('tokens')
    sessions = Bundle('sessions')
    configuration: fixtures.Configuration

    def __init__(self) -> None:
        super().__init__()
        self.service = Service(self.configuration)
        self.service.tokens.revoke_server(CONTEXT, fixtures.SERVER)
        self.valid: dict[str, int] = {}
        self.alive: dict[str, tuple[str, int]] = {}

    @rule(target=tokens)
    def issue(self) -> str:
        token = self.service.issue()
        self.valid[token] = self.service.now + TTL
        return token

    @rule(target=sessions, token=tokens)
    def open(self, token: str) -> tuple[str, str]:
        try:
            session = self.service.open(token)
        except exception.TokenNotFound:
            assert self.valid.get(token, 0) <= self.service.now
            return token, fixtures.UNKNOWN
        assert self.valid[token] > self.service.now
        self.alive[session.id] = (token, self.service.now + LAPSE)
        return token, session.id

    @rule(pair=sessions)
    def keep(self, pair: tuple[str, str]) -> None:
        token, session_id = pair
        _, until = self.alive.get(session_id, ('', 0))
        try:
            self.service.sessions.keep(token, session_id)
        except exception.SessionNotFound:
            assert until <= self.service.now
        else:
            assert until > self.service.now
            self.alive[session_id] = (token, self.service.now + LAPSE)

    @rule(pair=sessions)
    def close(self, pair: tuple[str, str]) -> None:
        try:
            self.service.sessions.close(CONTEXT, *pair)
        except exception.SessionNotFound:
            assert pair[1] not in self._alive()
        self.alive.pop(pair[1], None)

    @rule(token=tokens)
    def revoke(self, token: str) -> None:
        self.service.tokens.revoke(CONTEXT, token)
        self.valid.pop(token, None)
        self.alive = {
            session_id: (owner, until)
            for session_id, (owner, until) in self.alive.items()
            if owner != token
        }

    @rule(seconds=st.sampled_from([1, LAPSE - 1, LAPSE, TTL]))
    def wait(self, seconds: int) -> None:
        self.service.now += seconds

    @rule()
    def purge(self) -> None:
        purge.purge(self.service.database, audit.Audit(), self.service.now)

    @invariant()
    def the_list_is_who_is_there(self) -> None:
        assert set(self.service.ids()) == self._alive()

    def _alive(self) -> set[str]:
        return {
            session_id
            for session_id, (_, until) in self.alive.items()
            if until > self.service.now
        }


class SessionMachineTest(testtools.TestCase):
    def test_in_any_order(self) -> None:
        configuration = self.useFixture(
            fixtures.Configuration(
                consoleauth={'token_ttl': TTL, 'session_lapse': LAPSE}
            )
        )

        class Machine(SessionMachine):
            pass

        Machine.configuration = configuration
        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=40, stateful_step_count=25, deadline=None
            ),
        )
