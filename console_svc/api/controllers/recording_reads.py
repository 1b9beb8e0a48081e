# SPDX-License-Identifier: Apache-2.0

"""/console-recording-reads: readings of recordings by console proxies."""

import http
from typing import Any

import webob

from console_svc import addresses, exception
from console_svc.api.bodies import recordings as bodies
from console_svc.api.bodies import schema
from console_svc.api.controllers.base import Resource
from console_svc.api.operation import Form, Operation
from console_svc.api.request import Request
from console_svc.consoles.recording_access import AccessNotFound
from console_svc.policies import recordings as policies


class RecordingReadsController(Resource):
    """/console-recording-reads"""

    @Operation(
        'POST',
        'Check access to a recording',
        status=http.HTTPStatus.CREATED,
        body=(Form(bodies.READ.schema),),
        answer=bodies.READABLE,
        raises=(AccessNotFound,),
        of_recordings=True,
    )
    def create(self, req: Request, resp: webob.Response) -> dict[str, Any]:
        document = req.document()
        schema.validate(bodies.READ, document, is_secret=True)
        self.services.policy.authorize(req.caller, policies.PLAY)
        accesses = self.services.recording_accesses
        if accesses is None:
            raise exception.NotFound
        wanted = document['console_recording_read']
        return bodies.readable(
            accesses.read(
                req.caller,
                wanted['token'],
                addresses.find(wanted.get('client_address')),
            )
        )
