# SPDX-License-Identifier: Apache-2.0

"""The interface of what responds to requests."""

import asyncio
from collections.abc import Mapping
from typing import Protocol

from console_svc.proxy.http.messages import Request, Response


class Connection(Protocol):
    """A connection for pages."""

    def drain(self) -> None:
        """Close the connection, unless it has a request."""

    def abort(self) -> None:
        """Close the connection at once."""


class Application(Protocol):
    """What responds to the requests of all connections.

    :ivar is_draining: no connection is kept for another request
    :ivar max_header_size: most bytes of a request's target and headers
    :ivar head_timeout: seconds to receive the head of a request, and without
        progress while a response is sent
    :ivar idle_timeout: seconds between two requests
    """

    is_draining: bool
    max_header_size: int
    head_timeout: float
    idle_timeout: float

    def connected(self, connection: Connection) -> None:
        """Remember a new connection."""

    def disconnected(self, connection: Connection) -> None:
        """Forget a connection."""

    def security_headers(self, request: Request | None) -> Mapping[str, str]:
        """Headers of the response to a request; None: it is malformed."""

    async def respond(self, request: Request) -> Response:
        """Respond to a request, but not to those that upgrade."""

    def upgrade(
        self, request: Request, transport: asyncio.Transport, rest: bytes
    ) -> Response | None:
        """Turn a connection into a websocket.

        :param rest: bytes that follow the request
        :returns: None: the transport has another protocol now; or a refusal
        """

    def unexpected(self) -> None:
        """Count an exception that nothing expects; it is already logged."""
