# SPDX-License-Identifier: Apache-2.0

"""Sessions of others, as the clients of a console get to know them."""

from typing import Final

from console_svc.api.bodies.schema import (
    TEXT_OR_NULL,
    TIME,
    list_of,
    one_of,
    record,
)
from console_svc.objects import SessionMode

#: As of :func:`console_svc.consoles.new_sessions.holders`.
HOLDERS: Final = list_of(
    record(
        user_id=TEXT_OR_NULL,
        client_address=TEXT_OR_NULL,
        created_at=TIME,
        mode=one_of(*SessionMode),
    )
)
