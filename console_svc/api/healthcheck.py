# SPDX-License-Identifier: Apache-2.0

"""/healthcheck: oslo.middleware's, with a check of the database."""

from typing import TYPE_CHECKING, Any

from oslo_config import cfg
from oslo_db import exception as db_exception
from oslo_middleware import healthcheck
from oslo_middleware.healthcheck import opts, pluginbase

from console_svc.api.middleware.branch import Branch
from console_svc.db.database import Database

if TYPE_CHECKING:
    from _typeshed.wsgi import (
        WSGIApplication,
        WSGIEnvironment,
    )

PATH = '/healthcheck'
BACKEND = 'console_svc_database'


class DatabaseHealthcheck(pluginbase.HealthcheckBaseExtension):
    """Healthy while the tables answer a query."""

    #: Set by :func:`beside`: oslo.middleware hands down no objects.
    database: Database | None = None

    def healthcheck(self, server_port: int) -> pluginbase.HealthcheckResult:
        if self.database is None:
            self.database = Database(self.oslo_conf)
        try:
            self.database.ping()
        except db_exception.DBError:
            return pluginbase.HealthcheckResult(
                available=False, reason='The database does not answer.'
            )
        return pluginbase.HealthcheckResult(available=True, reason='OK')


def beside(
    app: 'WSGIApplication', conf: cfg.ConfigOpts, database: Database
) -> 'WSGIApplication':
    """The API with the health check beside it, out of every request's way.

    :param database: what is checked
    """
    conf.register_opts(opts.HEALTHCHECK_OPTS, group='healthcheck')
    conf.set_default('backends', [BACKEND], group='healthcheck')
    check: Any = healthcheck.Healthcheck(None, conf)
    for extension in check._backends:
        if isinstance(extension.obj, DatabaseHealthcheck):
            extension.obj.database = database

    return Branch(_asks_for_health, check, app)


def _asks_for_health(environ: 'WSGIEnvironment') -> bool:
    return environ.get('PATH_INFO') == PATH
