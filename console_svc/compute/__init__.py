# SPDX-License-Identifier: Apache-2.0

"""Compute drivers: they look up servers and their consoles."""

from oslo_config import cfg
from stevedore import driver as stevedore_driver
from stevedore import exception as stevedore_exception

from console_svc.compute.base import Driver

__all__ = ['NAMESPACE', 'Driver', 'load']

NAMESPACE = 'console_svc.compute'


def load(conf: cfg.ConfigOpts) -> Driver:
    """Load the driver that ``[compute] driver`` names.

    :raises oslo_config.cfg.Error: there is no such entry point, or it is not
        a :class:`Driver`
    """
    manager: stevedore_driver.DriverManager[Driver]
    try:
        manager = stevedore_driver.DriverManager(
            NAMESPACE,
            conf.compute.driver,
            invoke_on_load=True,
            invoke_args=(conf,),
        )
    except stevedore_exception.NoMatches as error:
        raise _unknown(conf) from error
    driver = manager.driver
    if not isinstance(driver, Driver):
        raise _unknown(conf)
    return driver


def _unknown(conf: cfg.ConfigOpts) -> cfg.Error:
    return cfg.Error(
        f'[compute] driver: {conf.compute.driver} is not a compute driver'
    )
