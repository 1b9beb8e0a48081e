# SPDX-License-Identifier: Apache-2.0

"""Drivers: classes that an option names, by their entry points."""

from typing import Any

from oslo_config import cfg
from stevedore import driver as stevedore_driver
from stevedore import exception as stevedore_exception


def load(
    conf: cfg.ConfigOpts,
    namespace: str,
    group: str,
    option: str,
    interface: type[Any],
    kind: str,
) -> Any:
    """Load the driver that an option names.

    :param namespace: of the entry points
    :param interface: what the driver must be an instance of
    :param kind: what the driver is called in the error
    :raises oslo_config.cfg.Error: there is no such entry point, or it is not
        a driver of this kind
    """
    name = conf[group][option]
    unknown = cfg.Error(f'[{group}] {option}: {name} is not a {kind} driver')
    manager: stevedore_driver.DriverManager[Any]
    try:
        manager = stevedore_driver.DriverManager(
            namespace, name, invoke_on_load=True, invoke_args=(conf,)
        )
    except stevedore_exception.NoMatches as error:
        raise unknown from error
    driver = manager.driver
    if not isinstance(driver, interface):
        raise unknown
    return driver
