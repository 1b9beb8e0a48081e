# SPDX-License-Identifier: Apache-2.0

"""Servers, as far as their caller may see them."""

import re

from console_svc import exception
from console_svc.compute import Driver
from console_svc.consoles import server_list
from console_svc.consoles.server_list import ServerQuery
from console_svc.context import RequestContext
from console_svc.objects import Server
from console_svc.policy import Policy

_UUID = re.compile(r'[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}')


class Servers:
    """Looks servers up.

    :param policy: decides who can see a server
    """

    def __init__(self, driver: Driver, policy: Policy) -> None:
        self._driver = driver
        self._policy = policy

    def get(self, context: RequestContext, server_id: str) -> Server:
        """The server, if the caller can see it.

        :raises console_svc.exception.ServerNotFound: it does not exist, or
            belongs to another project; the caller cannot tell which
        """
        if not _UUID.fullmatch(server_id):
            raise exception.ServerNotFound(server_id=server_id)
        server = self._driver.get_server(context, server_id)
        if not self._policy.can_see(context, server.project_id):
            raise exception.ServerNotFound(server_id=server_id)
        return server

    def page(
        self, context: RequestContext, query: ServerQuery
    ) -> list[Server]:
        """A page of a list of servers.

        It does not check whether the caller may list the query's projects.

        :raises console_svc.exception.MarkerNotFound: the query's marker is
            not the id of a server in these projects
        """
        return server_list.page(
            self._driver.list_servers(context, query.project_id), query
        )
