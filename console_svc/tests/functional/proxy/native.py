# SPDX-License-Identifier: Apache-2.0

"""Tests of the gateway with native clients, and a VNC server's stub."""

from typing import Any, ClassVar

from console_svc.tests.programs import consoles, process
from console_svc.tests.programs.gateway import (
    Gateway,
    GatewayTest,
    desktop,
)

FAILED = 'Authentication failed.'


class NativeClientsTest(GatewayTest):
    """One gateway for all tests of a class, and a console for each test."""

    #: Arguments of :class:`Gateway`.
    GATEWAY: ClassVar[dict[str, Any]] = {}

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        console = consoles.TCPConsole(consoles.vnc)
        console.setUp()
        cls.addClassCleanup(console.cleanUp)
        cls.gateway = Gateway(console.port, **cls.GATEWAY)
        cls.gateway.setUp()
        cls.addClassCleanup(cls.gateway.cleanUp)

    def setUp(self) -> None:
        super().setUp()
        self.console = self.gateway.open()
        self.addCleanup(self.check_log)

    def check_log(self) -> None:
        log = self.gateway.proxy.log.read_text()
        for secret in (*self.gateway.service.secrets, 'Traceback'):
            self.assertNotIn(secret, log)

    def check_accepted(self, *types: int) -> None:
        """Check that the right password leads to the screen."""
        _, line = self.log_in(
            self.console['port'], self.console['password'], *types
        )
        self.assertEqual(consoles.SCREEN, desktop(line))

    def refused(self, reason: str, *types: int) -> None:
        """Check that even the right password is refused, and why."""
        self.check_refused(
            reason, self.console['port'], self.console['password'], *types
        )

    def wait_for_outcomes(self, **outcomes: float) -> None:
        """Wait for metrics; a client may have its answer before them."""
        process.wait_for(
            lambda: outcomes.items() <= self.gateway.outcomes().items(),
            f'{outcomes} in the metrics',
        )
