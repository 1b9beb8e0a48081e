# SPDX-License-Identifier: Apache-2.0

"""Compute drivers: they look up servers and their consoles."""

from oslo_config import cfg
from stevedore import driver as stevedore_driver

from console_svc.compute.base import Driver

__all__ = ['NAMESPACE', 'Driver', 'load']

NAMESPACE = 'console_svc.compute'


def load(conf: cfg.ConfigOpts) -> Driver:
    """Load the driver that ``[compute] driver`` names.

    :raises stevedore.exception.NoMatches: there is no such entry point
    :raises TypeError: the entry point is not a :class:`Driver`
    """
    manager: stevedore_driver.DriverManager[Driver]
    manager = stevedore_driver.DriverManager(
        NAMESPACE,
        conf.compute.driver,
        invoke_on_load=True,
        invoke_args=(conf,),
    )
    driver = manager.driver
    if not isinstance(driver, Driver):
        raise TypeError(
            f'[compute] driver: {conf.compute.driver} is not a compute driver'
        )
    return driver
