# SPDX-License-Identifier: Apache-2.0

"""The database: its queries by resource, on one set of connections.

A query takes and returns objects of :mod:`console_svc.objects`. The rules of
the domain are not here.
"""

from typing import Any, Final

import sqlalchemy as sa
from oslo_config import cfg

from console_svc.db.closed_sessions import ClosedSessionQueries
from console_svc.db.engine import Connections, retried
from console_svc.db.errors import ReadOnly, SchemaMismatch
from console_svc.db.history import HistoryQueries
from console_svc.db.locks import LockQueries
from console_svc.db.log_ins import LogInQueries
from console_svc.db.modes import ModeQueries
from console_svc.db.native_consoles import NativeConsoleQueries
from console_svc.db.others import OtherSessionQueries
from console_svc.db.proxies import ProxyQueries
from console_svc.db.recording_accesses import RecordingAccessQueries
from console_svc.db.recordings import RecordingQueries
from console_svc.db.resumptions import ResumptionQueries
from console_svc.db.session_lists import SessionListQueries
from console_svc.db.sessions import SessionQueries
from console_svc.db.tables import NEEDED, consoles, leases
from console_svc.db.tokens import TokenQueries

_VERSION: Final[sa.Select[Any]] = sa.select(
    sa.column('version_num')
).select_from(sa.table('alembic_version'))

_A_ROW: Final = sa.select(consoles.c.id).limit(1)


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
        self.proxies = ProxyQueries(self)
        self.modes = ModeQueries(self)
        self.others = OtherSessionQueries(self)
        self.closed_sessions = ClosedSessionQueries(self)
        self.resumptions = ResumptionQueries(self)
        self.history = HistoryQueries(self)
        self.session_lists = SessionListQueries(self)
        self.locks = LockQueries(self)
        self.recordings = RecordingQueries(self)
        self.recording_accesses = RecordingAccessQueries(self)
        self._has_schema = False

    def check(self) -> None:
        """Check that requests can be served, without a write.

        :raises console_svc.db.errors.SchemaMismatch: the schema is missing,
            or too old
        :raises console_svc.db.errors.ReadOnly: the server refuses writes
        :raises oslo_db.exception.DBError: any other error of the database
        """
        # A schema does not become older.
        if not self._has_schema:
            self._check_schema()
        self.read(_A_ROW)
        if self.is_read_only():
            # New connections may lead to the server that writes now.
            self.dispose()
            if self.is_read_only():
                raise ReadOnly('The server is read-only.')
        self._has_schema = True

    def _check_schema(self) -> None:
        found = [row['version_num'] for row in self.read(_VERSION)]
        # Revisions are numbered. One that this version does not know is that
        # of a newer version, and has additions only.
        if not found or max(found) < NEEDED:
            raise SchemaMismatch(
                f'The schema is {max(found, default="empty")}, and this '
                f'version needs {NEEDED}.'
            )

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
