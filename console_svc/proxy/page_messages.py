# SPDX-License-Identifier: Apache-2.0

"""Messages to the pages of this package, beside the data of the console.

Consoles use binary messages, and these are text: JSON objects. A page asks for
them with a subprotocol, which is never selected: another server ignores it.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from console_svc.proxy.errors import Ended, Holder, NoPlace
from console_svc.proxy.http.messages import Request
from console_svc.proxy.keep_alive_answers import NOBODY, Others
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

    __slots__ = ('_others', '_websocket')

    def __init__(self, websocket: WebSocketStream) -> None:
        self._websocket = websocket
        self._others = NOBODY

    def mode(self, mode: str) -> None:
        """Tell the mode of the session."""
        self._send(mode=mode)

    def others(self, others: Others) -> None:
        """Tell who else uses the console, unless the page knows it."""
        if others == self._others:
            return
        self._others = others
        self._send(
            others={
                'control': others.control,
                'view': others.view,
                'sessions': [_shown(it) for it in others.known],
            }
        )

    def refused(self, ending: Ended) -> None:
        """Tell who has the console, and whether the page can take it over."""
        if isinstance(ending, NoPlace):
            self._send(
                takeover=ending.can_take_over,
                holders=[_shown(it) for it in ending.holders],
            )

    def _send(self, **message: Any) -> None:
        self._websocket.send_text(json.dumps(message))


def _shown(holder: Holder) -> Mapping[str, Any]:
    return {
        'user': holder.user_id,
        'address': holder.client_address,
        'since': holder.since,
        'mode': holder.mode,
    }
