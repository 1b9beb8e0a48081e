# SPDX-License-Identifier: Apache-2.0

from unittest import mock

import sqlalchemy as sa
import testtools

from console_svc import exception
from console_svc.db import tables
from console_svc.objects import ConsoleAuthToken
from console_svc.tests import fixtures
from console_svc.tests.unit.consoles import fakes
from console_svc.tests.unit.consoles.fakes import CONTEXT, RecordingDriver


class TokensTest(testtools.TestCase):
    """The life of a token, on the test's clock."""

    def setUp(self) -> None:
        super().setUp()
        self.configuration = self.useFixture(
            fixtures.Configuration(consoleauth={'token_ttl': 60})
        )
        self.database = self.configuration.database
        self.now = 1_800_000_000.9
        self.driver = RecordingDriver()
        self.services = fakes.services(
            self.configuration, self.driver, lambda: self.now
        )
        self.tokens = self.services.tokens

    def issue(self, ttl: int | None = None) -> str:
        return self.tokens.issue(CONTEXT, self.driver.server, 'novnc', ttl)

    def validate(self, token: str) -> ConsoleAuthToken:
        return self.tokens.validate(CONTEXT, token)

    def purge(self) -> int:
        return self.services.purge.run(batch=3).tokens

    def test_leads_to_the_console_that_the_driver_returns(self) -> None:
        found = self.validate(self.issue())
        self.assertEqual(fixtures.SERVER, found.server_id)
        self.assertEqual('demo', found.project_id)
        self.assertEqual('joe', found.user_id)
        self.assertEqual('novnc', found.console_type)
        self.assertEqual(
            ('192.0.2.1', 5900),
            (
                found.connect_info.host,
                found.connect_info.port,
            ),
        )
        self.assertEqual(1_800_000_060, found.expires)

    def test_is_valid_until_it_expires(self) -> None:
        token = self.issue()
        self.now = 1_800_000_059.9
        self.validate(token)
        self.now = 1_800_000_060.0
        self.assertRaises(exception.TokenNotFound, self.validate, token)

    def test_ttl_of_the_call_overrides_the_option(self) -> None:
        self.assertEqual(1_800_000_005, self.validate(self.issue(5)).expires)

    def test_has_256_random_bits_and_is_url_safe(self) -> None:
        tokens = {self.issue() for _ in range(50)}
        self.assertEqual(50, len(tokens))
        for token in tokens:
            self.assertRegex(token, r'\A[A-Za-z0-9_-]{43}\Z')

    def assertRegex(self, text: str, pattern: str) -> None:
        self.assertThat(text, testtools.matchers.MatchesRegex(pattern))

    def test_never_starts_with_a_dash(self) -> None:
        with mock.patch('secrets.token_urlsafe', side_effect=['-a', '-', 'b']):
            self.assertEqual('b', self.issue())

    def test_is_not_stored(self) -> None:
        token = self.issue()
        for path in self.configuration.folder.iterdir():
            self.assertNotIn(token.encode(), path.read_bytes())

    def test_any_other_text_is_not_found(self) -> None:
        token = self.issue()
        for text in ('', token[:-1], token + ' ', token.swapcase(), '\0', 'é'):
            self.assertRaises(exception.TokenNotFound, self.validate, text)

    def test_purge_deletes_expired_tokens_only(self) -> None:
        for _ in range(7):
            self.issue(10)
        token = self.issue(20)
        self.now += 10
        self.assertEqual(7, self.purge())
        self.assertEqual(0, self.purge())
        self.validate(token)
        with self.database.engine.connect() as connection:
            count = connection.execute(
                sa.select(sa.func.count()).select_from(
                    tables.console_auth_tokens
                )
            ).scalar()
        self.assertEqual(1, count)
