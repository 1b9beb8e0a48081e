# SPDX-License-Identifier: Apache-2.0

"""The command ``openstack server console attach``."""

import argparse
import asyncio
import logging
import ssl
import sys
from pathlib import Path
from typing import Final
from urllib import parse

from osc_lib import exceptions
from websockets.asyncio import client
from websockets.exceptions import (
    InvalidHandshake,
    InvalidStatus,
    InvalidURI,
    ProxyError,
)
from websockets.frames import CloseCode
from websockets.typing import Subprotocol

from console_svc.osc import terminal
from console_svc.osc.base import ServerCommand

# websockets logs the path of the URL, which has the console token.
_QUIET: Final = logging.getLogger(f'{__name__}.library')
_QUIET.setLevel(logging.CRITICAL)

_BINARY: Final = Subprotocol('binary')

# The scheme of a page -> that of its websocket.
_SCHEMES: Final = {'http': 'ws', 'https': 'wss'}


class AttachServerConsole(ServerCommand):
    """Attach the terminal to the serial console of a server.

    Type ~. at the beginning of a line to disconnect, and ~~ to send a tilde.
    All other keys are sent to the server.
    """

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        source, target = sys.stdin.fileno(), sys.stdout.fileno()
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            raise exceptions.CommandError(
                'Standard input and output must be a terminal.'
            )
        server = self.client.server(parsed_args.server)
        url = websocket_url(self.client.serial_url(server))
        context = None
        if url.startswith('wss:'):
            context = tls_context(self.client.verify)
        print(
            f'Connecting to {parsed_args.server}. Type ~. at the beginning '
            'of a line to disconnect.',
            file=sys.stderr,
        )
        code, reason = asyncio.run(_attach(url, context, source, target))
        if code is None:
            reason = 'Disconnected.'
        elif code == CloseCode.ABNORMAL_CLOSURE:
            raise exceptions.CommandError('The connection was lost.')
        elif code != CloseCode.NORMAL_CLOSURE:
            raise exceptions.CommandError(
                f'{reason or "The connection was closed."} '
                f'(close code {code:d})'
            )
        print(reason, file=sys.stderr)


def websocket_url(url: str) -> str:
    """The URL of the websocket that the URL of a serial console leads to.

    It may be a websocket's already. A page opens one in its own folder with
    its parameter ``token``, or at its parameter ``path``.

    :raises osc_lib.exceptions.CommandError: it leads to neither
    """
    parts = parse.urlsplit(url)
    if parts.scheme in _SCHEMES.values():
        return url
    query = parse.parse_qs(parts.query)
    path = query.get('path', [''])[0]
    token = query.get('token', [''])[0]
    if parts.scheme not in _SCHEMES or not (token or 'token=' in path):
        raise exceptions.CommandError(
            "The URL of the server's serial console is neither that of a page "
            'nor that of a websocket.'
        )
    if 'token=' in path:
        path = f'/{path.removeprefix("/")}'
    else:
        folder = parts.path.rpartition('/')[0]
        path = f'{folder}/?token={parse.quote(token, safe="")}'
    return f'{_SCHEMES[parts.scheme]}://{parts.netloc}{path}'


def tls_context(verify: bool | str) -> ssl.SSLContext:
    """TLS as the options --os-cacert and --insecure have it.

    :param verify: whether to verify certificates, or a file or folder of CAs
    :raises osc_lib.exceptions.CommandError: there is no such file
    """
    if not isinstance(verify, str):
        context = ssl.create_default_context()
        if not verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context
    is_folder = Path(verify).is_dir()
    try:
        return ssl.create_default_context(
            cafile=None if is_folder else verify,
            capath=verify if is_folder else None,
        )
    except OSError as error:
        raise exceptions.CommandError(f'{verify}: {error}') from None


async def _attach(
    url: str, context: ssl.SSLContext | None, source: int, target: int
) -> tuple[int | None, str]:
    """Connect the terminal until one of the two ends.

    :returns: close code and reason of the websocket; no code: the user has
        disconnected
    :raises osc_lib.exceptions.CommandError: the proxy cannot be reached
    """
    host = parse.urlsplit(url).netloc
    try:
        websocket = await client.connect(
            url,
            ssl=context,
            subprotocols=[_BINARY],
            compression=None,
            max_size=None,
            logger=_QUIET,
        )
    # The messages of some exceptions have the URL and thus the token.
    except InvalidStatus as error:
        reason = f'HTTP {error.response.status_code}'
    except (InvalidURI, ProxyError):
        reason = 'the URL, or that of an HTTP proxy, is invalid'
    except (InvalidHandshake, OSError, TimeoutError) as error:
        reason = str(error) or 'it does not answer'
    else:
        async with websocket:
            with terminal.raw(source):
                await terminal.relay(websocket, source, target)
            return websocket.close_code, websocket.close_reason or ''
    raise exceptions.CommandError(
        f'The console proxy at {host} cannot be reached: {reason}'
    )
