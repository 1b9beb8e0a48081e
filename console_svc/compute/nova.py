# SPDX-License-Identifier: Apache-2.0

"""Servers and their consoles, as nova's public API tells of them.

Nova decides what the caller may see and do: it is asked with the caller's
token. A console that it gives is a URL with a token of nova's; where that
leads, nova tells the service's own credential alone.
"""

import contextlib
import http
import logging
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from keystoneauth1 import exceptions as keystone_exceptions
from keystoneauth1 import plugin, token_endpoint
from oslo_config import cfg

from console_svc import exception, rest_client
from console_svc.compute import base
from console_svc.conf.nova import GROUP
from console_svc.context import RequestContext
from console_svc.objects import (
    ConnectInfo,
    ConsoleAuthToken,
    ConsoleType,
    Endpoint,
    Server,
)

LOG = logging.getLogger(__name__)

# Of each type: its protocol, and the microversions that give a console of it
# and tell where a token of it leads.
_TYPES: Final[Mapping[str, tuple[str, str, str]]] = {
    ConsoleType.NOVNC: ('vnc', '2.6', '2.31'),
    ConsoleType.XVPVNC: ('vnc', '2.6', '2.31'),
    ConsoleType.SPICE_HTML5: ('spice', '2.6', '2.31'),
    ConsoleType.SPICE_DIRECT: ('spice', '2.99', '2.99'),
    ConsoleType.RDP_HTML5: ('rdp', '2.6', '2.31'),
    ConsoleType.SERIAL: ('serial', '2.6', '2.31'),
    ConsoleType.WEBMKS: ('mks', '2.8', '2.31'),
}

# In a URL's query, or inside the parameter "path" of noVNC's.
_TOKEN: Final = re.compile(r'token(?:=|%3D)([0-9A-Za-z-]+)')

# What nova answers where it has no console of this type for anybody.
_NO_SUCH_CONSOLE: Final = (
    http.HTTPStatus.BAD_REQUEST,
    # It is older than the type.
    http.HTTPStatus.NOT_ACCEPTABLE,
)


