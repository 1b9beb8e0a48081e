# SPDX-License-Identifier: Apache-2.0

"""/servers/{server_id}: the way to a server's consoles."""

from console_svc.api.controllers.actions import ActionController
from console_svc.api.controllers.base import Resource, ServerResource
from console_svc.api.controllers.console_sessions import (
    ConsoleSessionsController,
    ServerTokensController,
)
from console_svc.api.controllers.consoles import ConsolesController
from console_svc.api.controllers.remote_consoles import (
    RemoteConsolesController,
)


class ServerController(ServerResource):
    """/servers/{server_id}"""

    children = {
        'action': ActionController,
        'consoles': ConsolesController,
        'remote-consoles': RemoteConsolesController,
    }
    extensions = {
        'console-auth-tokens': ServerTokensController,
        'console-sessions': ConsoleSessionsController,
    }


class ServersController(Resource):
    """/servers"""

    item = ServerController
