# SPDX-License-Identifier: Apache-2.0

"""A service with consoles on the gateway, on the test's clock."""

import secrets
from typing import Any, NamedTuple

import sqlalchemy as sa
import testtools

from console_svc import exception
from console_svc.consoles.purge import Purged
from console_svc.objects import ConsoleSession, NativeConsole
from console_svc.protocols import rfb
from console_svc.tests import fixtures
from console_svc.tests.unit.consoles import fakes
from console_svc.tests.unit.consoles.fakes import CONTEXT, RecordingDriver

ADDRESS = '198.51.100.7'
START = 1_800_000_000


class Opened(NamedTuple):
    """A console that was opened, and its password."""

    console: NativeConsole
    password: str


class GatewayTestCase(testtools.TestCase):
    """Starts the service and logs in to it."""

    def start(self, consoles: Any = None, **options: Any) -> None:
        self.configuration = self.useFixture(
            fixtures.Configuration(
                consoles={
                    'mode': 'gateway',
                    'port_range': '5901-5902',
                    **(consoles or {}),
                },
                **options,
            )
        )
        self.now = START
        self.driver = RecordingDriver()
        self.database = self.configuration.database
        self.restart()

    def restart(self) -> None:
        self.services = fakes.services(
            self.configuration, self.driver, self.clock
        )
        self.tokens = self.services.tokens
        self.consoles = self.services.native_consoles

    def clock(self) -> float:
        return self.now

    def open(self) -> Opened:
        self.consoles.open(CONTEXT, self.driver.server)
        (console,) = self.consoles.list(self.driver.server)
        return Opened(
            *self.consoles.get(CONTEXT, self.driver.server, console.id)
        )

    def log_in(
        self,
        password: str,
        target: int | str = fixtures.SERVER,
        address: str | None = ADDRESS,
        challenge: bytes | None = None,
        session_id: str | None = None,
    ) -> ConsoleSession:
        """Log in, with a new challenge unless one is given."""
        challenge = challenge or secrets.token_bytes(rfb.CHALLENGE)
        return self.services.login.log_in(
            CONTEXT,
            target,
            challenge,
            rfb.response(challenge, password),
            address,
            session_id,
        )[0]

    def fails(self, kind: type[Exception], *log_in: Any) -> str | None:
        """Check that a log-in fails with a kind of exception.

        :param log_in: the arguments of :meth:`log_in`
        :returns: the header Retry-After
        """
        error = self.assertRaises(
            exception.ConsoleSvcError, self.log_in, *log_in
        )
        self.assertIs(kind, type(error))
        return error.headers.get('Retry-After')

    def purge(self) -> Purged:
        return self.services.purge.run()

    def rows(self, table: sa.Table) -> list[Any]:
        with self.database.engine.connect() as connection:
            return connection.execute(sa.select(table)).mappings().all()
