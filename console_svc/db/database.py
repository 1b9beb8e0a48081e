# SPDX-License-Identifier: Apache-2.0

"""The database: its queries by resource, on one set of connections.

A query takes and returns objects of :mod:`console_svc.objects`. The rules of
the domain are not here.
"""

import sqlalchemy as sa
from oslo_config import cfg

from console_svc.db.closed_sessions import ClosedSessionQueries
from console_svc.db.engine import Connections, retried
from console_svc.db.log_ins import LogInQueries
from console_svc.db.native_consoles import NativeConsoleQueries
from console_svc.db.sessions import SessionQueries
from console_svc.db.tables import consoles, leases
from console_svc.db.tokens import TokenQueries

_PING = sa.select(consoles.c.id).limit(1)


class Database(Connections):
    """The connections to the database, and the queries on them.

    Every query may raise :class:`oslo_db.exception.DBError`: the database
    does not answer, or refuses the statement.
    """

    def __init__(
        self, conf: cfg.ConfigOpts, timeout: int | None = None
    ) -> None:
        super().__init__(conf, timeout)
        self.native_consoles = NativeConsoleQueries(self)
        self.log_ins = LogInQueries(self)
        self.tokens = TokenQueries(self)
        self.sessions = SessionQueries(self)
        self.closed_sessions = ClosedSessionQueries(self)

    def ping(self) -> None:
        """Read from a table, as a request would."""
        self.read(_PING)

    @retried
    def take_lease(self, name: str, now: int, until: int) -> bool:
        """Take a lease unless it is taken.

        :param name: a row of the table ``leases``
        :param now: seconds of the UTC epoch
        :param until: when the lease expires
        :returns: whether the caller has it now
        """
        with self.writing() as connection:
            result = connection.execute(
                leases.update()
                .where(leases.c.name == name, leases.c.expires <= now)
                .values(expires=until)
            )
        return result.rowcount == 1
