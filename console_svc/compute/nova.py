# SPDX-License-Identifier: Apache-2.0

"""The compute driver that uses nova's public API.

Requests carry the caller's token, so nova decides what the caller may see
and do. For a console nova returns a URL with a token of its own. The service
looks up that token's connect info with its own credential.
"""

import contextlib
import http
import logging
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from keystoneauth1 import exceptions as keystone_exceptions
from keystoneauth1 import plugin, service_token, token_endpoint
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

# Console type -> its protocol, and the microversions of nova that create a
# console of the type and look up its token.
_TYPES: Final[Mapping[str, tuple[str, str, str]]] = {
    ConsoleType.NOVNC: ('vnc', '2.6', '2.31'),
    ConsoleType.XVPVNC: ('vnc', '2.6', '2.31'),
    ConsoleType.SPICE_HTML5: ('spice', '2.6', '2.31'),
    ConsoleType.SPICE_DIRECT: ('spice', '2.99', '2.99'),
    ConsoleType.RDP_HTML5: ('rdp', '2.6', '2.31'),
    ConsoleType.SERIAL: ('serial', '2.6', '2.31'),
    ConsoleType.WEBMKS: ('mks', '2.8', '2.31'),
}

# Either a parameter of the query, or quoted in noVNC's parameter "path".
_TOKEN: Final = re.compile(r'token(?:=|%3D)([0-9A-Za-z-]+)')

# Statuses with which nova refuses a console type that is not available.
_TYPE_UNAVAILABLE: Final = (
    http.HTTPStatus.BAD_REQUEST,
    # Nova is too old for the type's microversion.
    http.HTTPStatus.NOT_ACCEPTABLE,
)


