# SPDX-License-Identifier: Apache-2.0

"""Body of /openapi.json."""

from typing import Final

from console_svc.api.bodies.schema import TEXT, list_of, record
from console_svc.api.operation import Form

_OBJECT: Final = {'type': 'object'}

# The members of the document alone: the OpenAPI Initiative publishes schemas
# of the rest.
SHOWN: Final = (
    Form(
        record(
            openapi=TEXT,
            info=_OBJECT,
            security=list_of(_OBJECT),
            paths=_OBJECT,
            components=_OBJECT,
        )
    ),
)
