# SPDX-License-Identifier: Apache-2.0

import dataclasses
import json
import uuid

import fixtures as fixtures_
import sqlalchemy as sa
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

from console_svc import exception
from console_svc.consoles.sessions import REOPENING
from console_svc.db import tables
from console_svc.endings import (
    KeptProxy,
    SessionQuery,
)
from console_svc.objects import (
    ConsoleSession,
)
from console_svc.tests import fixtures
from console_svc.tests.unit.consoles import fakes
from console_svc.tests.unit.consoles.fakes import CONTEXT, RecordingDriver

START = 1_800_000_000
TTL = 600
LAPSE = 30
ID = 'c4a6f0d2-83b1-4f7e-9d25-6b0e1a7f5c38'
PROXY = '1d8f3c52-7a90-4e6b-8c14-5f2e9b7a3d60'


class Service:
    """Tokens and sessions, on the test's clock."""

    def __init__(self, configuration: fixtures.Configuration) -> None:
        self.now = START
        self.driver = RecordingDriver()
        services = fakes.services(configuration, self.driver, lambda: self.now)
        self.database = services.database
        self.tokens = services.tokens
        self.sessions = services.sessions
        self.keep_alives = services.keep_alives
        self.lists = services.session_lists
        self.purge = services.purge

    def issue(self, console_type: str = 'novnc') -> str:
        return self.tokens.issue(CONTEXT, self.driver.server, console_type)

    def open(
        self, token: str, session_id: str | None = None
    ) -> ConsoleSession:
        return self.sessions.open_by_token(
            CONTEXT, token, '198.51.100.7', session_id
        )[0]

    def close(self, session_id: str) -> bool:
        """Close a session; return whether there was one."""
        try:
            self.sessions.close(CONTEXT, session_id)
        except exception.SessionNotFound:
            return False
        return True

    def ids(self) -> list[str]:
        query = SessionQuery(server_id=self.driver.server.id, limit=1000)
        return [item.id for item in self.lists.live(query)]

    def keep(self, *session_ids: str) -> dict[str, int | None]:
        return dict(self.keep_alives.keep(session_ids))

    def keep_proxy(
        self, *session_ids: str, proxy_id: str = PROXY
    ) -> KeptProxy:
        return self.keep_alives.keep_proxy(proxy_id, session_ids)


