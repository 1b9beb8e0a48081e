# SPDX-License-Identifier: Apache-2.0

"""Messages to the pages of this package, beside the data of the console.

Consoles use binary messages, and these are text: JSON objects. A page asks for
them with a subprotocol, which is never selected: another server ignores it.
"""

import asyncio
import contextlib
import json
from typing import Any, Final

from websockets.asyncio.connection import Connection as WebSocket
from websockets.exceptions import ConnectionClosed

from console_svc.proxy.http.messages import Request

#: The subprotocol that a page offers.
SUBPROTOCOL: Final = 'state.console-svc'


def are_wanted(request: Request) -> bool:
    """Whether a request for a websocket is of a page that takes messages."""
    return any(
        name.strip() == SUBPROTOCOL
        for line in request.headers.get_all('Sec-WebSocket-Protocol')
        for name in line.split(',')
    )


class PageMessages:
    """Messages to one page."""

    __slots__ = ('_sending', '_websocket')

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        self._sending: set[asyncio.Task[None]] = set()

    def mode(self, mode: str) -> None:
        """Tell the mode of the session, without waiting for the browser."""
        task = asyncio.create_task(self.send({'mode': mode}))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def send(self, message: dict[str, Any]) -> None:
        """Send a message, unless the websocket is closed."""
        with contextlib.suppress(ConnectionClosed):
            await self._websocket.send(json.dumps(message))
