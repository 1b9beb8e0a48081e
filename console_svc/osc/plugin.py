# SPDX-License-Identifier: Apache-2.0

"""The module that openstackclient loads as a plugin.

It is loaded with every ``openstack`` command, so it must not import the
service.
"""

import argparse
import re

from osc_lib import clientmanager, exceptions, utils

from console_svc.osc.client import Client

#: Makes the client ``client_manager.console``, and ``openstack.console.v2``
#: the entry points of the commands.
API_NAME = 'console'
API_VERSION_OPTION = 'os_console_api_version'
#: From 2.31 on, tokens of all types can be looked up. From 2.99 on, the answer
#: has the TLS port of spice-direct.
DEFAULT_API_VERSION = '2.99'


def make_client(instance: clientmanager.ClientManager) -> Client:
    """Return the client; openstackclient calls this once."""
    return Client(
        instance.sdk_connection.compute,
        # The only place that has the value of API_VERSION_OPTION.
        microversion=_microversion(instance._api_version[API_NAME]),
    )


def check_api_version(version: str) -> bool:
    """Check the version that the user has given; called by openstackclient.

    "latest" is refused, although the service supports it: openstackclient
    would look for the commands of a major version of this name.

    :raises osc_lib.exceptions.CommandError: the version is not a microversion
    """
    if not re.fullmatch(r'2(\.[0-9]+)?', version):
        raise exceptions.CommandError(
            f'{version!r} is not a microversion for console commands, such '
            f'as {DEFAULT_API_VERSION}'
        )
    return True


def _microversion(version: str) -> str:
    """Return the microversion to send; for a major version, the default."""
    return version if '.' in version else DEFAULT_API_VERSION


def build_option_parser(
    parser: argparse.ArgumentParser,
) -> argparse.ArgumentParser:
    """Add the plugin's global option to openstackclient's."""
    parser.add_argument(
        '--os-console-api-version',
        metavar='<console-api-version>',
        default=utils.env('OS_CONSOLE_API_VERSION'),
        help=(
            'The microversion of the compute API for console commands. '
            f'Default: {DEFAULT_API_VERSION}. (Env: OS_CONSOLE_API_VERSION)'
        ),
    )
    return parser
