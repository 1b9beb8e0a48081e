# SPDX-License-Identifier: Apache-2.0

import hashlib

import testtools

from console_svc import exception
from console_svc.consoles import terms
from console_svc.consoles.terms import Terms
from console_svc.endings import SessionQuery
from console_svc.objects import ConsoleAuthToken, ConsoleType, SessionMode
from console_svc.tests import fixtures
from console_svc.tests.unit.consoles import fakes
from console_svc.tests.unit.consoles.fakes import CONTEXT, RecordingDriver

NOW = 1_800_000_000
ADDRESS = '198.51.100.7'


class CheckTest(testtools.TestCase):
    """What users can ask for, as the service is configured."""

    def refusal(
        self,
        asked: Terms,
        console_type: str = 'novnc',
        address: str | None = ADDRESS,
        **options: object,
    ) -> str | None:
        """The message of the refusal; None: it is allowed."""
        conf = self.useFixture(fixtures.Configuration(consoleauth=options))
        try:
            terms.check(conf.conf, asked, console_type, address)
        except exception.BadRequest as error:
            return str(error)
        return None

    def test_usual_terms_are_allowed(self) -> None:
        for console_type in ConsoleType:
            self.assertIsNone(self.refusal(terms.USUAL, console_type))

    def test_types_that_can_be_watched(self) -> None:
        view = Terms(mode=SessionMode.VIEW)
        self.assertEqual(
            ['novnc', 'spice-html5', 'spice-direct', 'rdp-html5', 'serial'],
            [it for it in ConsoleType if self.refusal(view, it) is None],
        )

    def test_types_that_can_be_recorded(self) -> None:
        recorded = Terms(record=True)
        self.assertEqual(
            ['novnc', 'serial'],
            [it for it in ConsoleType if self.refusal(recorded, it) is None],
        )

    def test_ttl_is_bounded(self) -> None:
        for options, longest in (
            ({}, 600),
            ({'token_ttl': 60}, 60),
            ({'max_token_ttl': 3600}, 3600),
            # It only allows more.
            ({'token_ttl': 60, 'max_token_ttl': 5}, 60),
        ):
            self.assertIsNone(self.refusal(Terms(ttl=longest), **options))
            self.assertEqual(
                f'ttl must be at most {longest} seconds.',
                self.refusal(Terms(ttl=longest + 1), **options),
            )

    def test_uses_are_bounded(self) -> None:
        self.assertIsNone(self.refusal(Terms(max_uses=9)))
        self.assertIsNone(self.refusal(Terms(max_uses=3), max_uses=3))
        self.assertEqual(
            'max_uses must be at most 3.',
            self.refusal(Terms(max_uses=4), max_uses=3),
        )

    def test_tokens_that_are_bound_stay_so(self) -> None:
        asked = Terms(client_address='192.0.2.1')
        self.assertIsNone(self.refusal(asked))
        for address in (ADDRESS, None):
            self.assertIn(
                'client_address must be the address of this request',
                self.refusal(
                    asked, address=address, bind_to_client_address=True
                ),
            )
        asked = Terms(client_address=ADDRESS)
        self.assertIsNone(self.refusal(asked, bind_to_client_address=True))

    def test_the_lower_number_of_uses_counts(self) -> None:
        for own, configured, effective in (
            (None, 0, 0),
            (None, 2, 2),
            (3, 0, 3),
            (3, 2, 2),
            (1, 2, 1),
        ):
            self.assertEqual(effective, terms.max_uses(own, configured))


class TokenTest(testtools.TestCase):
    """Tokens with terms, and the sessions that they open."""

    def service(self, **options: object) -> None:
        configuration = self.useFixture(
            fixtures.Configuration(consoleauth=options)
        )
        self.now = NOW
        self.driver = RecordingDriver()
        self.services = fakes.services(
            configuration, self.driver, lambda: self.now
        )

    def issue(
        self, console_type: str = 'novnc', **asked: object
    ) -> tuple[str, ConsoleAuthToken]:
        return self.services.tokens.issue_with(
            CONTEXT, self.driver.server, console_type, Terms(**asked)
        )

    def open(self, token: str, address: str = ADDRESS, **more: object) -> str:
        session, _, _ = self.services.sessions.open_by_token(
            CONTEXT, token, address, **more
        )
        return session.id

    def test_only_tokens_with_terms_are_longer(self) -> None:
        self.service()
        for asked, length in (
            ({}, 43),
            ({'ttl': 5}, 43),
            ({'mode': SessionMode.VIEW}, 44),
            ({'max_uses': 1}, 44),
            ({'client_address': ADDRESS}, 44),
        ):
            self.assertEqual(length, len(self.issue(**asked)[0]))

    def test_a_look_up_does_not_find_terms(self) -> None:
        self.service()
        usual, _ = self.issue(ttl=5)
        self.assertEqual(
            NOW + 5, self.services.tokens.look_up(CONTEXT, usual).expires
        )
        token, _ = self.issue(mode=SessionMode.VIEW)
        self.assertRaises(
            exception.TokenNotFound,
            self.services.tokens.look_up,
            CONTEXT,
            token,
        )

    def test_the_previous_version_does_not_find_terms(self) -> None:
        self.service()
        token, stored = self.issue(max_uses=1)
        self.assertNotEqual(
            hashlib.sha256(token.encode()).hexdigest(), stored.token_hash
        )

    def test_uses_are_those_of_the_token(self) -> None:
        self.service(max_uses=3)
        token, _ = self.issue(max_uses=2)
        self.open(token)
        self.open(token)
        self.assertRaises(exception.TokenUsedUp, self.open, token)

    def test_a_lower_limit_applies_to_issued_tokens(self) -> None:
        self.service()
        token, _ = self.issue(max_uses=3)
        self.services.conf.set_override('max_uses', 1, 'consoleauth')
        self.open(token)
        self.assertRaises(exception.TokenUsedUp, self.open, token)

    def test_only_its_address_can_use_it(self) -> None:
        self.service()
        token, _ = self.issue(client_address='192.0.2.1')
        self.assertRaises(exception.WrongAddress, self.open, token)
        self.open(token, '::ffff:192.0.2.1')

    def test_a_used_up_session_can_be_resumed(self) -> None:
        # As with [consoleauth] max_uses: a reload is not another use.
        self.service()
        token, _ = self.issue(max_uses=1)
        first = self.open(token, secret='one')
        session, _, previous_id = self.services.sessions.open_by_token(
            CONTEXT, token, ADDRESS, secret='two', previous_secret='one'
        )
        self.assertEqual(first, previous_id)
        self.assertNotEqual(first, session.id)

    def test_channels_that_are_opened_again_are_one_use(self) -> None:
        self.service()
        token, _ = self.issue('spice-html5', max_uses=1)
        self.services.sessions.close(CONTEXT, self.open(token))
        self.open(token)
        self.assertRaises(exception.TokenUsedUp, self.open, token, '192.0.2.1')

    def test_sessions_have_the_mode_of_the_token(self) -> None:
        self.service()
        for mode in SessionMode:
            token, _ = self.issue(mode=mode)
            self.open(token)
            (session,) = self.services.session_lists.live(
                SessionQuery(server_id=self.driver.server.id, limit=1000)
            )
            self.assertEqual(mode, session.mode)
            self.assertEqual(mode, session.enforced_mode)
            self.services.tokens.revoke(CONTEXT, token)
