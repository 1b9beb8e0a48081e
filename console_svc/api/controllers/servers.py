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
        if segment not in CHILDREN:
            raise exception.NotFound
        child: Resource = CHILDREN[segment](self.services, self.server_id)
        return child


CHILDREN: dict[str, type[Any]] = {
    'action': ActionController,
    'consoles': ConsolesController,
    'remote-consoles': RemoteConsolesController,
}
