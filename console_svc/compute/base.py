# SPDX-License-Identifier: Apache-2.0

"""The interface of compute drivers."""

import abc
from collections.abc import Sequence

from oslo_config import cfg

from console_svc import exception
from console_svc.context import RequestContext
from console_svc.objects import (
    ConnectInfo,
    ConsoleAuthToken,
    Endpoint,
    Server,
)


class Driver(abc.ABC):
    """Looks up servers and their consoles.

    A driver does not check whether the caller may see a server, unless its
    back end does.

    Every method may raise :class:`console_svc.exception.ServiceUnavailable`
    when the driver's back end does not answer.

    :param conf: the service's configuration
    """

    #: Whether the driver can open consoles for native clients on hypervisors.
    opens_native_consoles = True
    #: Whether the driver has :meth:`list_servers`. Set it only if no nova
    #: serves the list of these servers.
    lists_servers = False

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self.conf = conf

    @abc.abstractmethod
    def get_server(self, context: RequestContext, server_id: str) -> Server:
        """Return a server.

        :param context: the caller, for drivers that use the caller's token
        :param server_id: as in the request; not validated
        :raises console_svc.exception.ServerNotFound: there is no such server
        """

    def list_servers(
        self, context: RequestContext, project_id: str | None
    ) -> Sequence[Server]:
        """Return servers, in any order.

        Servers whose host does not answer may be missing.

        :param project_id: the project that owns them; None: all projects
        """
        raise NotImplementedError

    @abc.abstractmethod
    def get_connect_info(
        self, context: RequestContext, server: Server, console_type: str
    ) -> ConnectInfo:
        """Return where the server's console of a type is.

        :raises console_svc.exception.ConsoleTypeUnavailable: the server has
            no console of this type
        :raises console_svc.exception.ServerNotReady: the server has no
            consoles in its current state
        """

    def leads_to_console(
        self, context: RequestContext, token: ConsoleAuthToken
    ) -> bool:
        """Return whether the token's connect info is still valid."""
        try:
            server = self.get_server(context, token.server_id)
            info = self.get_connect_info(context, server, token.console_type)
        except (
            exception.ServerNotFound,
            exception.ServerNotReady,
            exception.ConsoleTypeUnavailable,
        ):
            return False
        return info == token.connect_info

    @abc.abstractmethod
    def open_native_console(
        self, context: RequestContext, server: Server, password: str
    ) -> Endpoint:
        """Set the password of the server's native console.

        If the console is already open, its password is replaced.

        :param password: 8 letters and digits
        :returns: where a native client connects to
        :raises console_svc.exception.NativeConsoleUnavailable: the server has
            no native console
        :raises console_svc.exception.ServerNotReady: the server has no
            consoles in its current state
        """

    @abc.abstractmethod
    def close_native_console(self, server_id: str, server_host: str) -> None:
        """Invalidate a native console's password and end its connections.

        It is not an error if the console is already closed or the server no
        longer exists.

        :param server_host: the compute host on which it was opened
        """
