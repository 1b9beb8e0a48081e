# SPDX-License-Identifier: Apache-2.0

"""/openapi.json: the API's description."""

import dataclasses
from collections.abc import Callable

import webob

from console_svc.api.bodies import openapi as bodies
from console_svc.api.controllers.base import Resource
from console_svc.api.operation import Operation
from console_svc.api.request import Request


@dataclasses.dataclass(slots=True)
class OpenApiController(Resource):
    """/openapi.json

    :param render: the document, in JSON
    """

    render: Callable[[], str]

    @Operation('GET', 'Show the OpenAPI document', answer=bodies.SHOWN)
    def get(self, req: Request, resp: webob.Response) -> None:
        resp.text = self.render()
