# SPDX-License-Identifier: Apache-2.0

"""/servers/{server_id}/remote-consoles: issue a token, and its URL."""

from collections.abc import Sequence
from typing import Any

import webob

from console_svc import exception, over_limit
from console_svc.api import microversion
from console_svc.api.bodies import remote_consoles as bodies
from console_svc.api.bodies import schema
from console_svc.api.controllers.base import ServerResource
from console_svc.api.operation import Operation
from console_svc.api.request import Request
from console_svc.consoles import access_url
from console_svc.consoles.console_types import PROTOCOLS
from console_svc.consoles.terms import NotRecordable
from console_svc.objects import ConsoleType
from console_svc.policies import remote_consoles as policies

#: Errors of :func:`issue`, besides those of the server.
REFUSALS = (
    exception.InvalidConsoleType,
    NotRecordable,
    exception.ConsoleTypeUnavailable,
    exception.ServerNotReady,
    over_limit.ProjectOverLimit,
)


class RemoteConsolesController(ServerResource):
    """/servers/{server_id}/remote-consoles"""

    @Operation(
        'POST',
        'Create a console URL',
        since=microversion.REMOTE_CONSOLES,
        body=bodies.CREATE_FORMS,
        answer=bodies.CREATED,
        raises=REFUSALS,
    )
    def create(self, req: Request, resp: webob.Response) -> dict[str, Any]:
        if req.microversion < microversion.REMOTE_CONSOLES:
            raise exception.NotFound
        document = req.document()
        schema.validate(bodies.create(req.microversion), document)
        body = document['remote_console']
        url = issue(self, req, body['type'], PROTOCOLS[body['protocol']])
        return bodies.created(body['protocol'], body['type'], url)


def issue(
    resource: ServerResource,
    req: Request,
    console_type: str,
    possible: Sequence[str],
) -> str:
    """Issue a token.

    :param possible: the console types that the request can ask for
    :returns: the URL that uses the token
    :raises console_svc.exception.InvalidConsoleType: the type is not among
        them
    """
    server = resource.authorized_server(req, policies.CREATE)
    if console_type not in possible:
        raise exception.InvalidConsoleType(console_type=console_type)
    try:
        token = resource.services.tokens.issue(
            req.caller,
            server,
            console_type,
            lists_sessions=resource.lists_sessions(req, server),
        )
    except exception.ConsoleTypeUnavailable:
        if console_type != ConsoleType.XVPVNC:
            raise
        # As nova answers, which has removed this type.
        raise exception.InvalidConsoleType(console_type=console_type) from None
    return access_url.build(resource.services.conf, console_type, token)
