# SPDX-License-Identifier: Apache-2.0

"""Where servers and their consoles are."""

from oslo_config import cfg
from stevedore import driver as stevedore_driver

from console_svc.compute.base import Driver

__all__ = ['NAMESPACE', 'Driver', 'load']

NAMESPACE = 'console_svc.compute'


def load(conf: cfg.ConfigOpts) -> Driver:
    """The driver that ``[compute] driver`` names.

    :raises stevedore.exception.NoMatches: no such entry point
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
        raise TypeError(f'{conf.compute.driver} is no compute driver')
    return driver
