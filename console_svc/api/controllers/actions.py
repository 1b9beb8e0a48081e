# SPDX-License-Identifier: Apache-2.0

"""/servers/{server_id}/action: the os-get*Console forms (2.1 to 2.5)."""

from typing import Any

import webob

from console_svc import exception
from console_svc.api import microversion
from console_svc.api.bodies import remote_consoles as bodies
from console_svc.api.bodies import schema
from console_svc.api.controllers.base import ServerResource
from console_svc.api.controllers.remote_consoles import REFUSALS, issue
from console_svc.api.operation import Form, Operation
from console_svc.api.request import Request


class ActionController(ServerResource):
    """/servers/{server_id}/action"""

    @Operation(
        'POST',
        'Get a console by action',
        before=microversion.REMOTE_CONSOLES,
        body=tuple(
            Form(validator.schema, action=action)
            for action, validator in bodies.ACTIONS.items()
        ),
        answer=bodies.ACTED,
        raises=REFUSALS,
    )
    def act(self, req: Request, resp: webob.Response) -> dict[str, Any]:
        document = req.document()
        if not isinstance(document, dict) or len(document) != 1:
            raise exception.MalformedBody
        (action,) = document
        if action not in bodies.ACTIONS:
            raise exception.BadRequest(
                reason=f'There is no such action: {action}'
            )
        if req.microversion >= microversion.REMOTE_CONSOLES:
            raise exception.NotFound
        schema.validate(bodies.ACTIONS[action], document)
        console_type = document[action]['type']
        url = issue(self, req, console_type, (console_type,))
        return bodies.acted(console_type, url)
