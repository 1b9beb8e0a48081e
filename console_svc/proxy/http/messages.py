# SPDX-License-Identifier: Apache-2.0

"""Requests and responses."""

import dataclasses
import http
from collections.abc import AsyncIterator, Mapping
from typing import Final, Protocol

import h11
from websockets.datastructures import Headers
from websockets.exceptions import InvalidHeaderValue

#: Most bytes of a body that are read or written at a time.
PIECE: Final = 64 * 1024

#: Sent with all responses. No referrer: the URL of a page contains the console
#: token. No cache without asking: an upgrade must not mix old and new modules.
HEADERS: Final = {
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
    'Cache-Control': 'no-cache',
}


@dataclasses.dataclass(frozen=True, slots=True)
class Request:
    """The head of a request.

    :param target: path and query
    :param version: of HTTP, such as 1.1
    :param peer: the address of the other end of the connection
    :param is_tls: whether the connection has TLS
    """

    method: str
    target: str
    version: str
    headers: Headers
    peer: str
    is_tls: bool

    @property
    def size(self) -> int:
        """The size of the target and of the headers."""
        return len(self.target) + sum(
            len(name) + len(value) for name, value in self.headers.raw_items()
        )

    @property
    def is_websocket(self) -> bool:
        """Whether the client asks to upgrade to a websocket.

        Other upgrades, such as h2c, are ignored, and all upgrades of HTTP/1.0
        (RFC 9110, section 7.8).
        """
        return (
            self.method == 'GET'
            and self.version == '1.1'
            and 'websocket' in self.elements('Upgrade')
        )

    def header(self, name: str) -> str | None:
        """The value of a header, or the values of all with the same name."""
        return ', '.join(self.headers.get_all(name)) or None

    def elements(self, name: str) -> list[str]:
        """The elements of a header's list, in lower case."""
        value = self.header(name) or ''
        return [it.strip().lower() for it in value.split(',')]


def request(event: h11.Request, peer: str, is_tls: bool) -> Request:
    """The request of a parsed head.

    :param peer: the address of the other end of the connection
    :param is_tls: whether the connection has TLS
    :raises h11.RemoteProtocolError: a header has a control character, or the
        body has two lengths, as in request smuggling (RFC 9112, section 6.1)
    """
    try:
        headers = Headers(
            # ISO-8859-1 has a character for each byte.
            (name.decode(), value.decode('latin-1'))
            for name, value in event.headers
        )
    except InvalidHeaderValue as error:
        raise h11.RemoteProtocolError('illegal header value') from error
    if 'Transfer-Encoding' in headers and 'Content-Length' in headers:
        raise h11.RemoteProtocolError(
            'both Transfer-Encoding and Content-Length'
        )
    return Request(
        event.method.decode(),
        event.target.decode(),
        event.http_version.decode(),
        headers,
        peer,
        is_tls,
    )


class Incomplete(Exception):
    """The rest of a body cannot be read. The reason is already logged."""


class Body(Protocol):
    """The body of a response that is read piece by piece.

    :ivar length: in bytes; None: not known before its end
    """

    length: int | None

    async def read(self) -> bytes:
        """Read some bytes; b'' at the end.

        :raises Incomplete: the rest cannot be read
        """

    def close(self) -> None:
        """Release what is open."""


@dataclasses.dataclass(frozen=True, slots=True)
class Response:
    """A response.

    :param headers: without those of :data:`HEADERS`, and without
        ``Content-Length``
    """

    status: http.HTTPStatus
    headers: Mapping[str, str]
    body: bytes | Body = b''

    @property
    def length(self) -> int | None:
        """The length of the body; None: not known before its end."""
        if isinstance(self.body, bytes):
            return len(self.body)
        return self.body.length

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body in pieces of at most :data:`PIECE` bytes."""
        if isinstance(self.body, bytes):
            for start in range(0, len(self.body), PIECE):
                yield self.body[start : start + PIECE]
        else:
            while piece := await self.body.read():
                yield piece


def text(
    status: http.HTTPStatus, message: str, headers: Mapping[str, str] = {}
) -> Response:
    """A response with a line of plain text."""
    return Response(
        status,
        {'Content-Type': 'text/plain; charset=utf-8', **headers},
        f'{message}\n'.encode(),
    )


#: The response to a request that fails with an unexpected exception.
UNEXPECTED: Final = text(
    http.HTTPStatus.INTERNAL_SERVER_ERROR,
    'The console proxy failed unexpectedly.',
)
#: The response to a request with more bytes than max_header_size.
TOO_LARGE: Final = text(
    http.HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    'The headers of the request are too large. Delete the cookies of this '
    'site.',
)
#: The response to a head that was not received in time.
TOO_SLOW: Final = text(
    http.HTTPStatus.REQUEST_TIMEOUT, 'The request was not received in time.'
)
