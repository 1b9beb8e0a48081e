# SPDX-License-Identifier: Apache-2.0

"""The messages of SPICE's link, which starts each of its channels.

(The SPICE project: Spice protocol, "Link stage"; ``protocol.h`` and
``enums.h`` of spice-protocol.) All numbers are little-endian.
"""

import dataclasses
import enum
import struct
from collections.abc import Generator, Sequence
from typing import Final, Self, TypeVar

from console_svc.protocols.steps import Read, Write

#: Magic, major and minor version, size of what follows.
_HEADER: Final = struct.Struct('<4sIII')
HEADER_SIZE: Final = _HEADER.size
_MAGIC: Final = b'REDQ'
_MAJOR: Final = 2
_MINOR: Final = 2

#: Connection id, channel type, channel id, numbers of common and of channel
#: capabilities, and where these start.
_LINK: Final = struct.Struct('<IBBIII')
#: Error, public key, numbers of capabilities, and where these start.
_REPLY: Final = struct.Struct('<I162sIII')
_NUMBER: Final = struct.Struct('<I')

#: Bytes of a public key: DER of an RSA key of 1024 bits.
PUBLIC_KEY: Final = 162

# Most bytes of a message behind its header, as in spice-server.
_LONGEST: Final = 4096

#: The only mechanism of authentication that the proxy has: a ticket.
SPICE_TICKET: Final = 1

#: Common capabilities, as bits.
AUTH_SELECTION: Final = 1 << 0
AUTH_SPICE: Final = 1 << 1
MINI_HEADER: Final = 1 << 3


class Channel(enum.IntEnum):
    """The types of channels."""

    MAIN = 1
    DISPLAY = 2
    INPUTS = 3
    CURSOR = 4
    PLAYBACK = 5
    RECORD = 6
    SMARTCARD = 8
    USBREDIR = 9
    PORT = 10
    WEBDAV = 11


class Code(enum.IntEnum):
    """Results of a link and of an authentication."""

    OK = 0
    ERROR = 1
    INVALID_MAGIC = 2
    INVALID_DATA = 3
    VERSION_MISMATCH = 4
    NEED_SECURED = 5
    NEED_UNSECURED = 6
    PERMISSION_DENIED = 7
    BAD_CONNECTION_ID = 8
    CHANNEL_NOT_AVAILABLE = 9


#: The common capabilities that the proxy announces.
COMMON: Final = AUTH_SELECTION | AUTH_SPICE | MINI_HEADER

#: The capabilities of channels that the proxy announces: those of every
#: spice-server since 0.14. A client may use them before the hypervisor is
#: known. LZ4 is left out: it is an option of spice-server's build.
CHANNELS: Final = {
    Channel.MAIN: 0xF,
    # Monitors, stream reports, preferred compression and video codecs.
    Channel.DISPLAY: 1 << 1 | 1 << 4 | 1 << 6 | 1 << 12,
    # Scan codes.
    Channel.INPUTS: 1 << 0,
    # Volume and Opus.
    Channel.PLAYBACK: 1 << 1 | 1 << 3,
    Channel.RECORD: 1 << 1 | 1 << 2,
}


class SpiceError(Exception):
    """The peer violates the protocol, or refuses the link.

    :param code: for the client
    """

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


_T = TypeVar('_T')
Handshake = Generator[Read | Write, bytes, _T]


@dataclasses.dataclass(frozen=True, slots=True)
class Link:
    """The link message of a client.

    :param data: the whole message, with its header
    :param connection_id: 0: a new connection; or what the server gave to the
        main channel of one
    :param common: common capabilities
    """

    data: bytes
    connection_id: int
    channel: Channel
    common: int

    @property
    def is_main(self) -> bool:
        """Whether the channel starts a new connection."""
        return self.channel == Channel.MAIN

    @property
    def selects_mechanism(self) -> bool:
        """Whether the client sends a mechanism before its ticket."""
        return bool(self.common & AUTH_SELECTION)

    @classmethod
    def parse(cls, header: bytes, body: bytes) -> Self:
        """The link message of which these are the parts.

        :raises SpiceError: it is malformed, or of an unknown channel
        """
        connection_id, kind, _, common, channel, offset = _LINK.unpack_from(
            body
        )
        words = _capabilities(body, _LINK.size, offset, common + channel)
        try:
            found = Channel(kind)
        except ValueError:
            raise SpiceError(
                f'the channel type {kind} is unknown',
                Code.CHANNEL_NOT_AVAILABLE,
            ) from None
        # A main channel with an id is one of a guest's migration.
        if (connection_id == 0) != (found == Channel.MAIN):
            raise SpiceError(
                f'the connection id {connection_id} is not one of a '
                f'{found.name.lower()} channel',
                Code.BAD_CONNECTION_ID,
            )
        # Words beyond the first have no capabilities yet.
        return cls(
            header + body, connection_id, found, words[0] if common else 0
        )


