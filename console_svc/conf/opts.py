# SPDX-License-Identifier: Apache-2.0

"""The entry point of oslo-config-generator."""

from collections.abc import Iterable

from oslo_config import cfg

from console_svc import conf
from console_svc.conf import base_urls


def list_opts() -> list[tuple[str, Iterable[cfg.Opt]]]:
    """Return all groups with their options, for the sample and the docs."""
    options: list[tuple[str, Iterable[cfg.Opt]]] = [
        (
            module.GROUP or 'DEFAULT',
            getattr(module, 'SAMPLE', module.OPTIONS),
        )
        for module in conf.MODULES
    ]
    options.extend(base_urls.GROUPS.items())
    return options
