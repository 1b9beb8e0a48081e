# SPDX-License-Identifier: Apache-2.0

"""Lower bounds for the cost of a request.

WSGI applications that answer a token look-up without authentication, policy
and microversions. The environment variable FLOOR selects the application, and
FLOOR_DATABASE is the URL of the service's database.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable
from typing import Any

import pecan
import pymysql
import sqlalchemy as sa

_COLUMNS = ('server_id', 'host', 'port', 'internal_access_path')


def plain() -> Callable[..., Iterable[bytes]]:
    """Return an application with one SELECT and no framework."""
    url = sa.engine.make_url(os.environ['FLOOR_DATABASE'])
    kept: list[Any] = []

    def application(environ: Any, start_response: Any) -> Iterable[bytes]:
        if not kept:
            kept.append(
                pymysql.connect(
                    host=url.host,
                    port=url.port or 3306,
                    user=url.username,
                    database=url.database,
                    autocommit=True,
                )
            )
        token = environ['PATH_INFO'].rpartition('/')[2]
        cursor = kept[0].cursor()
        cursor.execute(
            f'SELECT {", ".join(_COLUMNS)} FROM console_auth_tokens '
            'WHERE token_hash = %s AND expires > %s',
            (hashlib.sha256(token.encode()).hexdigest(), int(time.time())),
        )
        row = dict(zip(_COLUMNS, cursor.fetchone(), strict=True))
        body = json.dumps({'console': row}).encode()
        start_response(
            '200 OK',
            [
                ('Content-Type', 'application/json'),
                ('Content-Length', str(len(body))),
            ],
        )
        return [body]

    return application


def bare_pecan() -> Callable[..., Iterable[bytes]]:
    """Return an application in Pecan without a database."""
    row = dict.fromkeys(_COLUMNS, 'the same')

    class Token:
        @pecan.expose(generic=True)  # type: ignore[untyped-decorator]
        def index(self) -> None:
            pecan.abort(405)

        @index.when(method='GET', template='json')  # type: ignore[untyped-decorator]
        def show(self) -> dict[str, Any]:
            return {'console': row}

    class Tokens:
        @pecan.expose()  # type: ignore[untyped-decorator]
        def _lookup(self, token: str, *rest: str) -> tuple[Any, Any]:
            return Token(), rest

    class Root:
        pass

    root, version = Root(), Root()
    setattr(version, 'os-console-auth-tokens', Tokens())
    setattr(root, 'v2.1', version)
    application: Callable[..., Iterable[bytes]] = pecan.make_app(
        root, debug=False
    )
    return application


application = {'plain': plain, 'pecan': bare_pecan}[os.environ['FLOOR']]()
