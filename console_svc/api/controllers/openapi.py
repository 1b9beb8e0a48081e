# SPDX-License-Identifier: Apache-2.0

"""/openapi.json: what this API is, for machines."""

import webob

from console_svc.api import responses
from console_svc.api.controllers.base import Resource, methods
from console_svc.api.operation import Operation
from console_svc.api.request import Request


class OpenApiController(Resource):
    """/openapi.json"""

    index = methods()

    @index.when(method='GET')
    @Operation('Show the OpenAPI document', answer=responses.OPENAPI)
    def get(self, req: Request, resp: webob.Response) -> None:
        resp.text = self.services.openapi()
