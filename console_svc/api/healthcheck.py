# SPDX-License-Identifier: Apache-2.0

"""/healthcheck: oslo.middleware's, with a check of the database."""

from typing import Any, Final
from wsgiref.types import WSGIApplication, WSGIEnvironment

from oslo_config import cfg
from oslo_db import exception as db_exception
from oslo_middleware import healthcheck
from oslo_middleware.healthcheck import opts, pluginbase

from console_svc.api.middleware.branch import Branch
from console_svc.db.database import Database

PATH: Final = '/healthcheck'
BACKEND: Final = 'console_svc_database'


class DatabaseHealthcheck(pluginbase.HealthcheckBaseExtension):
    """Healthy while the database answers a query of a table."""

    def healthcheck(self, server_port: int) -> pluginbase.HealthcheckResult:
        database: Database = self.conf[BACKEND]
        try:
            database.ping()
        except db_exception.DBError:
            return pluginbase.HealthcheckResult(
                available=False, reason='The database does not answer.'
            )
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