class SessionsTest(testtools.TestCase):
    def service(self, **options: object) -> Service:
        options = {'token_ttl': TTL, 'session_lapse': LAPSE, **options}
        return Service(
            self.useFixture(fixtures.Configuration(consoleauth=options))
        )

    def test_lapses_unless_it_is_kept_alive(self) -> None:
        service = self.service()
        session = service.open(service.issue())
        service.now += LAPSE - 1
        service.keep(session.id)
        service.now += LAPSE - 1
        self.assertEqual([session.id], service.ids())
        service.now += 1
        self.assertEqual([], service.ids())
        service.now += LAPSE
        self.assertEqual((0, 1, 0, 0), service.purge.run())
        self.assertEqual({}, service.keep(session.id))

    def test_purge_with_a_clock_that_is_ahead_keeps_live_sessions(
        self,
    ) -> None:
        service = self.service()
        session = service.open(service.issue())
        service.now += LAPSE - 1
        # The clock of the host that purges.
        service.now += LAPSE
        self.assertEqual((0, 0, 0, 0), service.purge.run())
        service.now -= LAPSE
        self.assertEqual([session.id], service.ids())
        self.assertEqual({session.id: None}, service.keep(session.id))

    def test_keep_answers_for_the_sessions_that_exist(self) -> None:
        service = self.service()
        sessions = [service.open(service.issue()).id for _ in range(3)]
        service.now += LAPSE - 1
        kept = service.keep(*sessions[:2], str(uuid.uuid4()))
        self.assertEqual(dict.fromkeys(sessions[:2]), kept)
        service.now += LAPSE - 1
        self.assertEqual(sessions[:2], service.ids())
        service.sessions.close(CONTEXT, sessions[0])
        self.assertEqual(
            dict.fromkeys(sessions[1:2]), service.keep(*sessions[:2])
        )

    def test_keep_revives_a_session_after_an_outage(self) -> None:
        service = self.service()
        session = service.open(service.issue())
        service.now += LAPSE * 3
        self.assertEqual([], service.ids())
        self.assertEqual({session.id: None}, service.keep(session.id))
        self.assertEqual([session.id], service.ids())

    def test_keep_does_not_revive_an_expired_session(self) -> None:
        service = self.service(enforce_session_timeout=True)
        session = service.open(service.issue())
        service.now = START + TTL - 1
        self.assertEqual({session.id: START + TTL}, service.keep(session.id))
        service.now += 1
        self.assertEqual({}, service.keep(session.id))

    def test_lapses_with_its_process(self) -> None:
        service = self.service()
        session = service.open(service.issue())
        kept = service.keep_proxy(session.id)
        self.assertEqual(KeptProxy({session.id: None}, [], 1), kept)
        for _ in range(3):
            service.now += LAPSE - 1
            self.assertEqual([session.id], service.ids())
            self.assertEqual(KeptProxy({}, [], 1), service.keep_proxy())
        service.now += LAPSE
        self.assertEqual([], service.ids())
        # After an outage.
        service.now += LAPSE - 1
        self.assertEqual((0, 0, 0, 0), service.purge.run())
        self.assertEqual(KeptProxy({}, [], 1), service.keep_proxy())
        self.assertEqual([session.id], service.ids())

    def test_is_purged_with_its_process(self) -> None:
        logger = self.useFixture(fixtures_.FakeLogger('console_svc.audit'))
        service = self.service()
        session = service.open(service.issue())
        service.keep_proxy(session.id)
        service.now += 2 * LAPSE
        self.assertEqual((0, 1, 0, 0), service.purge.run())
        self.assertEqual(1, logger.output.count('"reason": "lapsed"'))
        kept = service.keep_proxy(session.id)
        self.assertEqual(KeptProxy({}, [], 0), kept)

    def test_process_is_extended_after_a_third_of_its_time(self) -> None:
        service = self.service()
        session = service.open(service.issue())
        service.keep_proxy(session.id)
        service.now += LAPSE // 3 - 1
        service.keep_proxy()
        service.now += LAPSE * 2 // 3 + 1
        self.assertEqual([], service.ids())
        service.keep_proxy()
        service.now += LAPSE // 3
        service.keep_proxy()
        service.now += LAPSE - 1
        self.assertEqual([session.id], service.ids())

    def test_outlives_its_token(self) -> None:
        service = self.service()
        session = service.open(service.issue())
        self.assertIsNone(session.expires)
        while service.now <= START + TTL:
            service.now += LAPSE - 1
            self.assertEqual({session.id: None}, service.keep(session.id))
            self.assertEqual([session.id], service.ids())

    def test_ends_with_its_token_where_that_is_enforced(self) -> None:
        service = self.service(enforce_session_timeout=True)
        session = service.open(service.issue())
        self.assertEqual(START + TTL, session.expires)
        while service.now < START + TTL:
            self.assertEqual([session.id], service.ids())
            service.keep(session.id)
            service.now += 10
        self.assertEqual([], service.ids())
        self.assertEqual({}, service.keep(session.id))

    def test_close_refuses_a_session_that_has_ended(self) -> None:
        service = self.service()
        session = service.open(service.issue())
        service.sessions.close(CONTEXT, session.id)
        for session_id in session.id, 'not-an-id':
            self.assertRaises(
                exception.SessionNotFound,
                service.sessions.close,
                CONTEXT,
                session_id,
            )

    def test_repeated_request_gets_the_same_session(self) -> None:
        for options in (
            {'max_uses': 1},
            {'max_sessions_per_server': 1},
            {
                'max_sessions_per_server': 1,
                'when_sessions_are_full': 'replace',
            },
        ):
            service = self.service(**options)
            token = service.issue()
            session = service.open(token, ID)
            self.assertEqual(ID, session.id)
            service.now += 1
            self.assertEqual(session, service.open(token, ID))
            self.assertEqual([ID], service.ids())

    def test_repeated_request_is_one_use(self) -> None:
        service = self.service(max_uses=2)
        token = service.issue()
        for _ in range(3):
            service.open(token, ID)
        service.open(token)
        self.assertRaises(exception.TokenUsedUp, service.open, token)

    def test_id_of_another_tokens_session_is_refused(self) -> None:
        service = self.service(max_uses=1)
        first, second = service.issue(), service.issue()
        service.open(first, ID)
        self.assertRaises(exception.SessionIdUsed, service.open, second, ID)
        # The refusal did not use the token.
        service.open(second)

    def test_session_closed_before_it_is_opened_is_refused(self) -> None:
        service = self.service(max_uses=1, max_sessions_per_server=1)
        token = service.issue()
        self.assertFalse(service.close(ID))
        self.assertFalse(service.close(ID))
        self.assertRaises(exception.SessionIdUsed, service.open, token, ID)
        self.assertEqual([], service.ids())
        self.assertEqual({}, service.keep(ID))
        # Neither a use nor a place is taken.
        service.open(token)

    def test_closed_session_is_not_opened_again(self) -> None:
        service = self.service()
        token = service.issue()
        service.open(token, ID)
        self.assertTrue(service.close(ID))
        self.assertRaises(exception.SessionIdUsed, service.open, token, ID)
        self.assertFalse(service.close(ID))
        self.assertEqual({}, service.keep(ID))

    def test_purge_deletes_closed_sessions_after_a_while(self) -> None:
        service = self.service(token_ttl=6000)
        token = service.issue()
        service.close(ID)
        service.now += 599
        self.assertEqual((0, 0, 0, 0), service.purge.run())
        self.assertRaises(exception.SessionIdUsed, service.open, token, ID)
        service.now += 1
        # They are not counted: they ended before.
        self.assertEqual((0, 0, 0, 0), service.purge.run())
        service.open(token, ID)

    def test_close_ignores_other_forms_of_an_id(self) -> None:
        service = self.service()
        token = service.issue()
        for form in (ID.upper(), ID.replace('-', ''), f'{{{ID}}}', f'{ID}}}'):
            self.assertFalse(service.close(form))
        service.open(token, ID)
        self.assertFalse(service.close(ID.upper()))
        self.assertEqual([ID], service.ids())
        stored = service.database.read(sa.select(tables.console_sessions))
        self.assertEqual(1, len(stored))

    def test_end_refuses_the_session_of_another_server(self) -> None:
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

    def test_a_token_opens_max_uses_sessions(self) -> None:
        service = self.service(max_uses=1)
        token = service.issue()
        service.tokens.validate(CONTEXT, token)  # a look-up is not a use
        session = service.open(token)
        service.sessions.close(CONTEXT, session.id)
        self.assertRaises(exception.TokenUsedUp, service.open, token)
        self.assertEqual([], service.ids())

    def test_each_of_several_closes_is_an_event(self) -> None:
        logger = self.useFixture(fixtures_.FakeLogger('console_svc.audit'))
        service = self.service()
        sessions = [service.open(service.issue()).id for _ in range(3)]
        service.sessions.end(CONTEXT, service.driver.server, sessions[0])
        service.sessions.close_all(CONTEXT, [*sessions, ID])
        self.assertEqual([], service.ids())
        events = [json.loads(line) for line in logger.output.splitlines()]
        self.assertEqual(
            sessions[1:],
            [
                it['target']['session_id']
                for it in events
                if it['target'].get('reason') == 'closed'
            ],
        )
        # The id cannot be used any more.
        self.assertRaises(
            exception.SessionIdUsed, service.open, service.issue(), ID
        )

    def test_a_spice_channel_that_reconnects_is_the_same_use(self) -> None:
        logger = self.useFixture(fixtures_.FakeLogger('console_svc.audit'))
        service = self.service(max_uses=1)
        token = service.issue('spice-html5')
        for _ in range(2):
            service.sessions.close(CONTEXT, service.open(token).id)
            service.now += REOPENING - 1
        self.assertEqual([], service.ids())
        service.now += 1
        self.assertRaises(exception.TokenUsedUp, service.open, token)
        # The purge does not end the channels a second time.
        service.now += LAPSE
        self.assertEqual((0, 0, 0, 0), service.purge.run())
        self.assertEqual(2, logger.output.count('"reason": "closed"'))
        self.assertNotIn('"reason": "lapsed"', logger.output)

    def test_closed_spice_channels_are_purged_after_a_while(self) -> None:
        service = self.service(max_uses=1)
        service.open(service.issue('spice-html5'), ID)
        self.assertTrue(service.close(ID))
        stored = sa.select(tables.console_sessions)
        for seconds, rows in ((REOPENING + 599, 1), (1, 0)):
            service.now += seconds
            service.purge.run()
            self.assertEqual(rows, len(service.database.read(stored)))

    def test_id_of_a_closed_spice_channel_is_refused(self) -> None:
        service = self.service(max_uses=1)
        token = service.issue('spice-html5')
        first = service.open(token, ID)
        # A repeated request gets the same session.
        self.assertEqual(first, service.open(token, ID))
        self.assertTrue(service.close(ID))
        self.assertFalse(service.close(ID))
        self.assertRaises(exception.SessionIdUsed, service.open, token, ID)
        self.assertEqual({}, service.keep(ID))
        # Another id is the same use.
        service.open(token)

    def test_sessions_above_the_limit_are_refused(self) -> None:
        service = self.service(max_sessions_per_server=2, max_uses=1)
        first, second = (service.open(service.issue()) for _ in range(2))
        third = service.issue()
        self.assertRaises(exception.TooManySessions, service.open, third)
        self.assertEqual([first.id, second.id], service.ids())
        service.now += LAPSE
        # Lapsed sessions do not count, and the refusal did not use the token.
        service.open(third)

    def test_new_sessions_replace_the_oldest_where_configured(self) -> None:
        service = self.service(
            max_sessions_per_server=2, when_sessions_are_full='replace'
        )
        opened = [service.open(service.issue()).id for _ in range(4)]
        self.assertEqual(opened[2:], service.ids())

    def test_a_refused_session_does_not_replace_another(self) -> None:
        service = self.service(
            max_sessions_per_server=1,
            when_sessions_are_full='replace',
            max_uses=1,
        )
        used = service.issue()
        service.open(used)
        current = service.open(service.issue())
        self.assertRaises(exception.TokenUsedUp, service.open, used)
        self.assertEqual([current.id], service.ids())

    def test_one_process_purges_per_interval(self) -> None:
        configuration = self.useFixture(
            fixtures.Configuration(consoleauth={'purge_interval': 60})
        )
        service = Service(configuration)
        service.open(service.issue())
        service.now += 10_000
        purges = [
            fakes.services(
                configuration, service.driver, lambda: service.now
            ).purge
            for _ in range(3)
        ]
        for _ in range(2):
            done = [purge.run_if_due() for purge in purges]
            self.assertEqual([True, False, False], done)
            service.now += 60
        self.assertEqual((0, 0, 0, 0), service.purge.run())


