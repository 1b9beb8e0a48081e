# SPDX-License-Identifier: Apache-2.0

"""Messages to the pages of this package, beside the data of the console.

Consoles use binary messages, and these are text: JSON objects. A page asks for
them with a subprotocol, which is never selected: another server ignores it.
"""

import json
from typing import Final

from console_svc.proxy.errors import ConsoleTaken, Ended
from console_svc.proxy.http.messages import Request
from console_svc.proxy.websocket import WebSocketStream

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

    __slots__ = ('_websocket',)

    def __init__(self, websocket: WebSocketStream) -> None:
        self._websocket = websocket

    def mode(self, mode: str) -> None:
        """Tell the mode of the session."""
        self._websocket.send_text(json.dumps({'mode': mode}))

    def refused(self, ending: Ended) -> None:
        """Tell whether the page can take the console over."""
        if isinstance(ending, ConsoleTaken):
            self._websocket.send_text(json.dumps({'takeover': True}))
