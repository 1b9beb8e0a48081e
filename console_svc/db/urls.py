# SPDX-License-Identifier: Apache-2.0

"""The URL of the database."""

import sqlalchemy as sa
from oslo_config import cfg

from console_svc.db import timeouts


def parse(text: str) -> sa.URL:
    """The URL of a database.

    :raises oslo_config.cfg.Error: it is not one, or names a driver that is
        not supported
    """
    try:
        url = _with_charset(_with_known_dialect(sa.make_url(text)))
        driver = url.get_driver_name()
    except (sa.exc.ArgumentError, ValueError):
        # Without the cause, whose text may have a part of the password.
        raise cfg.ConfigFileValueError(
            '[database] connection is not the URL of a database that the '
            'service supports.'
        ) from None
    if driver not in timeouts.DRIVERS:
        raise cfg.ConfigFileValueError(
            f'[database] connection names the driver {driver}, which is not '
            'supported: use mysql+pymysql, mysql+mysqldb, postgresql+psycopg '
            'or postgresql+psycopg2.'
        )
    return url


def _with_known_dialect(url: sa.URL) -> sa.URL:
    """A URL whose dialect oslo.db knows.

    SQLAlchemy's ``mariadb`` is ``mysql`` with a check of the server. oslo.db
    recognizes errors and deadlocks of ``mysql`` alone.
    """
    backend, plus, driver = url.drivername.partition('+')
    if backend == 'mariadb':
        backend = 'mysql'
    return url.set(drivername=f'{backend}{plus}{driver}')


def _with_charset(url: sa.URL) -> sa.URL:
    """A URL whose connections take all of Unicode, unless it has a charset.

    oslo.db's default is ``utf8``: MySQL then fails to compare a column with a
    text that has a character of four bytes.
    """
    if url.get_backend_name() != 'mysql':
        return url
    return url.update_query_dict({'charset': 'utf8mb4', **url.query})
