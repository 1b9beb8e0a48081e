# SPDX-License-Identifier: Apache-2.0

"""From a request to a websocket on the same connection (RFC 6455)."""

import asyncio
import http
import logging
from collections.abc import Sequence
from typing import Final

from websockets import http11
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from console_svc.proxy.http.messages import Request, Response
from console_svc.proxy.websocket import WebSocketStream

# websockets logs malformed frames as errors; this silences it.
_LIBRARY: Final = logging.getLogger(f'{__name__}.library')
_LIBRARY.setLevel(logging.CRITICAL)

# Most bytes of a message from a browser.
_MAX_SIZE: Final = 256 * 1024

# Selected if it is offered. A client that offers none gets no subprotocol.
_BINARY: Final = Subprotocol('binary')


class Upgrade:
    """A websocket, and the answer that accepts it, until that is sent.

    :param websocket: the protocol of the transport
    """

    def __init__(
        self,
        websocket: WebSocketStream,
        transport: asyncio.Transport,
        answer: http11.Response,
    ) -> None:
        self.websocket = websocket
        self._transport = transport
        self._answer: http11.Response | None = answer

    def accept(self, cookies: Sequence[str] = ()) -> None:
        """Send the answer, unless it was sent or the browser has closed.

        :param cookies: values of Set-Cookie headers
        """
        answer, self._answer = self._answer, None
        # A browser that has sent frames too early may have closed with them.
        if answer is None or not self.websocket.is_open:
            return
        for cookie in cookies:
            answer.headers['Set-Cookie'] = cookie
        self._transport.write(answer.serialize())


def upgrade(
    request: Request, transport: asyncio.Transport, rest: bytes
) -> Upgrade | Response:
    """Make the websocket that a request asks for.

    :param rest: bytes that follow the request
    :returns: the websocket, which is the transport's protocol now; or a
        refusal, if the request is wrong
    """
    # It is open from the start, so that it parses frames. It would parse the
    # request again otherwise, with narrower limits.
    protocol = ServerProtocol(
        state=State.OPEN,
        select_subprotocol=_select_subprotocol,
        max_size=_MAX_SIZE,
        logger=_LIBRARY,
    )
    answer = protocol.accept(http11.Request(request.target, request.headers))
    if answer.status_code != http.HTTPStatus.SWITCHING_PROTOCOLS:
        return Response(
            http.HTTPStatus(answer.status_code),
            {
                name: value
                for name, value in answer.headers.raw_items()
                if name not in ('Date', 'Connection', 'Content-Length')
            },
            bytes(answer.body or b''),
        )
    websocket = WebSocketStream(protocol)
    # In this order: connection_made() makes the write buffer smaller, so that
    # the transport may call pause_writing().
    transport.set_protocol(websocket)
    websocket.connection_made(transport)
    if rest:
        websocket.data_received(rest)
    return Upgrade(websocket, transport, answer)


def _select_subprotocol(
    protocol: ServerProtocol, offered: Sequence[Subprotocol]
) -> Subprotocol | None:
    return _BINARY if _BINARY in offered else None
