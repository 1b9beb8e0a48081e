# SPDX-License-Identifier: Apache-2.0

"""The driver interface: where servers and their consoles are."""

import abc

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
    """Knows the servers. Holds no rule about who may see them.

    Every method may raise :class:`console_svc.exception.ServiceUnavailable`
    when what the driver asks does not answer.

    :param conf: the service's configuration
    """

    #: Whether there are hypervisors to which native clients could connect.
    opens_native_consoles = True

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self.conf = conf

    @abc.abstractmethod
    def get_server(self, context: RequestContext, server_id: str) -> Server:
        """Which server is this?

        :param context: the caller, for drivers that ask in their name
        :param server_id: what the caller named, checked by nobody yet
        :raises console_svc.exception.ServerNotFound: none
        """

    @abc.abstractmethod
    def get_connect_info(
        self, context: RequestContext, server: Server, console_type: str
    ) -> ConnectInfo:
        """Where is the server's console of this type?

        :raises console_svc.exception.ConsoleTypeUnavailable: nowhere
        :raises console_svc.exception.ServerNotReady: nowhere just now
        """

    def leads_to_console(
        self, context: RequestContext, token: ConsoleAuthToken
    ) -> bool:
        """Whether the console is still where a token leads."""
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
        """Protect the server's native console with a password.

        Opening an open console replaces its password.

        :param password: 8 letters and digits
        :returns: where a client finds it
        :raises console_svc.exception.NativeConsoleUnavailable: it has none
        :raises console_svc.exception.ServerNotReady: it has none just now
        """

    @abc.abstractmethod
    def close_native_console(self, server_id: str, server_host: str) -> None:
        """Make a native console's password void and end its connections.

        Closing one that is closed, or whose server is gone, is no error.

        :param server_host: the compute host where it was opened
        """
