# SPDX-License-Identifier: Apache-2.0

"""One of several processes that do the same thing at the same time.

    python -m console_svc.tests.integration.racer

Each line of standard input is a JSON list: a configuration file, an action and
its arguments. The process prints ``ready``, executes the action when it reads
the next line, and then prints ``done`` or the name of the exception.
"""

import contextlib
import json
import logging
import pathlib
import secrets
import sys
import time
import traceback
import uuid
from collections.abc import Callable

import sqlalchemy as sa

from console_svc import conf as configuration
from console_svc import exception, over_limit
from console_svc.compute.static import StaticDriver
from console_svc.consoles.tokens import hash_of
from console_svc.context import RequestContext, admin_context
from console_svc.db import migration
from console_svc.db.tables import console_sessions
from console_svc.objects import Endpoint, Server, SessionMode
from console_svc.protocols import rfb
from console_svc.services import Services
from console_svc.tests import fixtures


class SlowDriver(StaticDriver):
    """Takes some time to set a password, and stores it in a file."""

    def open_native_console(
        self, context: RequestContext, server: Server, password: str
    ) -> Endpoint:
        time.sleep(0.01)
        password_file(self.conf.state_path).write_text(password)
        time.sleep(0.01)
        return super().open_native_console(context, server, password)


class ProjectLimits:
    """The same limit for each project and resource."""

    def __init__(self, limit: int) -> None:
        self._limit = limit

    def get(self, project_id: str, resource: str) -> int:
        return self._limit


def password_file(folder: str) -> pathlib.Path:
    """Return the file in which :class:`SlowDriver` stores the password."""
    return pathlib.Path(folder) / 'password-at-the-driver'


