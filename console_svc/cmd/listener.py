# SPDX-License-Identifier: Apache-2.0

"""console-svc-listener: revoke tokens on nova's notifications."""

import signal
import sys
import threading
from types import FrameType

from console_svc import nova_notifications
from console_svc.cmd import start, versions
from console_svc.services import Services


def main() -> int:
    """Listen until SIGTERM or Ctrl-C."""
    started = False

    def stop(number: int, frame: FrameType | None) -> None:
        stopped.set()
        # While the message bus is unavailable, start() does not return.
        if not started:
            sys.exit()

    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    conf = start.load(versions=versions.text())
    with start.errors_reported():
        services = Services(conf, conf.api.database_timeout)
        server = nova_notifications.make(conf, services.tokens)
    server.start()
    started = True
    stopped.wait()
    # Finish the notifications that are being handled.
    server.stop()
    server.wait()
    return 0


if __name__ == '__main__':
    sys.exit(main())
