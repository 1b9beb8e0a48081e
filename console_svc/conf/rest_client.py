# SPDX-License-Identifier: Apache-2.0

"""keystoneauth's options for clients of other services."""

from collections.abc import Sequence

from keystoneauth1 import loading
from oslo_config import cfg


def options(
    timeout: int, description: str, service_type: str = 'compute'
) -> list[cfg.Opt]:
    """Return the options for credential, session and adapter.

    The authentication plugin registers its own options when it is loaded.

    :param timeout: default of the option ``timeout``, in seconds
    :param description: what the credential is for
    :param service_type: default of the option ``service_type``
    """
    found: list[cfg.Opt] = [
        *loading.get_auth_common_conf_options(),
        *loading.get_session_conf_options(),
        *loading.get_adapter_conf_options(include_deprecated=False),
    ]
    cfg.set_defaults(
        found,
        service_type=service_type,
        timeout=timeout,
        valid_interfaces=['internal', 'public'],
    )
    for option in found:
        if option.name == 'auth_type':
            option.help = f'{option.help}. {description}'
    return found


def sample(options: Sequence[cfg.Opt]) -> list[cfg.Opt]:
    """Add the options of the plugin "password", for the sample file."""
    return [*options, *loading.get_auth_plugin_conf_options('password')]
