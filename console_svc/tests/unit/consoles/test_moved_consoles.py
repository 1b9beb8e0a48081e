# SPDX-License-Identifier: Apache-2.0

"""Console tokens whose consoles have moved since their issue."""

import testtools

from console_svc import exception
from console_svc.context import RequestContext
from console_svc.objects import ConnectInfo, Server
from console_svc.tests import fixtures
from console_svc.tests.unit.consoles import fakes
from console_svc.tests.unit.consoles.fakes import CONTEXT, RecordingDriver


class MovingDriver(RecordingDriver):
    """Counts how often it is asked where a console is."""

    port = 5900
    asked = 0

    def get_connect_info(
        self, context: RequestContext, server: Server, console_type: str
    ) -> ConnectInfo:
        self.asked += 1
        return ConnectInfo('192.0.2.1', self.port)


class MovedConsoleTest(testtools.TestCase):
    """On the test's clock."""

    def start(self, **consoleauth: object) -> None:
        self.now = 1_800_000_000.0
        self.driver = MovingDriver()
        self.tokens = fakes.services(
            self.useFixture(fixtures.Configuration(consoleauth=consoleauth)),
            self.driver,
            lambda: self.now,
        ).tokens
        self.token = self.tokens.issue(CONTEXT, self.driver.server, 'novnc')
        self.driver.asked = 0

    def validate(self) -> None:
        self.tokens.validate(CONTEXT, self.token)

    def test_driver_is_asked_again_after_3_seconds(self) -> None:
        self.start()
        self.validate()
        self.assertEqual(1, self.driver.asked)
        for seconds, asked in ((0, 1), (2.9, 1), (0.1, 2), (2.9, 2), (0.1, 3)):
            self.now += seconds
            self.validate()
            self.assertEqual(asked, self.driver.asked)

    def test_token_of_a_moved_console_is_refused_after_3_seconds(self) -> None:
        self.start()
        self.validate()
        self.driver.port = 5901
        self.now += 2.9
        self.validate()
        self.now += 0.1
        self.assertRaises(exception.TokenNotFound, self.validate)
        # That it has come back is noticed as late.
        self.driver.port = 5900
        self.now += 2.9
        self.assertRaises(exception.TokenNotFound, self.validate)
        self.now += 0.1
        self.validate()

    def test_driver_is_not_asked_without_recheck_target(self) -> None:
        self.start(recheck_target=False)
        self.driver.port = 5901
        self.validate()
        self.assertEqual(0, self.driver.asked)
