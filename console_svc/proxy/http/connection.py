# SPDX-License-Identifier: Apache-2.0

"""A connection of a browser: one request after another (RFC 9112)."""

import asyncio
import contextlib
import email.utils
import http
import logging
from collections.abc import Callable
from typing import Final, cast

import h11

from console_svc.proxy.http import messages
from console_svc.proxy.http.application import Application
from console_svc.proxy.http.messages import Request, Response
from console_svc.proxy.tcp_info import TCPInfo

LOG = logging.getLogger(__name__)

_WITHOUT_BODY: Final = frozenset(
    {http.HTTPStatus.NO_CONTENT, http.HTTPStatus.NOT_MODIFIED}
)


class HTTPConnection(asyncio.Protocol):
    """The protocol of a connection until it becomes a websocket."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._http = h11.Connection(
            h11.SERVER,
            max_incomplete_event_size=application.max_header_size,
        )
        self._transport: asyncio.Transport
        self._peer: str
        # Sends a response. Meanwhile nothing is read.
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        # Is done when the transport takes more data; None: it does now.
        self._writable: asyncio.Future[None] | None = None
        # Waits for the next request, after at least one.
        self._is_idle = False
        # Whether the method is HEAD, also that of a malformed request.
        self._is_head = False
        # Whether the request has been received with its body.
        self._is_complete = False
        # The last response is sent: what the client sends is discarded.
        self._is_closing = False
        self._progress: TCPInfo

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._application.connected(self)
        peer = transport.get_extra_info('peername')
        if peer is None:
            # The client has closed the connection already.
            self._transport.abort()
            return
        self._peer = peer[0]
        self._expire(self._application.head_timeout, self._head_expired)

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()
        if self._task is not None:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        if self._is_closing:
            return
        self._http.receive_data(data)
        # TLS may deliver data after reading was paused.
        if self._task is None:
            self._advance()

    def pause_writing(self) -> None:
        self._writable = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    def drain(self) -> None:
        if self._is_idle and not self._transport.is_closing():
            self._is_closing = True
            self._watch()
            self._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    def _advance(self) -> None:
        """Respond to the next request, if its head has been received."""
        if self._is_idle and self._http.trailing_data[0]:
            self._is_idle = False
            self._expire(self._application.head_timeout, self._head_expired)
        try:
            event = self._http.next_event()
            if not isinstance(event, h11.Request):
                return
            self._is_head = event.method == b'HEAD'
            self._is_complete = self._skip_body()
            request = messages.request(
                event,
                self._peer,
                self._transport.get_extra_info('ssl_object') is not None,
            )
        except h11.RemoteProtocolError as error:
            self._refuse(error)
            return
        if request.size > self._application.max_header_size:
            self._is_complete = False
            self._start(request, messages.TOO_LARGE)
        elif not request.is_websocket or not self._is_complete:
            self._start(request)
        elif (refusal := self._upgrade(request)) is None:
            self._leave()
        else:
            self._start(request, refusal)

    def _skip_body(self) -> bool:
        """Discard a request's body; whether all of it has been received."""
        while isinstance(event := self._http.next_event(), h11.Data):
            pass
        return isinstance(event, h11.EndOfMessage)

    def _upgrade(self, request: Request) -> Response | None:
        try:
            return self._application.upgrade(
                request, self._transport, self._http.trailing_data[0]
            )
        except Exception:
            return self._failed(request)

    def _refuse(self, error: h11.RemoteProtocolError) -> None:
        """Respond to a request that violates the protocol."""
        self._is_complete = False
        status = http.HTTPStatus(error.error_status_hint)
        if status == http.HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE:
            self._start(None, messages.TOO_LARGE)
        else:
            self._start(
                None, messages.text(status, f'Malformed request: {error}.')
            )

    def _start(
        self, request: Request | None, response: Response | None = None
    ) -> None:
        """Send a response; None: that of the application."""
        self._transport.pause_reading()
        self._watch()
        self._task = asyncio.get_running_loop().create_task(
            self._respond(request, response)
        )

    async def _respond(
        self, request: Request | None, response: Response | None
    ) -> None:
        if request is not None and response is None:
            try:
                response = await self._application.respond(request)
            except Exception:
                response = self._failed(request)
        response = response or messages.UNEXPECTED
        try:
            await self._send(request, response)
        except ConnectionResetError:
            return
        except messages.Incomplete:
            # The client sees that the end is missing.
            self._transport.abort()
            return
        except Exception:
            self._failed(request)
            self._transport.abort()
            return
        finally:
            if not isinstance(response.body, bytes):
                response.body.close()
        self._task = None
        if not self._transport.is_closing():
            self._finish()

    def _failed(self, request: Request | None) -> Response:
        LOG.exception(
            'A request of client %s failed unexpectedly',
            request and request.peer,
        )
        self._application.unexpected()
        return messages.UNEXPECTED

    async def _send(self, request: Request | None, response: Response) -> None:
        headers = {
            'Date': email.utils.formatdate(usegmt=True),
            **messages.HEADERS,
            **self._application.security_headers(request),
            **response.headers,
        }
        length = response.length
        # Without a length, h11 sends chunks, or closes the connection after
        # the body for HTTP/1.0.
        if response.status not in _WITHOUT_BODY and length is not None:
            headers['Content-Length'] = str(length)
        if not self._is_complete or self._application.is_draining:
            headers['Connection'] = 'close'
        head = h11.Response(
            status_code=response.status.value,
            reason=response.status.phrase.encode(),
            headers=list(headers.items()),
        )
        self._write(self._http.send(head))
        if not self._is_head and response.status not in _WITHOUT_BODY:
            async for piece in response.pieces():
                self._write(self._http.send(h11.Data(data=piece)))
                await self._drained()
        self._write(self._http.send(h11.EndOfMessage()))
        # A websocket must begin with a transport that takes data.
        await self._drained()

    def _write(self, data: bytes | None) -> None:
        if self._transport.is_closing():
            raise ConnectionResetError('the connection is closed')
        if data:
            self._transport.write(data)

    async def _drained(self) -> None:
        if self._writable is not None:
            await self._writable

    def _finish(self) -> None:
        """Wait for the next request, or close the connection."""
        if (
            self._http.our_state is not h11.DONE
            or not self._is_complete
            or self._application.is_draining
        ):
            self._close()
            return
        self._http.start_next_cycle()
        self._is_head = False
        self._is_idle = True
        self._expire(self._application.idle_timeout, self._close)
        self._transport.resume_reading()
        self._advance()

    def _close(self) -> None:
        """Close the connection after the client has read the response.

        If there is unread data when it is closed, the kernel resets it, and
        the client may lose the response (RFC 9112, section 9.6).
        """
        self._is_closing = True
        self._watch()
        if self._transport.can_write_eof():
            self._transport.write_eof()
        elif self._is_complete:
            # TLS cannot close one direction alone.
            self._transport.close()
            return
        self._transport.resume_reading()

    def _expire(self, seconds: float, action: Callable[[], None]) -> None:
        """Set the timer of the connection."""
        if self._timer is not None:
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(seconds, action)

    def _head_expired(self) -> None:
        if self._http.trailing_data[0]:
            self._is_complete = False
            self._start(None, messages.TOO_SLOW)
        else:
            self._transport.abort()

    def _watch(self) -> None:
        """Abort the connection when the client does not read the response."""
        # OSError: the socket is closed, and connection_lost() follows.
        with contextlib.suppress(OSError):
            self._progress = TCPInfo.of(self._transport)
        self._expire(self._application.head_timeout, self._check_progress)

    def _check_progress(self) -> None:
        before = self._progress
        self._watch()
        # While the proxy itself is slow, nothing is queued.
        if (
            self._is_closing or before.queued
        ) and self._progress.acknowledged == before.acknowledged:
            self._transport.abort()

    def _leave(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._application.disconnected(self)
