# SPDX-License-Identifier: Apache-2.0

"""/servers/{server_id}/consoles: consoles for native VNC clients."""

import dataclasses
import http
import re
from typing import Any

import webob

from console_svc import exception
from console_svc.api.bodies import consoles as bodies
from console_svc.api.controllers.base import ServerResource
from console_svc.api.operation import Form, Operation
from console_svc.api.request import Request
from console_svc.policies import consoles as policies

# More digits do not fit into the database's integers.
_ID = re.compile(r'[1-9][0-9]{0,17}')


@dataclasses.dataclass(slots=True)
class ConsoleController(ServerResource):
    """/servers/{server_id}/consoles/{console_id}"""

    console_id: str

    @Operation(
        'GET',
        'Show a native console',
        answer=bodies.SHOWN,
        raises=(exception.PasswordUnreadable,),
        links={'console_delete': {}},
    )
    def show(self, req: Request, resp: webob.Response) -> dict[str, Any]:
        server = self.authorized_server(req, policies.SHOW)
        return bodies.shown(
            *self.services.native_consoles.get(
                req.caller, server, self._number()
            )
        )

    @Operation(
        'DELETE', 'Delete a native console', status=http.HTTPStatus.ACCEPTED
    )
    def delete(self, req: Request, resp: webob.Response) -> None:
        server = self.authorized_server(req, policies.DELETE)
        self.services.native_consoles.close(req.caller, server, self._number())

    def _number(self) -> int:
        if not _ID.fullmatch(self.console_id):
            raise exception.ConsoleNotFound(server_id=self.server_id)
        return int(self.console_id)


class ConsolesController(ServerResource):
    """/servers/{server_id}/consoles"""

    item = ConsoleController

    @Operation(
        'GET',
        'List native consoles',
        answer=bodies.LISTED,
        links={
            operation: {'console_id': '$response.body#/consoles/0/console/id'}
            for operation in ('console_show', 'console_delete')
        },
    )
    def list(self, req: Request, resp: webob.Response) -> dict[str, Any]:
        server = self.authorized_server(req, policies.INDEX)
        return bodies.listed(self.services.native_consoles.list(server))

    @Operation(
        'POST',
        'Create a native console',
        body=(Form(bodies.CREATE.schema),),
        body_required=False,
        raises=(
            exception.ServerNotReady,
            exception.NativeConsoleUnavailable,
            exception.NativeConsoleUnprotected,
        ),
        links={'consoles_list': {}},
    )
    def create(self, req: Request, resp: webob.Response) -> None:
        req.document()  # refuses what is not JSON
        server = self.authorized_server(req, policies.CREATE)
        self.services.native_consoles.open(
            req.caller, server, self.lists_sessions(req, server)
        )
