# SPDX-License-Identifier: Apache-2.0

"""console-svc-listener: revokes by nova's notifications."""

import signal
import sys
import threading
from types import FrameType

from console_svc import audit, audit_notifications, compute, nova_notifications
from console_svc import conf as configuration
from console_svc.consoles.tokens import ConsoleAuthTokens
from console_svc.db.api import Database


def main() -> int:
    """Listen until SIGTERM or Ctrl-C."""
    started = False

    def stop(number: int, frame: FrameType | None) -> None:
        stopped.set()
        # With the message bus away the start would wait for it for ever.
        if not started:
            sys.exit()

    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    conf = configuration.load(sys.argv[1:])
    configuration.setup_logging(conf)
    tokens = ConsoleAuthTokens(
        conf,
        Database(conf, timeout=conf.api.database_timeout),
        compute.load(conf),
        audit.Audit(audit_notifications.notifier(conf)),
    )
    server = nova_notifications.make(conf, tokens)
    server.start()
    started = True
    stopped.wait()
    # What is being handled is finished.
    server.stop()
    server.wait()
    return 0


if __name__ == '__main__':
    sys.exit(main())
