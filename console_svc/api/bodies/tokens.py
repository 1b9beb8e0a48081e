# SPDX-License-Identifier: Apache-2.0

"""Bodies of /os-console-auth-tokens/{console_token}."""

from typing import Any, Final

from console_svc.api import microversion
from console_svc.api.bodies.schema import (
    PORT,
    PORT_OR_NULL,
    TEXT,
    TEXT_OR_NULL,
    record,
    validator,
)
from console_svc.api.operation import Form
from console_svc.objects import ConsoleAuthToken, ConsoleType

#: A query without parameters.
NO_QUERY: Final = validator(record())

_CONSOLE: Final[dict[str, Any]] = {
    'instance_uuid': TEXT,
    'host': TEXT,
    'port': PORT,
    'internal_access_path': TEXT_OR_NULL,
}
CONNECT_INFO: Final = (
    Form(record(console=record(**_CONSOLE))),
    Form(
        record(console=record(**_CONSOLE, tls_port=PORT_OR_NULL)),
        since=microversion.SPICE_DIRECT,
    ),
)


def connect_info(
    token: ConsoleAuthToken, version: microversion.Version
) -> dict[str, Any]:
    """The connect info of a token's console."""
    info = token.connect_info
    body = {
        'instance_uuid': token.server_id,
        'host': info.host,
        'port': info.port,
        'internal_access_path': info.internal_access_path,
    }
    if (
        token.console_type == ConsoleType.SPICE_DIRECT
        and version >= microversion.SPICE_DIRECT
    ):
        body['tls_port'] = info.tls_port
    return {'console': body}
