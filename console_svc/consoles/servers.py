# SPDX-License-Identifier: Apache-2.0

"""Servers, as far as a caller may know of them."""

import re

from console_svc import exception
from console_svc.compute import Driver
from console_svc.context import RequestContext
from console_svc.objects import Server
from console_svc.policy import Policy

_UUID = re.compile(r'[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}')


class Servers:
    """Looks servers up.

    :param rules: who can see them
    """

    def __init__(self, driver: Driver, rules: Policy) -> None:
        self._driver = driver
        self._rules = rules

    def get(self, context: RequestContext, server_id: str) -> Server:
        """The server, if it exists for this caller.

        :raises console_svc.exception.ServerNotFound: there is none, or it
            is another project's: who asks can't tell which
        """
        if not _UUID.fullmatch(server_id):
            raise exception.ServerNotFound(server_id=server_id)
        server = self._driver.get_server(context, server_id)
        if not self._rules.can_see(context, server.project_id):
            raise exception.ServerNotFound(server_id=server_id)
        return server
