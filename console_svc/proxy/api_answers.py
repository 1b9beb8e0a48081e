# SPDX-License-Identifier: Apache-2.0

"""The answers of the API."""

import dataclasses
from typing import Any, Final

# Console types whose protocol is RFB.
_RFB_TYPES: Final = frozenset({'novnc', 'vnc'})


@dataclasses.dataclass(frozen=True, slots=True)
class Response:
    """A response of the API.

    :param document: its JSON; None without a body
    :param retry_after: seconds in its Retry-After header, or 0
    """

    status: int
    document: Any
    retry_after: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class OpenedSession:
    """A session as the API has opened it, and where its console is.

    :param expires: when it must end, in seconds since the epoch; None: never
    """

    id: str
    server_id: str
    console_type: str
    host: str
    port: int
    internal_access_path: str | None
    expires: int | None

    @property
    def speaks_rfb(self) -> bool:
        """Whether the console's protocol is RFB."""
        return self.console_type in _RFB_TYPES