def new_id() -> str:
    """An id that no session has had."""
    return str(uuid.uuid4())


class SessionMachine(RuleBasedStateMachine):
    """The list is right after any sequence of operations."""

    tokens = Bundle('tokens')
    sessions = Bundle('sessions')
    configuration: fixtures.Configuration

    def __init__(self) -> None:
        super().__init__()
        self.service = Service(self.configuration)
        self.service.tokens.revoke_server(CONTEXT, fixtures.SERVER)
        self.valid: dict[str, int] = {}
        self.alive: dict[str, tuple[str, int]] = {}
        # When a session was closed, whether it was open or not. One that has
        # ended is purged as if it had been closed after its last keep-alive.
        self.closed: dict[str, int] = {}
        # The processes of sessions, and when these have lapsed.
        self.proxies = [str(uuid.uuid4()) for _ in range(2)]
        self.process: dict[str, str] = {}
        self.lapsing: dict[str, int] = {}
        # Revoked sessions that no proxy has closed, and their processes.
        self.ended: dict[str, str | None] = {}

    @rule(target=tokens)
    def issue(self) -> str:
        token = self.service.issue()
        self.valid[token] = self.service.now + TTL
        return token

    @rule(target=sessions, token=tokens)
    def open(self, token: str) -> str:
        try:
            session = self.service.open(token)
        except exception.TokenNotFound:
            assert self.valid.get(token, 0) <= self.service.now
            # An id of this machine alone: all share a database, which
            # remembers ids that were used.
            return new_id()
        assert self.valid[token] > self.service.now
        self.alive[session.id] = (token, self.service.now + LAPSE)
        return session.id

    @rule(target=sessions)
    def choose(self) -> str:
        return new_id()

    @rule(token=tokens, session_id=sessions)
    def open_with_id(self, token: str, session_id: str) -> None:
        owner, _ = self.alive.get(session_id, (token, 0))
        is_valid = self.valid.get(token, 0) > self.service.now
        try:
            session = self.service.open(token, session_id)
        except exception.TokenNotFound:
            assert not is_valid
        except exception.SessionIdUsed:
            assert is_valid
            assert session_id in self.closed or owner != token
        else:
            assert is_valid
            assert session.id == session_id
            assert session_id not in self.closed
            assert owner == token
            self.alive.setdefault(
                session_id, (token, self.service.now + LAPSE)
            )

    @rule(session_id=sessions)
    def keep(self, session_id: str) -> None:
        kept = self.service.keep(session_id)
        # A session that has lapsed comes back, unless it was purged.
        assert set(kept) == {session_id} & self.alive.keys()
        if not kept:
            return
        if session_id in self.process:
            self._extend(self.process[session_id])
        token, until = self.alive[session_id]
        # A session is extended once a third of its lapse time has passed.
        if until <= self.service.now + LAPSE * 2 // 3:
            self.alive[session_id] = (token, self.service.now + LAPSE)

    @rule(session_id=sessions, number=st.integers(0, 1))
    def keep_proxy(self, session_id: str, number: int) -> None:
        proxy_id = self.proxies[number]
        answer = self.service.keep_proxy(session_id, proxy_id=proxy_id)
        self._extend(proxy_id)
        assert set(answer.kept) == {session_id} & self.alive.keys()
        if answer.kept:
            now = self.service.now
            token, until = self.alive[session_id]
            # Without being named again, it lapses after ten minutes.
            if self.process.get(session_id) != proxy_id or until <= now + 400:
                self.alive[session_id] = (token, now + 600)
            self.process[session_id] = proxy_id
        self._check(answer, proxy_id)

    @rule(number=st.integers(0, 1))
    def keep_only_proxy(self, number: int) -> None:
        proxy_id = self.proxies[number]
        answer = self.service.keep_proxy(proxy_id=proxy_id)
        self._extend(proxy_id)
        assert answer.kept == {}
        self._check(answer, proxy_id)

    def _extend(self, proxy_id: str) -> None:
        now = self.service.now
        if self.lapsing.get(proxy_id, 0) <= now + LAPSE * 2 // 3:
            self.lapsing[proxy_id] = now + LAPSE

    def _check(self, answer: KeptProxy, proxy_id: str) -> None:
        """The process learns what has happened to its sessions."""
        assert set(answer.ended) == {
            it for it, process in self.ended.items() if process == proxy_id
        }
        assert answer.count == sum(
            self.process.get(it) == proxy_id for it in self.alive
        )

    @rule(session_id=sessions)
    def close(self, session_id: str) -> None:
        # A lapsed session can still be closed.
        assert self.service.close(session_id) == (session_id in self.alive)
        self.alive.pop(session_id, None)
        self.process.pop(session_id, None)
        self.ended.pop(session_id, None)
        self.closed.setdefault(session_id, self.service.now)

    @rule(token=tokens)
    def revoke(self, token: str) -> None:
        self.service.tokens.revoke(CONTEXT, token)
        self.valid.pop(token, None)
        for session_id, (owner, until) in self.alive.items():
            if owner == token:
                self.ended[session_id] = self.process.pop(session_id, None)
                self.closed[session_id] = until
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
        self.service.purge.run()
        self.alive = {
            session_id: (token, until)
            for session_id, (token, until) in self.alive.items()
            if self._until(session_id) + LAPSE > self.service.now
        }
        self.lapsing = {
            proxy_id: until
            for proxy_id, until in self.lapsing.items()
            if until + LAPSE > self.service.now
        }
        self.closed = {
            session_id: at
            for session_id, at in self.closed.items()
            if at + 600 > self.service.now
        }
        for lost in self.process.keys() - self.alive.keys():
            del self.process[lost]
        for lost in self.ended.keys() - self.closed.keys():
            del self.ended[lost]

    @invariant()
    def the_list_is_right(self) -> None:
        assert set(self.service.ids()) == self._alive()

    def _alive(self) -> set[str]:
        return {
            session_id
            for session_id in self.alive
            if self._until(session_id) > self.service.now
        }

    def _until(self, session_id: str) -> int:
        """When a session lapses."""
        until = self.alive[session_id][1]
        if session_id in self.process:
            return min(until, self.lapsing[self.process[session_id]])
        return until


class SessionMachineTest(testtools.TestCase):
    def test_list_is_right_after_any_sequence_of_operations(self) -> None:
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
