# SPDX-License-Identifier: Apache-2.0

"""Compute drivers: they look up servers and their consoles."""

from oslo_config import cfg

from console_svc import drivers
from console_svc.compute.base import Driver

__all__ = ['NAMESPACE', 'Driver', 'load']

NAMESPACE = 'console_svc.compute'


def load(conf: cfg.ConfigOpts) -> Driver:
    """Load the driver that ``[compute] driver`` names.

    :raises oslo_config.cfg.Error: there is no such entry point, or it is not
        a :class:`Driver`
    """
    driver: Driver = drivers.load(
        conf, NAMESPACE, 'compute', 'driver', Driver, 'compute'
    )
    return driver
