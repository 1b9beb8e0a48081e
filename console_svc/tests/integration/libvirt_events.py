# SPDX-License-Identifier: Apache-2.0

"""Connect to libvirt with an event loop whose first round fails.

Run it with the URI as the argument. It prints "connected", and "closed" when
libvirt has closed the connection because keep-alive messages were not
answered. That is the work of the event loop.
"""

import sys
import time
from typing import Any

import libvirt

from console_svc.compute.libvirt import hosts

run = libvirt.virEventRunDefaultImpl
failures = [libvirt.libvirtError('injected by a test')]


def fail_once() -> Any:
    if failures:
        raise failures.pop()
    return run()


libvirt.virEventRunDefaultImpl = fail_once
hosts._KEEP_ALIVE = (1, 1)  # type: ignore[misc]
host = hosts.Host('compute-1', sys.argv[1], 60)
connection = host.call(lambda connection: connection)
print('connected', flush=True)
while connection.isAlive():
    time.sleep(0.1)
print('closed', flush=True)
