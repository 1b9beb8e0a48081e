# SPDX-License-Identifier: Apache-2.0

"""console-svc-proxy: connects browsers and native clients to consoles."""

import contextlib
import gc
import logging
import os
import resource
import sys
import tempfile

import cotyledon
from keystoneauth1 import exceptions as keystone_exceptions
from oslo_config import cfg

from console_svc.cmd import start

LOG = logging.getLogger(__name__)

# The option groups that workers read.
_GROUPS = (
    'proxy',
    'rfb',
    'vnc',
    'spice',
    'rdp',
    'consoles',
    'console_api',
    'recording',
    'swift',
    's3',
)


def main() -> int:
    """Serve until SIGTERM or Ctrl-C."""
    _use_malloc()
    conf = start.load()
    _raise_descriptor_limit()
    with tempfile.TemporaryDirectory(prefix='console-svc-proxy-') as folder:
        # For the metrics of all workers. prometheus_client reads it when it is
        # imported, so _run() imports late.
        os.environ['PROMETHEUS_MULTIPROC_DIR'] = folder
        return _run(conf)


def _run(conf: cfg.ConfigOpts) -> int:
    from console_svc import prometheus
    from console_svc.proxy import (
        activity,
        connection_files,
        console_api,
        listening,
        recorder,
        tls,
        worker,
    )

    # Check the configuration here, once: cotyledon restarts a worker that
    # fails, for ever.
    try:
        for group in _GROUPS:
            # oslo.config checks the value of an option when it is read.
            dict(conf[group])
        console_api.ConsoleApi(conf)
        tls.browsers(conf)
        tls.native_clients(conf)
        tls.hypervisors(conf)
        tls.spice_clients(conf)
        tls.spice_servers(conf)
        tls.RDPServerTLS(conf)
        connection_files.connection_files(conf)
        recorder.check(conf)
        for address in listening.addresses(conf):
            for listener in listening.listening_sockets(*address):
                listener.close()
    except (
        OSError,
        cfg.Error,
        keystone_exceptions.ClientException,
    ) as error:
        LOG.critical('The proxy cannot start: %s', error)
        return 1
    manager = cotyledon.ServiceManager(
        # More than drain_timeout, after which workers end by themselves.
        graceful_shutdown_timeout=conf.proxy.drain_timeout + 30
    )
    manager.register_hooks(
        on_dead_worker=lambda *_: prometheus.drop_dead_workers()
    )
    # SPICE clients and pages have connections in several workers.
    shares = conf.proxy.workers > 1 and conf.proxy.idle_timeout
    manager.add(
        worker.Worker,
        workers=conf.proxy.workers,
        args=(conf, activity.Activity() if shares else None),
    )
    _share_memory()
    manager.run()
    return 0


def _use_malloc() -> None:
    """Use the C library's malloc, which Python reads when it starts.

    Python's own allocator returns memory in arenas of 1 MiB. A single object
    that outlives a burst of connections keeps one: some are kept for reuse, in
    the free lists of the event loop. malloc returns memory by the page.
    """
    if 'PYTHONMALLOC' in os.environ:
        return
    os.environ['PYTHONMALLOC'] = 'malloc'
    # The process id stays the same.
    arguments = [sys.executable, *sys.orig_argv[1:]]
    # A security module may forbid it: the proxy works without, too.
    with contextlib.suppress(OSError):
        os.execv(sys.executable, arguments)  # noqa: S606 (this program again)


def _share_memory() -> None:
    """Keep the garbage collector of workers from copying what they share.

    It writes to the header of each object that it looks at: 20 MiB in each
    worker.
    """
    gc.collect()
    gc.freeze()


def _raise_descriptor_limit() -> None:
    """Allow as many file descriptors as possible: a session takes two."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == '__main__':
    sys.exit(main())