class Racer:
    """The actions, on an existing configuration.

    :param file: the configuration file
    """

    def __init__(self, file: str) -> None:
        conf = configuration.load(files=[file])
        self._services = Services(conf)
        self._driver = SlowDriver(conf)
        self._services.driver = self._driver
        self.database = self._services.database
        self._context = admin_context()
        self._server = self._driver.get_server(self._context, fixtures.SERVER)

    def sync(self) -> None:
        """Migrate the database, with slow commits."""

        def wait(connection: sa.Connection) -> None:
            time.sleep(0.05)

        sa.event.listen(self.database.engine, 'commit', wait)
        migration.sync(self.database)

    def console(self, server_id: str = fixtures.SERVER) -> None:
        """Open a native console."""
        self._services.native_consoles.open(
            self._context, self._driver.get_server(self._context, server_id)
        )

    def log_in(self, password: str, challenge: str | None = None) -> None:
        """Log in to the console on the gateway.

        :param challenge: in hexadecimal; None: a new one
        """
        challenged = bytes.fromhex(challenge or secrets.token_hex(16))
        self._services.login.log_in(
            self._context,
            fixtures.SERVER,
            challenged,
            rfb.response(challenged, password),
            None,
        )

    def session(self, token: str, limit: int | None = None) -> None:
        """Open a session.

        :param limit: of its project
        """
        self._limit_projects(limit)
        self._services.sessions.open_by_token(self._context, token, None)

    def take_over(self, token: str) -> None:
        """Open a session that takes the console over."""
        self._services.sessions.open_by_token(
            self._context, token, None, takes_over=True
        )

    def watch(self, session_id: str) -> None:
        """Let the client of a session only watch."""
        self._services.session_modes.change(
            self._context, self._server, session_id, SessionMode.VIEW
        )

    def channel(self, token: str, address: str) -> None:
        """Open a channel of a SPICE page."""
        self._services.sessions.open_by_token(self._context, token, address)

    def resume(self, token: str, secret: str, address: str) -> None:
        """Open a session that resumes another one."""
        self._services.sessions.open_by_token(
            self._context,
            token,
            address,
            None,
            secrets.token_urlsafe(32),
            secret,
        )

    def close(self, session_id: str) -> None:
        """Close a session."""
        self._services.sessions.close(self._context, session_id)

    def revoke(self) -> None:
        """Revoke all tokens of the server."""
        self._services.tokens.revoke_server(self._context, fixtures.SERVER)

    def keep(self, number: int) -> None:
        """Open sessions, keep them alive with a process, and close them.

        :raises ValueError: the process does not learn which have ended
        """
        proxy_id = str(uuid.uuid4())
        names: set[str] = set()
        for _ in range(number):
            token = self._issue(ttl=600)
            with contextlib.suppress(
                exception.TokenNotFound, exception.TokenUsedUp
            ):
                session, *_ = self._services.sessions.open_by_token(
                    self._context, token, None
                )
                names.add(session.id)
            kept = self._services.keep_alives.keep_proxy(proxy_id, [*names])
            last = self._services.keep_alives.keep_proxy(proxy_id, [])
            # Those that have ended before were not kept.
            named = kept.kept.keys() | {*last.ended}
            if len(named) != last.count + len(last.ended):
                raise ValueError(kept, last)
            names &= named
            # Also some that other processes end or purge meanwhile.
            closing = {*last.ended, *sorted(names)[:2]}
            self._services.sessions.close_all(self._context, [*closing])
            names -= closing

    def lease(self, now: int) -> None:
        """Take the lease of the purge for a minute."""
        if not self.database.take_lease('purge', now, now + 60):
            raise LookupError

    def issue(self, number: int) -> None:
        """Issue expired tokens and valid ones, and look up the latter."""
        for _ in range(number):
            self._issue(ttl=0)
            token = self._issue(ttl=600)
            found = self._services.tokens.validate(self._context, token)
            if found.token_hash != hash_of(token):
                raise ValueError(found)

    def flood(self, number: int, limit: int | None = None) -> None:
        """Issue tokens in the name of a user.

        :param limit: unused tokens of the project
        """
        self._limit_projects(limit)
        context = RequestContext(user_id='joe')
        for _ in range(number):
            self._services.tokens.issue(context, self._server, 'novnc')

    def purge(self, number: int) -> None:
        """Purge repeatedly, in small batches."""
        for _ in range(number):
            self._services.purge.run(batch=3)

    def churn(self, tokens: list[str], limit: int, number: int) -> None:
        """Open sessions and close them, and see the limits hold each time.

        :param limit: of the project
        :raises ValueError: there were more sessions than the limit
        """
        self._limit_projects(limit)
        columns = console_sessions.c
        wanted = sa.select(columns.id).where(columns.project_id == 'demo')
        sessions = self._services.sessions
        for at in range(number):
            token = tokens[at % len(tokens)]
            try:
                session, *_ = sessions.open_by_token(
                    self._context, token, None
                )
            except (exception.TooManySessions, over_limit.OverLimit):
                continue
            found = len(self.database.read(wanted))
            if found > limit:
                raise ValueError(found)
            with contextlib.suppress(exception.SessionNotFound):
                sessions.close(self._context, session.id)

    def _limit_projects(self, limit: int | None) -> None:
        """Set the limits before the first use of the services."""
        if limit is not None:
            self._services.project_limits = ProjectLimits(limit)

    def _issue(self, ttl: int) -> str:
        return self._services.tokens.issue(
            self._context, self._server, 'novnc', ttl=ttl
        )


def main() -> None:
    """Execute actions until standard input ends."""
    logging.disable()
    for line in sys.stdin:
        file, what, *arguments = json.loads(line)
        racer = Racer(file)
        action: Callable[..., None] = getattr(racer, what)
        # Connect first, so that the actions of all racers start together.
        with racer.database.engine.connect():
            print('ready', flush=True)
            sys.stdin.readline()
        try:
            action(*arguments)
        except Exception as error:
            traceback.print_exc()
            print(type(error).__name__, flush=True)
        else:
            print('done', flush=True)
        racer.database.dispose()


if __name__ == '__main__':
    main()
