# SPDX-License-Identifier: Apache-2.0

"""/servers/{server_id}: leads to a server's consoles."""

from console_svc.api.controllers.actions import ActionController
from console_svc.api.controllers.base import Resource, ServerResource
from console_svc.api.controllers.consoles import ConsolesController
from console_svc.api.controllers.remote_consoles import (
    RemoteConsolesController,
)
from console_svc.api.controllers.server_sessions import (
    ServerSessionsController,
    ServerTokensController,
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
        'console-sessions': ServerSessionsController,
    }


class ServersController(Resource):
    """/servers"""

    item = ServerController
