# SPDX-License-Identifier: Apache-2.0

"""Options of a client of another service: keystoneauth's."""

from collections.abc import Sequence

from keystoneauth1 import loading
from oslo_config import cfg


def options(timeout: int, description: str) -> list[cfg.Opt]:
    """Who the client is, how it connects, and where the service is.

    The authentication plugin adds its own when it is loaded.

    :param timeout: default of its option, in seconds
    :param description: of what the credential is for
    """
    found: list[cfg.Opt] = [
        *loading.get_auth_common_conf_options(),
        *loading.get_session_conf_options(),
        *loading.get_adapter_conf_options(include_deprecated=False),
    ]
    cfg.set_defaults(
        found,
        service_type='compute',
        timeout=timeout,
        valid_interfaces=['internal', 'public'],
    )
    for option in found:
        if option.name == 'auth_type':
            option.help = f'{description} {option.help}'
    return found


def sample(options: Sequence[cfg.Opt]) -> list[cfg.Opt]:
    """The same with those of the plugin "password", for the sample file."""
    return [*options, *loading.get_auth_plugin_conf_options('password')]
