# SPDX-License-Identifier: Apache-2.0

"""/healthcheck and /metrics, for the machine's own eyes."""

import http
import logging
import socket
from collections.abc import Callable

from websockets.asyncio import server as websockets
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from console_svc import prometheus

_LIBRARY = logging.getLogger(f'{__name__}.library')


async def listen(
    listener: socket.socket, is_ready: Callable[[], bool]
) -> websockets.Server:
    """Serve on a socket.

    :param is_ready: whether new sessions are taken
    """

    def answer(
        connection: websockets.ServerConnection, request: Request
    ) -> Response:
        match request.path.partition('?')[0]:
            case '/healthcheck' if is_ready():
                return _text(http.HTTPStatus.OK, b'OK\n')
            case '/healthcheck':
                return _text(
                    http.HTTPStatus.SERVICE_UNAVAILABLE, b'Draining\n'
                )
            case '/metrics':
                return _text(http.HTTPStatus.OK, prometheus.text())
            case _:
                return _text(http.HTTPStatus.NOT_FOUND, b'Not found\n')

    async def nothing(connection: websockets.ServerConnection) -> None:
        """Every request is answered before it becomes a websocket."""

    _LIBRARY.setLevel(logging.CRITICAL)
    return await websockets.serve(
        nothing,
        sock=listener,
        process_request=answer,
        server_header=None,
        logger=_LIBRARY,
    )


def _text(status: http.HTTPStatus, body: bytes) -> Response:
    return Response(
        status.value,
        status.phrase,
        Headers(
            {
                'Content-Type': 'text/plain; version=0.0.4; charset=utf-8',
                'Content-Length': str(len(body)),
            }
        ),
        body,
    )
