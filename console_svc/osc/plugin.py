# SPDX-License-Identifier: Apache-2.0

"""What openstackclient asks of a plugin.

It is loaded with every ``openstack`` command: nothing of the service is
imported here.
"""

import argparse
import re

from osc_lib import clientmanager, exceptions, utils

from console_svc.osc.client import Client

#: The client is ``client_manager.console``, its commands are those of the
#: entry points ``openstack.console.v2``.
API_NAME = 'console'
API_VERSION_OPTION = 'os_console_api_version'
#: From 2.31 on tokens of all types can be looked up, from 2.99 on with the
#: TLS port of spice-direct.
DEFAULT_API_VERSION = '2.99'


def make_client(instance: clientmanager.ClientManager) -> Client:
    """The client of one run."""
    return Client(
        instance.sdk_connection.compute,
        # Where plugins find what was asked of them.
        microversion=_microversion(instance._api_version[API_NAME]),
    )


def check_api_version(version: str) -> bool:
    """See that it is a microversion; openstackclient asks by this name.

    The service knows "latest", too, but openstackclient would look for the
    commands of a major version of this name.

    :raises osc_lib.exceptions.CommandError: it is none
    """
    if not re.fullmatch(r'2(\.[0-9]+)?', version):
        raise exceptions.CommandError(
            f'{version!r} is no microversion for console commands, such as '
            f'{DEFAULT_API_VERSION}'
        )
    return True


def _microversion(version: str) -> str:
    """What is sent: for the major version alone, the default."""
    return version if '.' in version else DEFAULT_API_VERSION


def build_option_parser(
    parser: argparse.ArgumentParser,
) -> argparse.ArgumentParser:
    """Add the plugin's global option."""
    parser.add_argument(
        '--os-console-api-version',
        metavar='<console-api-version>',
        default=utils.env('OS_CONSOLE_API_VERSION'),
        help=(
            'Microversion of the compute API for console commands, '
            f'default={DEFAULT_API_VERSION} (Env: OS_CONSOLE_API_VERSION)'
        ),
    )
    return parser