class NovaDriver(base.Driver):
    """An unmodified nova, found and asked as ``[nova]`` says."""

    opens_native_consoles = False

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        super().__init__(conf)
        self._nova = rest_client.load(conf, GROUP)

    def get_server(self, context: RequestContext, server_id: str) -> Server:
        document = self._ask_of(server_id, 'GET', '', context, '2.1')
        with _readable():
            server = document['server']
            return Server(
                id=server['id'],
                project_id=server['tenant_id'],
                name=server['name'],
                # Nova shows it to administrators, unless policy says
                # otherwise.
                instance_name=server.get(
                    'OS-EXT-SRV-ATTR:instance_name', server['id']
                ),
                # The host as its owner may know it: another one, another id.
                host=server['hostId'] or None,
                status=server['status'],
            )

    def get_connect_info(
        self, context: RequestContext, server: Server, console_type: str
    ) -> ConnectInfo:
        protocol, version, _ = _TYPES[console_type]
        wanted = {'protocol': protocol, 'type': console_type}
        try:
            document = self._ask_of(
                server.id,
                'POST',
                '/remote-consoles',
                context,
                version,
                {'remote_console': wanted},
            )
        except exception.UpstreamRefused as error:
            if error.status in _NO_SUCH_CONSOLE:
                raise exception.ConsoleTypeUnavailable(
                    console_type=console_type
                ) from None
            raise
        with _readable():
            token = _TOKEN.findall(document['remote_console']['url'])[-1]
        info = self._where(token, console_type)
        if info is None:
            # It was stopped or moved between the two questions.
            raise exception.ServerNotReady(server_id=server.id)
        return info

    def leads_to_console(
        self, context: RequestContext, token: ConsoleAuthToken
    ) -> bool:
        """Whether nova's own token still leads there.

        Nova asks the compute host, and forgets the tokens of a server that
        is stopped or moved.
        """
        info = token.connect_info
        if info.ticket is None:
            return False
        return self._where(info.ticket, token.console_type) == info

    def open_native_console(
        self, context: RequestContext, server: Server, password: str
    ) -> Endpoint:
        raise exception.NativeConsoleUnavailable(server_id=server.id)

    def close_native_console(self, server_id: str, server_host: str) -> None:
        """There is none."""

    def _where(self, token: str, console_type: str) -> ConnectInfo | None:
        """Where a token of nova's leads; None: nowhere, any more."""
        try:
            document = self._ask(
                'GET',
                f'/os-console-auth-tokens/{token}',
                None,
                _TYPES[console_type][2],
            )
        except exception.UpstreamRefused as error:
            if error.status == http.HTTPStatus.NOT_FOUND:
                return None
            # The caller can do nothing about it.
            raise _away(
                f'the credential of [{GROUP}] may not ask where a token '
                f'leads: {error}'
            ) from None
        with _readable():
            console = document['console']
            return ConnectInfo(
                host=console['host'],
                port=int(console['port']),
                tls_port=console.get('tls_port'),
                internal_access_path=console['internal_access_path'],
                ticket=token,
            )

    def _ask_of(
        self,
        server_id: str,
        method: str,
        path: str,
        context: RequestContext,
        version: str,
        body: Mapping[str, Any] | None = None,
    ) -> Any:
        """What nova answers of a server.

        :param path: below the server's
        :raises console_svc.exception.ServerNotFound: nova's 404
        """
        try:
            return self._ask(
                method, f'/servers/{server_id}{path}', context, version, body
            )
        except exception.UpstreamRefused as error:
            if error.status == http.HTTPStatus.NOT_FOUND:
                raise exception.ServerNotFound(server_id=server_id) from None
            raise

    def _ask(
        self,
        method: str,
        path: str,
        context: RequestContext | None,
        version: str,
        body: Mapping[str, Any] | None = None,
    ) -> Any:
        """What nova answers.

        :param context: in whose name; None: in the service's
        :raises console_svc.exception.UpstreamRefused: nova refuses
        :raises console_svc.exception.ServiceUnavailable: nova is away, or
            nothing can be made of what it says
        """
        failure = None
        try:
            answer = self._nova.request(
                path,
                method,
                json=body,
                auth=self._auth(context),
                microversion=version,
                # Bodies and paths hold tokens.
                log=False,
            )
        except keystone_exceptions.ClientException as error:
            failure = type(error).__name__
        if failure:
            # Not above, where the log would add the exception's own words:
            # they hold the URL, and that a token.
            raise _away(failure)
        with _readable():
            document = answer.json()
        if answer.status_code < http.HTTPStatus.BAD_REQUEST:
            return document
        if (
            answer.status_code >= http.HTTPStatus.INTERNAL_SERVER_ERROR
            # It can't, which is no failure.
            and answer.status_code != http.HTTPStatus.NOT_IMPLEMENTED
        ):
            raise _away(f'it answers {answer.status_code}')
        with _readable():
            (fault,) = document.values()
            raise exception.UpstreamRefused(
                answer.status_code, fault['message']
            )

    def _auth(
        self, context: RequestContext | None
    ) -> plugin.BaseAuthPlugin | None:
        """In whose name to ask; None: in that of ``[nova]``.

        Commands and housekeeping have no token of a caller's.
        """
        if context is None or context.auth_token is None:
            return None
        return token_endpoint.Token(
            self._nova.get_endpoint(), context.auth_token
        )


@contextlib.contextmanager
def _readable() -> Iterator[None]:
    """What nova says is taken apart; it may be anything."""
    try:
        yield
    except (AttributeError, LookupError, TypeError, ValueError):
        raise _away('its answer cannot be read') from None


def _away(reason: str) -> exception.ServiceUnavailable:
    """Nova is away, for the caller; the log says why."""
    LOG.error('Nova cannot be asked, answered with a 503: %s', reason)
    return exception.ServiceUnavailable('Nova is unavailable.')
