# SPDX-License-Identifier: Apache-2.0

"""Bodies of /servers/{server_id}/consoles."""

from collections.abc import Iterable
from typing import Any, Final

from console_svc.api.bodies.schema import (
    PORT,
    TEXT,
    list_of,
    record,
    validator,
)
from console_svc.api.operation import Form
from console_svc.objects import NativeConsole

_ID: Final = {'type': 'integer', 'minimum': 1}

#: POST: any JSON, which is ignored.
CREATE: Final = validator({})

LISTED: Final = (
    Form(
        record(
            consoles=list_of(record(console=record(id=_ID, console_type=TEXT)))
        )
    ),
)
SHOWN: Final = (
    Form(
        record(
            console=record(
                id=_ID,
                console_type=TEXT,
                password=TEXT,
                instance_name=TEXT,
                port=PORT,
                host=TEXT,
            )
        )
    ),
)


def listed(consoles: Iterable[NativeConsole]) -> dict[str, Any]:
    """A server's native consoles, without their passwords."""
    return {
        'consoles': [
            {'console': {'id': it.id, 'console_type': it.console_type}}
            for it in consoles
        ]
    }


def shown(console: NativeConsole, password: str) -> dict[str, Any]:
    """A native console, with its password."""
    return {
        'console': {
            'id': console.id,
            'console_type': console.console_type,
            'password': password,
            'instance_name': console.instance_name,
            'port': console.port,
            'host': console.host,
        }
    }
