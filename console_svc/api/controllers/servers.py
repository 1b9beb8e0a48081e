# SPDX-License-Identifier: Apache-2.0

"""/servers: list and show servers; /servers/{server_id} leads to consoles."""

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar
from urllib import parse

import webob

from console_svc import exception
from console_svc.api.bodies import schema, server_parameters, server_query
from console_svc.api.bodies import servers as bodies
from console_svc.api.controllers.actions import ActionController
from console_svc.api.controllers.base import Resource, ServerResource
from console_svc.api.controllers.consoles import ConsolesController
from console_svc.api.controllers.recordings import RecordingsController
from console_svc.api.controllers.remote_consoles import (
    RemoteConsolesController,
)
from console_svc.api.controllers.server_sessions import (
    ServerSessionsController,
)
from console_svc.api.controllers.server_tokens import ServerTokensController
from console_svc.api.microversion import Version
from console_svc.api.operation import Operation
from console_svc.api.request import Request
from console_svc.consoles.server_list import ServerQuery
from console_svc.objects import Server
from console_svc.policies import servers as policies

# From this one on, a query is refused when a server is shown.
_NO_QUERY = Version(2, 102)


class ServerController(ServerResource):
    """/servers/{server_id}"""

    children = {
        'action': ActionController,
        'consoles': ConsolesController,
        'remote-consoles': RemoteConsolesController,
    }
    extensions = {
        'console-auth-tokens': ServerTokensController,
        'console-recordings': RecordingsController,
        'console-sessions': ServerSessionsController,
    }

    @Operation(
        'GET',
        'Show a server',
        answer=bodies.SHOWN,
        raises=(exception.BadRequest,),
        without_nova=True,
    )
    def show(self, req: Request, resp: webob.Response) -> dict[str, Any]:
        if req.microversion >= _NO_QUERY:
            schema.validate_query(server_parameters.SHOW, req.query())
        server = self.authorized_server(req, policies.SHOW)
        return bodies.shown(server, _urls(req), req.microversion)


@dataclasses.dataclass(slots=True)
class ServerListResource(Resource):
    """A list of servers."""

    #: The rules of listing, and of listing the servers of all projects.
    RULE: ClassVar[str]
    ALL_RULE: ClassVar[str]

    def page(
        self,
        req: Request,
        view: Callable[[Sequence[Server], bodies.Urls], dict[str, Any]],
    ) -> dict[str, Any]:
        """The page that the query asks for.

        :param view: renders its servers
        :raises console_svc.exception.BadRequest: the query is invalid
        :raises console_svc.exception.Forbidden: the caller may not list
            these servers
        """
        query = self._query(req)
        servers = self.services.servers.page(req.caller, query)
        urls = _urls(req)
        found = view(servers, urls)
        # As in nova, a full page has a link even if no servers follow.
        if servers and len(servers) == query.limit:
            _, _, path = req.path_info.rpartition('/servers')
            url = urls.next(f'/servers{path}', req.query(), servers[-1].id)
            found['servers_links'] = bodies.next_links(url)
        return found

    def _query(self, req: Request) -> ServerQuery:
        version, caller = req.microversion, req.caller
        policy = self.services.policy
        parameters: server_parameters.Parameters = req.query()
        schema.validate_query(server_parameters.validator(version), parameters)
        own, is_admin = caller.project_id, policy.is_admin(caller)
        policy.authorize(caller, self.RULE, own)
        parameters = server_parameters.known(parameters, version)
        if not policy.allows(caller, policies.ALL_FILTERS, own):
            parameters = server_parameters.for_users(parameters, version)
        all_projects = server_query.is_all_tenants(parameters)
        if all_projects:
            policy.authorize(caller, self.ALL_RULE, own)
        else:
            parameters = server_query.for_one_project(parameters)
        return ServerQuery(
            # A caller without a project has no servers.
            project_id=None if all_projects else own or '',
            filters=server_query.filters(parameters, version, is_admin),
            sort=server_query.sort(parameters, is_admin),
            marker=server_query.marker(parameters),
            limit=server_query.limit(
                parameters, self.services.conf.api.max_limit
            ),
        )


class ServersDetailController(ServerListResource):
    """/servers/detail"""

    RULE = policies.DETAIL
    ALL_RULE = policies.DETAIL_ALL

    @Operation(
        'GET',
        'List servers with details',
        query=server_parameters.DESCRIBED,
        answer=bodies.DETAILED,
        raises=(exception.BadRequest,),
        without_nova=True,
    )
    def detail(self, req: Request, resp: webob.Response) -> dict[str, Any]:
        version = req.microversion
        return self.page(req, partial(bodies.detailed, version=version))


class ServersController(ServerListResource):
    """/servers"""

    RULE = policies.INDEX
    ALL_RULE = policies.INDEX_ALL

    children = {'detail': ServersDetailController}
    item = ServerController

    @Operation(
        'GET',
        'List servers',
        query=server_parameters.DESCRIBED,
        answer=bodies.LISTED,
        raises=(exception.BadRequest,),
        without_nova=True,
    )
    def list(self, req: Request, resp: webob.Response) -> dict[str, Any]:
        return self.page(req, bodies.listed)


def _urls(req: Request) -> bodies.Urls:
    """The URLs of servers, with a project if the request's path has one."""
    prefix, _, _ = req.path_info.rpartition('/servers')
    _, version, *project = prefix.split('/')
    path = ''.join(f'/{parse.quote(it, safe="")}' for it in project if it)
    return bodies.Urls(req.application_url, f'/{version}', path)
