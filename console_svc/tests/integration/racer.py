# SPDX-License-Identifier: Apache-2.0

"""One of several processes that do the same at the same second.

    python -m console_svc.tests.integration.racer CONFIG AT WHAT [TOKEN]

Prints what came of it: ``done``, or the name of the exception.
"""

import sys
import time

from console_svc import audit, compute
from console_svc import conf as configuration
from console_svc.consoles.housekeeping import everybody
from console_svc.consoles.native import NativeConsoles
from console_svc.consoles.sessions import ConsoleSessions
from console_svc.consoles.tokens import ConsoleAuthTokens
from console_svc.db import migration
from console_svc.db.api import Database
from console_svc.tests import fixtures


def main() -> None:
    """Wait for the second, then do it."""
    path, at, what, *arguments = sys.argv[1:]
    conf = configuration.load(files=[path])
    database = Database(conf)
    driver = compute.load(conf)
    events = audit.Audit()
    tokens = ConsoleAuthTokens(conf, database, driver, events)
    sessions = ConsoleSessions(conf, database, tokens, events)
    consoles = NativeConsoles(conf, database, driver)
    context = everybody()
    server = driver.get_server(context, fixtures.SERVER)
    if what != 'sync':
        database.ping()
    actions = {
        'sync': lambda: migration.sync(database),
        'console': lambda: consoles.open(context, server),
        'session': lambda: sessions.open(context, arguments[0], None),
        'lease': lambda: _lease(database, int(arguments[0])),
    }
    time.sleep(max(0, float(at) - time.time()))
    try:
        actions[what]()
    except Exception as error:
        print(type(error).__name__)
    else:
        print('done')


def _lease(database: Database, now: int) -> None:
    if not database.take_lease('purge', now, now + 60):
        raise LookupError


if __name__ == '__main__':
    main()
