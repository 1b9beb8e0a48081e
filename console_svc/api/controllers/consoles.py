# SPDX-License-Identifier: Apache-2.0

"""/servers/{server_id}/consoles: consoles for native VNC clients."""

import dataclasses
import http
import re
from typing import Any

import webob

from console_svc import exception
from console_svc.api import views
from console_svc.api.controllers.base import (
    Resource,
    ServerResource,
    methods,
)
from console_svc.api.request import Request
from console_svc.policies import consoles as policies

# What a database can count to; larger ids than that were never given.
_ID = re.compile(r'[1-9][0-9]{0,17}')


class ConsolesController(ServerResource):
    """/servers/{server_id}/consoles"""

    index = methods()

    @index.when(method='GET', template='json')
    def list(self, req: Request, resp: webob.Response) -> dict[str, Any]:
        server = self.authorized_server(req, policies.INDEX)
        return views.consoles(self.services.consoles.list(server))

    @index.when(method='POST')
    def create(self, req: Request, resp: webob.Response) -> None:
        req.document()  # any JSON will do, and is ignored
        server = self.authorized_server(req, policies.CREATE)
        self.services.consoles.open(req.caller, server)

    def _lookup(self, segment: str, req: Request) -> Resource:
        if segment == '':
            raise exception.NotFound
        return ConsoleController(self.services, self.server_id, segment)


@dataclasses.dataclass(slots=True)
class ConsoleController(ServerResource):
    """/servers/{server_id}/consoles/{console_id}"""

    console_id: str
    index = methods()

    @index.when(method='GET', template='json')
    def show(self, req: Request, resp: webob.Response) -> dict[str, Any]:
        server = self.authorized_server(req, policies.SHOW)
        return views.console(
            self.services.consoles.get(server, self._number())
        )

    @index.when(method='DELETE')
    def delete(self, req: Request, resp: webob.Response) -> None:
        server = self.authorized_server(req, policies.DELETE)
        self.services.consoles.close(req.caller, server, self._number())
        resp.status_int = http.HTTPStatus.ACCEPTED

    def _number(self) -> int:
        if not _ID.fullmatch(self.console_id):
            raise exception.ConsoleNotFound(server_id=self.server_id)
        return int(self.console_id)
