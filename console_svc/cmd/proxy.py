# SPDX-License-Identifier: Apache-2.0

"""console-svc-proxy: puts browsers and native clients on consoles."""

import logging
import os
import resource
import sys
import tempfile

import cotyledon
from keystoneauth1 import exceptions as keystone_exceptions
from oslo_config import cfg

from console_svc import conf as configuration

LOG = logging.getLogger(__name__)


def main() -> int:
    """Serve until SIGTERM or Ctrl-C."""
    conf = configuration.load(sys.argv[1:])
    configuration.setup_logging(conf)
    _take_descriptors()
    with tempfile.TemporaryDirectory(prefix='console-svc-proxy-') as folder:
        # Where the workers' figures meet. prometheus_client wants to know
        # when it is imported.
        os.environ['PROMETHEUS_MULTIPROC_DIR'] = folder
        return _run(conf)


def _run(conf: cfg.ConfigOpts) -> int:
    from console_svc.proxy import console_api, metrics, tls, worker

    # What is wrong with these is to be said once, here, and not by every
    # worker that is started again.
    try:
        console_api.ConsoleApi(conf)
        tls.browsers(conf)
        tls.native_clients(conf)
        tls.hypervisors(conf)
        for address in worker.addresses(conf):
            worker.bound(*address).close()
    except (
        OSError,
        cfg.Error,
        keystone_exceptions.ClientException,
    ) as error:
        LOG.critical('The proxy cannot start: %s', error)
        return 1
    manager = cotyledon.ServiceManager(
        # Workers end by themselves before that.
        graceful_shutdown_timeout=conf.proxy.drain_timeout + 30
    )
    manager.register_hooks(on_dead_worker=lambda *_: metrics.forget_dead())
    manager.add(worker.Worker, workers=conf.proxy.workers, args=(conf,))
    manager.run()
    return 0


def _take_descriptors() -> None:
    """Each session has two of them, and the default is for few."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == '__main__':
    sys.exit(main())
