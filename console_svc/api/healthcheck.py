# SPDX-License-Identifier: Apache-2.0

"""/healthcheck: oslo.middleware's, with a check of the database."""

import logging
from typing import Any, Final
from wsgiref.types import WSGIApplication, WSGIEnvironment

from oslo_config import cfg
from oslo_db import exception as db_exception
from oslo_middleware import healthcheck
from oslo_middleware.healthcheck import opts, pluginbase

from console_svc.api.middleware.branch import Branch
from console_svc.db.database import Database
from console_svc.db.errors import ReadOnly, SchemaMismatch, describe

LOG = logging.getLogger(__name__)

PATH: Final = '/healthcheck'
BACKEND: Final = 'console_svc_database'


# The first that fits counts: the kinds overlap.
_REASONS: Final[tuple[tuple[type[db_exception.DBError], str], ...]] = (
    (
        SchemaMismatch,
        'The schema of the database is missing or too old: run '
        '"console-svc-manage db sync".',
    ),
    (ReadOnly, 'The database is read-only.'),
    (db_exception.DBError, 'The database does not answer.'),
)


class DatabaseHealthcheck(pluginbase.HealthcheckBaseExtension):
    """Healthy while the database has the schema and accepts writes."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._last = ''

    def healthcheck(self, server_port: int) -> pluginbase.HealthcheckResult:
        database: Database = self.conf[BACKEND]
        try:
            database.check()
        except db_exception.DBError as error:
            reason = next(
                it for kind, it in _REASONS if isinstance(error, kind)
            )
            # A load balancer asks every few seconds: log a change only.
            if reason != self._last:
                LOG.error(
                    'The health check fails. %s The error: %s',
                    reason,
                    describe(error),
                )
            self._last = reason
            return pluginbase.HealthcheckResult(available=False, reason=reason)
        self._last = ''
        return pluginbase.HealthcheckResult(available=True, reason='OK')


def beside(
    app: WSGIApplication, conf: cfg.ConfigOpts, database: Database
) -> WSGIApplication:
    """The API, with the health check at a path of its own.

    :param database: what is checked
    """
    conf.register_opts(opts.HEALTHCHECK_OPTS, group='healthcheck')
    conf.set_default('backends', [BACKEND], group='healthcheck')
    check: Any = healthcheck.Healthcheck(None, conf)
    # The middleware's own settings, which its extensions share.
    check.conf[BACKEND] = database
    return Branch(_asks_for_health, check, app)


def _asks_for_health(environ: WSGIEnvironment) -> bool:
    return environ.get('PATH_INFO') == PATH