class NovaDriver(base.Driver):
    """Uses an unmodified nova; ``[nova]`` configures the client."""

    opens_native_consoles = False

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        super().__init__(conf)
        self._nova = rest_client.load(conf, GROUP)

    def get_server(self, context: RequestContext, server_id: str) -> Server:
        document = self._request_server(server_id, 'GET', '', context, '2.1')
        with _parsing():
            server = document['server']
            return Server(
                id=server['id'],
                project_id=server['tenant_id'],
                name=server['name'],
                # By default, nova shows it to administrators only.
                instance_name=server.get(
                    'OS-EXT-SRV-ATTR:instance_name', server['id']
                ),
                # Users may not see host names; hostId is a hash of the host
                # and the project.
                host=server['hostId'] or None,
                status=server['status'],
            )

    def get_connect_info(
        self, context: RequestContext, server: Server, console_type: str
    ) -> ConnectInfo:
        protocol, version, _ = _TYPES[console_type]
        requested = {'protocol': protocol, 'type': console_type}
        try:
            document = self._request_server(
                server.id,
                'POST',
                '/remote-consoles',
                context,
                version,
                {'remote_console': requested},
            )
        except exception.UpstreamRefused as error:
            if error.status in _TYPE_UNAVAILABLE:
                raise exception.ConsoleTypeUnavailable(
                    console_type=console_type
                ) from None
            raise
        with _parsing():
            token = _TOKEN.findall(document['remote_console']['url'])[-1]
        info = self._look_up(token, console_type)
        if info is None:
            # The server was stopped or moved between the two requests.
            raise exception.ServerNotReady(server_id=server.id)
        return info

    def leads_to_console(
        self, context: RequestContext, token: ConsoleAuthToken
    ) -> bool:
        """Return whether nova's own token is still valid.

        Nova checks it with the compute host, and deletes the tokens of a
        server that is stopped or moved.
        """
        info = token.connect_info
        if info.ticket is None:
            return False
        return self._look_up(info.ticket, token.console_type) == info

    def open_native_console(
        self, context: RequestContext, server: Server, password: str
    ) -> Endpoint:
        raise exception.NativeConsoleUnavailable(server_id=server.id)

    def close_native_console(self, server_id: str, server_host: str) -> None:
        """Do nothing: this driver opens no native consoles."""

    def _look_up(self, token: str, console_type: str) -> ConnectInfo | None:
        """Return the connect info of nova's token, or None if it is void."""
        try:
            document = self._request(
                'GET',
                f'/os-console-auth-tokens/{token}',
                None,
                _TYPES[console_type][2],
            )
        except exception.UpstreamRefused as error:
            if error.status == http.HTTPStatus.NOT_FOUND:
                return None
            # Nova refuses the service's credential, not the caller's.
            raise _unavailable(
                f'the credential of [{GROUP}] may not ask where a token '
                f'leads: {error}'
            ) from None
        with _parsing():
            console = document['console']
            return ConnectInfo(
                host=console['host'],
                port=int(console['port']),
                tls_port=console.get('tls_port'),
                internal_access_path=console['internal_access_path'],
                ticket=token,
            )

    def _request_server(
        self,
        server_id: str,
        method: str,
        path: str,
        context: RequestContext,
        version: str,
        body: Mapping[str, Any] | None = None,
    ) -> Any:
        """Send a request about a server; see :meth:`_request`.

        :param path: relative to the server's path
        :raises console_svc.exception.ServerNotFound: nova answers 404
        """
        try:
            return self._request(
                method, f'/servers/{server_id}{path}', context, version, body
            )
        except exception.UpstreamRefused as error:
            if error.status == http.HTTPStatus.NOT_FOUND:
                raise exception.ServerNotFound(server_id=server_id) from None
            raise

    def _request(
        self,
        method: str,
        path: str,
        context: RequestContext | None,
        version: str,
        body: Mapping[str, Any] | None = None,
    ) -> Any:
        """Send a request to nova and return the document of its answer.

        :param context: the caller whose token is sent; None: the service's
            own credential is used
        :raises console_svc.exception.UpstreamRefused: nova refuses the request
        :raises console_svc.exception.ServiceUnavailable: nova does not
            answer, or its answer cannot be parsed
        """
        failure = None
        try:
            answer = self._nova.request(
                path,
                method,
                json=body,
                auth=self._auth(context),
                microversion=version,
                # Bodies and paths contain tokens.
                log=False,
            )
        except keystone_exceptions.ClientException as error:
            failure = type(error).__name__
        if failure:
            # Outside the except block, so that the log has no traceback with
            # the exception's message: that contains the URL with its token.
            raise _unavailable(failure)
        with _parsing():
            document = answer.json()
        if answer.status_code < http.HTTPStatus.BAD_REQUEST:
            return document
        if (
            answer.status_code >= http.HTTPStatus.INTERNAL_SERVER_ERROR
            # 501 is a refusal: nova does not support the request.
            and answer.status_code != http.HTTPStatus.NOT_IMPLEMENTED
        ):
            raise _unavailable(
                f'it answers {answer.status_code}, and its request id is '
                f'{answer.headers.get("X-OpenStack-Request-ID")}'
            )
        if (
            answer.status_code == http.HTTPStatus.UNAUTHORIZED
            and context is not None
            and context.has_access_rules
        ):
            LOG.warning(
                'Nova refuses the token of an application credential with '
                'access rules. Check that the user of [%s] has a role of '
                "nova's [keystone_authtoken] service_token_roles.",
                GROUP,
            )
        with _parsing():
            (fault,) = document.values()
            raise exception.UpstreamRefused(
                answer.status_code, fault['message']
            )

    def _auth(
        self, context: RequestContext | None
    ) -> plugin.BaseAuthPlugin | None:
        """Return the caller's token, or None for the credential of ``[nova]``.

        Commands and the purge have no caller's token.

        Nova also checks the access rules of application credentials, which
        name the caller's request and not those of this driver. With the
        service's token beside the caller's, it leaves that to the service.
        """
        if context is None or context.auth_token is None:
            return None
        caller = token_endpoint.Token(
            self._nova.get_endpoint(), context.auth_token
        )
        own = self._nova.session.auth
        if own is None or not context.has_access_rules:
            return caller
        return service_token.ServiceTokenAuthWrapper(caller, own)


@contextlib.contextmanager
def _parsing() -> Iterator[None]:
    """Treat an answer of another form than expected as unavailability."""
    try:
        yield
    except (AttributeError, LookupError, TypeError, ValueError):
        raise _unavailable('its answer cannot be parsed') from None


def _unavailable(reason: str) -> exception.ServiceUnavailable:
    """Log why nova is unavailable; the caller does not get the reason."""
    LOG.error('Nova is unavailable: %s', reason)
    return exception.ServiceUnavailable('Nova is unavailable.')
