# SPDX-License-Identifier: Apache-2.0

"""/servers/{server_id}/console-recordings: recordings of its sessions."""

import dataclasses
import http
from collections.abc import Iterator
from typing import Any

import webob

from console_svc import exception
from console_svc.api.bodies import recordings as bodies
from console_svc.api.controllers.base import ServerResource
from console_svc.api.controllers.paging import next_page
from console_svc.api.operation import Operation
from console_svc.api.request import Request
from console_svc.consoles.recordings import Content, Recordings
from console_svc.policies import recordings as policies


@dataclasses.dataclass(slots=True)
class RecordingResource(ServerResource):
    """A node of the recordings of a server."""

    @property
    def recordings(self) -> Recordings:
        """The recordings of all servers."""
        found = self.services.recordings
        if found is None:
            raise exception.NotFound
        return found

    def authorized(self, req: Request, rule: str) -> str:
        """The id of the server, if the caller may do this with recordings.

        They outlive their server: then its project is the one that they have.

        :param rule: the rule of the operation
        :raises console_svc.exception.ServerNotFound: not for this caller
        :raises console_svc.exception.Forbidden: policy says no
        """
        try:
            return self.authorized_server(req, rule).id
        except exception.ServerNotFound:
            policy = self.services.policy
            project_id = self.recordings.get_project(self.server_id)
            if project_id is None or not policy.can_see(
                req.caller, project_id
            ):
                raise
            policy.authorize(req.caller, rule, project_id)
            return self.server_id


@dataclasses.dataclass(slots=True)
class RecordingAccessController(RecordingResource):
    """/servers/{server_id}/console-recordings/{recording_id}/access"""

    recording_id: str

    @Operation(
        'POST',
        'Give access to a recording',
        status=http.HTTPStatus.CREATED,
        answer=bodies.ACCESS,
        of_recordings=True,
    )
    def create(self, req: Request, resp: webob.Response) -> dict[str, Any]:
        server_id = self.authorized(req, policies.READ)
        accesses = self.services.recording_accesses
        if accesses is None:
            raise exception.NotFound
        return bodies.access(
            *accesses.give(req.caller, server_id, self.recording_id)
        )


@dataclasses.dataclass(slots=True)
class RecordingContentController(RecordingResource):
    """/servers/{server_id}/console-recordings/{recording_id}/content"""

    recording_id: str

    @Operation(
        'GET',
        "Read a recording's content",
        answer=bodies.CONTENT,
        of_recordings=True,
    )
    def get(self, req: Request, resp: webob.Response) -> None:
        server_id = self.authorized(req, policies.READ)
        content = self.recordings.read(
            req.caller, server_id, self.recording_id
        )
        resp.content_type = content.format.media_type
        resp.charset = None
        resp.app_iter = _Body(content)
        resp.content_length = content.size
        resp.accept_ranges = 'bytes'
        # WebOb answers requests for a range.
        resp.conditional_response = True


@dataclasses.dataclass(slots=True)
class RecordingController(RecordingResource):
    """/servers/{server_id}/console-recordings/{recording_id}"""

    recording_id: str

    children = {
        'access': RecordingAccessController,
        'content': RecordingContentController,
    }

    @Operation(
        'GET', 'Show a recording', answer=bodies.SHOWN, of_recordings=True
    )
    def show(self, req: Request, resp: webob.Response) -> dict[str, Any]:
        server_id = self.authorized(req, policies.INDEX)
        return bodies.shown(self.recordings.get(server_id, self.recording_id))

    @Operation(
        'DELETE',
        'Delete a recording',
        status=http.HTTPStatus.NO_CONTENT,
        of_recordings=True,
    )
    def delete(self, req: Request, resp: webob.Response) -> None:
        server_id = self.authorized(req, policies.DELETE)
        self.recordings.delete(req.caller, server_id, self.recording_id)


class RecordingsController(RecordingResource):
    """/servers/{server_id}/console-recordings"""

    item = RecordingController

    @Operation(
        'GET',
        "List a server's recordings",
        query=bodies.QUERY,
        answer=bodies.LISTED,
        raises=(exception.BadRequest,),
        of_recordings=True,
        links={
            operation: {
                'recording_id': '$response.body#/console_recordings/0/id'
            }
            for operation in (
                'recording_show',
                'recording_delete',
                'recording_content_get',
                'recording_access_create',
            )
        },
    )
    def list(self, req: Request, resp: webob.Response) -> dict[str, Any]:
        limit, marker = bodies.page(
            req.query(), self.services.conf.api.max_limit
        )
        server_id = self.authorized(req, policies.INDEX)
        found = self.recordings.list(server_id, limit, marker)
        document = bodies.listed(found)
        if found and len(found) == limit:
            # As in nova, even if no recordings follow.
            document['console_recordings_links'] = next_page(req, found[-1].id)
        return document


class _Body:
    """The body of a response, as WebOb reads it."""

    def __init__(self, content: Content) -> None:
        self._content = content

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._content)

    def app_iter_range(self, start: int, stop: int) -> Iterator[bytes]:
        """A range; WebOb calls it."""
        return self._content.range(start, stop)
