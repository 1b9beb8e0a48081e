# SPDX-License-Identifier: Apache-2.0

"""/servers/{server_id}: the way to a server's consoles."""

import dataclasses
from typing import Any

from console_svc import exception
from console_svc.api.controllers.actions import ActionController
from console_svc.api.controllers.base import (
    Resource,
    ServerResource,
    Services,
)
from console_svc.api.controllers.console_sessions import (
    ConsoleSessionsController,
    ServerTokensController,
)
from console_svc.api.controllers.consoles import ConsolesController
from console_svc.api.controllers.remote_consoles import (
    RemoteConsolesController,
)
from console_svc.api.request import Request


@dataclasses.dataclass(slots=True)
class ServersController(Resource):
    """/servers"""

    services: Services

    def _lookup(self, segment: str, req: Request) -> Resource:
        if segment == '':
            raise exception.NotFound
        return ServerController(self.services, segment)


class ServerController(ServerResource):
    """/servers/{server_id}"""

    def _lookup(self, segment: str, req: Request) -> Resource:
        children = CHILDREN
        if self.services.conf.api.extensions:
            children = CHILDREN | EXTENSIONS
        if segment not in children:
            raise exception.NotFound
        child: Resource = children[segment](self.services, self.server_id)
        return child


CHILDREN: dict[str, type[Any]] = {
    'action': ActionController,
    'consoles': ConsolesController,
    'remote-consoles': RemoteConsolesController,
}

#: Console-svc's own.
EXTENSIONS: dict[str, type[Any]] = {
    'console-auth-tokens': ServerTokensController,
    'console-sessions': ConsoleSessionsController,
}
