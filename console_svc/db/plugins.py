# SPDX-License-Identifier: Apache-2.0

"""Plugins of SQLAlchemy that set what oslo.db's options do not include."""

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import plugins as registry

from console_svc.db import errors

#: The names of the plugins in URLs.
READING: Final = 'console_svc_reading'
WRITING: Final = 'console_svc_writing'


class WritingPlugin(sa.CreateEnginePlugin):
    """Turns an engine into one for transactions.

    A lost connection costs a failed statement, after which the transaction is
    repeated: cheaper than a ping before each one.
    """

    def __init__(self, url: sa.URL, kwargs: dict[str, Any]) -> None:
        super().__init__(url, kwargs)
        kwargs['pool_pre_ping'] = False
        if url.get_driver_name() == 'psycopg':
            # PgBouncer leads the next transaction to another connection,
            # which does not have the prepared statements of this one.
            kwargs['connect_args'] = {
                **kwargs.get('connect_args', {}),
                'prepare_threshold': None,
            }

    def update_url(self, url: sa.URL) -> sa.URL:
        return url

    def engine_created(self, engine: sa.Engine) -> None:
        # Before oslo.db adds its listener, which raises an exception:
        # SQLAlchemy ignores insert=True for this event.
        sa.event.listen(engine, 'handle_error', errors.recognize)


class ReadingPlugin(WritingPlugin):
    """Turns an engine into one for reading: a SELECT is one round trip.

    By default it is six: a ping, autocommit on, the SELECT, ROLLBACK twice,
    autocommit off.
    """

    def __init__(self, url: sa.URL, kwargs: dict[str, Any]) -> None:
        super().__init__(url, kwargs)
        kwargs['isolation_level'] = 'AUTOCOMMIT'
        kwargs['skip_autocommit_rollback'] = True


registry.register(READING, __name__, ReadingPlugin.__name__)
registry.register(WRITING, __name__, WritingPlugin.__name__)
