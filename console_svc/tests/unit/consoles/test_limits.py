# SPDX-License-Identifier: Apache-2.0

import uuid

import fixtures as fixtures_
import testtools

from console_svc import exception, over_limit
from console_svc.endings import SessionQuery
from console_svc.objects import SESSIONS, UNUSED_TOKENS, ConsoleSession
from console_svc.tests import fixtures
from console_svc.tests.unit.consoles import fakes
from console_svc.tests.unit.consoles.fakes import CONTEXT, RecordingDriver

START = 1_800_000_000
TIME = 100


class Projects:
    """Limits as a test sets them; None: keystone does not answer."""

    def __init__(self) -> None:
        self.limits: dict[str, int | None] | None = {
            SESSIONS: None,
            UNUSED_TOKENS: None,
        }
        self.asked: list[str] = []

    def get(self, project_id: str, resource: str) -> int | None:
        self.asked.append(project_id)
        if self.limits is None:
            raise exception.ServiceUnavailable('Limits are unavailable.')
        return self.limits[resource]


class LimitsTestCase(testtools.TestCase):
    def start(self, **options: object) -> None:
        self.now = START
        self.audit = self.useFixture(fixtures_.FakeLogger('console_svc.audit'))
        configuration = self.useFixture(
            fixtures.Configuration(consoleauth=options)
        )
        self.driver = RecordingDriver()
        self.services = fakes.services(
            configuration, self.driver, lambda: self.now
        )
        self.projects = Projects()
        if options.get('use_unified_limits'):
            self.services.project_limits = self.projects
        self.address = '198.51.100.7'

    def issue(self) -> str:
        return self.services.tokens.issue(CONTEXT, self.driver.server, 'novnc')

    def open(
        self,
        token: str,
        previous_secret: str | None = None,
        session_id: str | None = None,
    ) -> tuple[ConsoleSession, str]:
        """Open or resume a session; return it and its secret."""
        secret = uuid.uuid4().hex
        session, *_ = self.services.sessions.open_by_token(
            CONTEXT, token, self.address, session_id, secret, previous_secret
        )
        return session, secret

    def close(self, session: ConsoleSession) -> None:
        self.services.sessions.close(CONTEXT, session.id)

    def check_refused(self, error: type[Exception], token: str) -> None:
        self.assertRaises(error, self.open, token)
        self.assertIn('"outcome": "failure"', self.audit.output)


class LimitsTest(LimitsTestCase):
    def test_sessions_of_a_project(self) -> None:
        self.start(use_unified_limits=True)
        self.projects.limits[SESSIONS] = 1
        session, _ = self.open(self.issue())
        self.assertIn('demo', self.projects.asked)
        token = self.issue()
        self.check_refused(over_limit.ProjectOverLimit, token)
        self.close(session)
        self.open(token)

    def test_unused_tokens_of_a_project(self) -> None:
        self.start(use_unified_limits=True)
        self.projects.limits[UNUSED_TOKENS] = 1
        token = self.issue()
        self.assertRaises(over_limit.ProjectOverLimit, self.issue)
        self.assertIn('is over a limit for', self.audit.output)
        self.open(token)
        self.issue()

    def test_sessions_of_a_user(self) -> None:
        self.start(max_sessions_per_user=1)
        session, _ = self.open(self.issue())
        token = self.issue()
        self.check_refused(over_limit.UserOverLimit, token)
        self.close(session)
        self.open(token)

    def test_nothing_opens_without_the_limits(self) -> None:
        self.start(use_unified_limits=True)
        token = self.issue()
        session, _ = self.open(token)
        self.projects.limits = None
        self.check_refused(exception.ServiceUnavailable, token)
        self.assertRaises(exception.ServiceUnavailable, self.issue)
        # A request that is repeated has opened its session.
        again, _ = self.open(token, session_id=session.id)
        self.assertEqual(session.id, again.id)

    def test_projects_have_no_limits_by_default(self) -> None:
        self.start()
        self.assertIsNone(self.services.project_limits)

    def test_a_lost_session_gives_its_place_to_the_same_browser(self) -> None:
        for options in (
            {'max_sessions_per_user': 1},
            {'use_unified_limits': True},
        ):
            self.start(**options)
            self.projects.limits[SESSIONS] = 1
            token = self.issue()
            _, secret = self.open(token)
            self.check_refused(over_limit.OverLimit, token)
            second, _ = self.open(token, secret)
            self.assertEqual(
                [second],
                self.services.session_lists.live(
                    SessionQuery(server_id=self.driver.server.id, limit=1000)
                ),
            )


class SessionTimeTest(LimitsTestCase):
    def test_a_session_ends_whatever_its_token(self) -> None:
        for enforced, expected in (False, TIME), (True, TIME), (True, 60):
            self.start(
                max_session_time=TIME,
                enforce_session_timeout=enforced,
                token_ttl=600 if expected == TIME else expected,
            )
            session, _ = self.open(self.issue())
            self.assertEqual(START + expected, session.expires)
            self.now += expected - 1
            keep = self.services.keep_alives.keep
            self.assertEqual({session.id: session.expires}, keep([session.id]))
            self.now += 1
            self.assertEqual({}, keep([session.id]))

    def test_resumed_sessions_have_the_time_that_is_left(self) -> None:
        for closes in (False, True):
            self.start(max_session_time=TIME, max_uses=1, session_lapse=50)
            token = self.issue()
            session, secret = self.open(token)
            for _ in range(3):
                self.now += 30
                if closes:
                    self.close(session)
                session, secret = self.open(token, secret)
                self.assertEqual(START + TIME, session.expires)
                self.assertEqual(
                    [START + TIME],
                    [
                        it.expires
                        for it in self.services.session_lists.live(
                            SessionQuery(server_id=fixtures.SERVER, limit=9)
                        )
                    ],
                )
            self.now = START + TIME
            if closes:
                self.close(session)
            self.assertRaises(exception.TokenUsedUp, self.open, token, secret)

    def test_a_new_limit_is_that_of_sessions_without_one(self) -> None:
        self.start(max_uses=1)
        token = self.issue()
        session, secret = self.open(token)
        self.assertIsNone(session.expires)
        options = self.services.conf
        options.set_override('max_session_time', TIME, 'consoleauth')
        self.now += 10
        session, secret = self.open(token, secret)
        self.assertEqual(START + 10 + TIME, session.expires)
        # A shorter one counts at once, and a longer one does not.
        for time, expected in (50, START + 70), (500, START + 70):
            options.set_override('max_session_time', time, 'consoleauth')
            self.now = START + 20
            session, secret = self.open(token, secret)
            self.assertEqual(expected, session.expires)