def read_message(shortest: int) -> Handshake[tuple[bytes, bytes]]:
    """Read a message: its header, and the rest.

    :param shortest: bytes of the rest at least
    :raises SpiceError: it is not a message of SPICE's link
    """
    header = yield Read(HEADER_SIZE)
    magic, major, _, size = _HEADER.unpack(header)
    if magic != _MAGIC:
        raise SpiceError('the peer does not speak SPICE', Code.INVALID_MAGIC)
    if major != _MAJOR:
        raise SpiceError(
            f'the peer speaks version {major} of SPICE', Code.VERSION_MISMATCH
        )
    if not shortest <= size <= _LONGEST:
        raise SpiceError(f'a link message has {size} bytes', Code.INVALID_DATA)
    return header, (yield Read(size))


def read_link() -> Handshake[Link]:
    """Read the link message of a client.

    :raises SpiceError: it is malformed, or of an unknown channel
    """
    return Link.parse(*(yield from read_message(_LINK.size)))


def read_reply() -> Handshake[tuple[bytes, int, int]]:
    """Read the server's reply to a link message.

    :returns: its public key, its common and its channel capabilities
    :raises SpiceError: it is malformed, or a refusal
    """
    # A refusal may end after the error.
    _, body = yield from read_message(_NUMBER.size)
    check((_NUMBER.unpack_from(body))[0])
    if len(body) < _REPLY.size:
        raise SpiceError('a reply is too short', Code.INVALID_DATA)
    _, key, common, channel, offset = _REPLY.unpack_from(body)
    words = _capabilities(body, _REPLY.size, offset, common + channel)
    return (
        key,
        words[0] if common else 0,
        words[common] if channel else 0,
    )


def check(code: int) -> None:
    """Check a result of the server.

    :raises SpiceError: it refuses
    """
    if code != Code.OK:
        try:
            name = Code(code).name.lower().replace('_', ' ')
        except ValueError:
            name = 'unknown'
        raise SpiceError(f'it refuses with the error {code} ({name})', code)


def reply(key: bytes, channel: Channel) -> bytes:
    """The server's reply to a link message.

    :param key: its public key
    """
    words = [COMMON]
    if channel in CHANNELS:
        words.append(CHANNELS[channel])
    return _message(
        _REPLY.pack(Code.OK, key, 1, len(words) - 1, _REPLY.size)
        + struct.pack(f'<{len(words)}I', *words)
    )


def refusal(code: int) -> bytes:
    """The server's reply to a link message that it refuses."""
    return _message(_REPLY.pack(code, bytes(PUBLIC_KEY), 0, 0, 0))


def result(code: int) -> bytes:
    """The server's result of an authentication."""
    return _NUMBER.pack(code)


def link(
    channel: int,
    connection_id: int = 0,
    common: Sequence[int] = (COMMON,),
    capabilities: Sequence[int] = (),
) -> bytes:
    """A client's link message."""
    return _message(
        _LINK.pack(
            connection_id,
            channel,
            0,
            len(common),
            len(capabilities),
            _LINK.size,
        )
        + struct.pack(
            f'<{len(common) + len(capabilities)}I', *common, *capabilities
        )
    )


def _message(body: bytes) -> bytes:
    return _HEADER.pack(_MAGIC, _MAJOR, _MINOR, len(body)) + body


def _capabilities(
    body: bytes, shortest: int, offset: int, number: int
) -> Sequence[int]:
    """The capabilities of a message, as words.

    :param shortest: bytes in front of the capabilities at least
    """
    if not shortest <= offset <= len(body) - _NUMBER.size * number:
        raise SpiceError(
            'capabilities are not inside of their message', Code.INVALID_DATA
        )
    return struct.unpack_from(f'<{number}I', body, offset)
