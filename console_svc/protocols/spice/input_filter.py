# SPDX-License-Identifier: Apache-2.0

"""The messages of SPICE clients, and which of them are input.

(The SPICE project: ``spice.proto`` of spice-common; ``protocol.h`` and
``enums.h`` of spice-protocol.) Each channel is a connection with a filter of
its own. The filters start after the link.
"""

import struct
from typing import Final

from console_svc.protocols.input_filter import InputFilter, ProtocolError
from console_svc.protocols.message_filter import MessageFilter
from console_svc.protocols.spice.pressed import Pressed
from console_svc.protocols.spice.wire import Channel

# Channels on which clients send no input, apart from the agent's messages on
# main.
_OUTPUTS: Final = frozenset(
    [Channel.MAIN, Channel.DISPLAY, Channel.CURSOR, Channel.PLAYBACK]
)

#: The channels of a session that may not control its console. Inputs is one of
#: them, and what clients send on it is dropped: spice-client fails without it,
#: and control can be handed over while the client stays connected.
VIEW_CHANNELS: Final = _OUTPUTS | {Channel.INPUTS}

# Type and size. The full header has a serial number in front, and the offset
# of a list of further messages behind.
_MINI: Final = struct.Struct('<HI')
_FULL: Final = struct.Struct('<QHII')

# Types on all channels: acknowledgements, pong, end of a migration's data,
# disconnecting. The data of a migration could restore input.
_COMMON: Final = frozenset([1, 2, 3, 4, 6])

# On main: client info, attach channels, and results of a migration.
_MAIN: Final = _COMMON | {101, 102, 103, 104, 109, 110, 111}
_AGENT_DATA: Final = 107
_AGENT: Final = frozenset([106, _AGENT_DATA, 108])

# On inputs. Modifiers are the state of the locks: clients send it also on
# their own. Position and motion are acknowledged, in bunches.
_FIRST_INPUT: Final = 101
_KEYS: Final = frozenset([101, 102])
_MODIFIERS: Final = 103
_SCAN_CODES: Final = 104
_MOTION: Final = 111
_POSITION: Final = 112
_BUTTONS: Final = frozenset([113, 114])

_KEY_UP: Final = 102
_RELEASE: Final = 114

# Where a message has the mask of buttons.
_MASKS: Final = {_MOTION: 8, _POSITION: 8, 113: 1, 114: 1}

# Clients send no more motions than these without an acknowledgement.
_MOST_MOTIONS: Final = 8

# The left button is released, and none is down; the pointer does not move.
_BUTTONS_UP: Final = struct.pack('<BH', 1, 0)
_NO_MOTION: Final = struct.pack('<iiH', 0, 0, 0)

# Most bytes of a message that is kept: spice-server's limit for inputs.
_LONGEST: Final = 4096


def channel_filter(
    channel: Channel, mini_header: bool, is_view: bool
) -> InputFilter:
    """The filter of a channel.

    Channels that are not among VIEW_CHANNELS have one that raises a
    ProtocolError in view mode: the channel must be closed.

    :param mini_header: whether both ends have the common capability
    """
    match channel:
        case Channel.MAIN:
            return MainFilter(is_view, mini_header)
        case Channel.INPUTS:
            return InputsFilter(is_view, mini_header)
        case _ if channel in _OUTPUTS:
            return _OutputFilter(is_view)
    return _ClosedFilter(is_view, channel)


class _ChannelFilter(MessageFilter):
    """A filter of messages with SPICE's headers."""

    __slots__ = ('_header', '_position')

    # The types of which the whole message is necessary.
    _WHOLE: frozenset[int] = frozenset()

    def __init__(self, is_view: bool, mini_header: bool) -> None:
        super().__init__(is_view)
        self._header = _MINI if mini_header else _FULL

    def _measure(self, data: bytes, at: int) -> tuple[int, int]:
        header = self._header.size
        if at + header > len(data):
            return header, 0
        kind, size = self._parse(data, at)
        if kind not in self._WHOLE:
            return header, size
        if size > _LONGEST:
            raise ProtocolError(
                f'The client sent a SPICE message of {size} bytes.'
            )
        return header + size, 0

    def _parse(self, data: bytes, at: int = 0) -> tuple[int, int]:
        """The type and the size of a message."""
        if self._header is _MINI:
            kind, size = _MINI.unpack_from(data, at)
            return kind, size
        _, kind, size, others = _FULL.unpack_from(data, at)
        if others:
            raise ProtocolError('The client sent a SPICE message with a list.')
        return kind, size

    def _message(self, kind: int, body: bytes) -> bytes:
        """A message to the server, which ignores serial numbers."""
        if self._header is _MINI:
            return _MINI.pack(kind, len(body)) + body
        return _FULL.pack(0, kind, len(body), 0) + body


class MainFilter(_ChannelFilter):
    """The filter of a main channel.

    Messages to the guest's agent are dropped in view mode: clipboard, files,
    screen sizes, pointer. The agent could wait for the rest of one, and lacks
    the tokens of those that were dropped: so they are dropped from then on
    until the client has a new channel, also in control mode.
    """

    __slots__ = ('_is_agent_lost',)

    _WHOLE = frozenset([_AGENT_DATA])

    def __init__(self, is_view: bool, mini_header: bool) -> None:
        super().__init__(is_view, mini_header)
        self._is_agent_lost = False

    def _filter(self, message: bytes) -> bytes:
        kind, _ = self._parse(message)
        if kind in _AGENT:
            return b'' if self._is_agent_lost else message
        return message if not self.is_view or kind in _MAIN else b''

    def _between(self) -> bytes:
        self._is_agent_lost |= self.is_view
        return b''


class InputsFilter(_ChannelFilter):
    """The filter of an inputs channel."""

    __slots__ = ('_motions', '_pressed')

    _WHOLE = frozenset(range(_FIRST_INPUT, 200))

    def __init__(self, is_view: bool, mini_header: bool) -> None:
        super().__init__(is_view, mini_header)
        self._pressed = Pressed()
        # Motions that were dropped, and not acknowledged.
        self._motions = 0

    def _filter(self, message: bytes) -> bytes:
        kind, _ = self._parse(message)
        if kind >= _FIRST_INPUT and kind != _MODIFIERS:
            self.input_seen = True
        if not self.is_view:
            self._note(kind, message[self._header.size :])
            return message
        if kind in (_MOTION, _POSITION):
            self._motions = min(self._motions + 1, _MOST_MOTIONS)
        return message if kind in _COMMON else b''

    def _note(self, kind: int, body: bytes) -> None:
        """Note what a message presses and releases."""
        if kind in _KEYS:
            # Up to four codes; a zero ends them.
            self._pressed.codes(body[:4].partition(b'\0')[0])
        elif kind == _SCAN_CODES:
            self._pressed.codes(body)
        elif at := _MASKS.get(kind):
            self._pressed.buttons = int.from_bytes(body[at : at + 2], 'little')

    def _between(self) -> bytes:
        if not self.is_view:
            # The server acknowledges these, for those that were dropped: the
            # client would send no others.
            motions, self._motions = self._motions, 0
            return self._message(_MOTION, _NO_MOTION) * motions
        codes, was_down = self._pressed.release()
        messages = [
            self._message(_KEY_UP, code.ljust(4, b'\0')) for code in codes
        ]
        if was_down:
            messages.append(self._message(_RELEASE, _BUTTONS_UP))
        return b''.join(messages)


class _OutputFilter:
    """The filter of a channel on which clients send no input."""

    __slots__ = ('input_seen', 'is_view')

    def __init__(self, is_view: bool) -> None:
        self.is_view = is_view
        self.input_seen = False

    @property
    def pending(self) -> bytes:
        return b''

    def feed(self, data: bytes) -> bytes:
        return data


class _ClosedFilter(_OutputFilter):
    """The filter of a channel that must be closed in view mode."""

    __slots__ = ('_channel',)

    def __init__(self, is_view: bool, channel: Channel) -> None:
        super().__init__(is_view)
        self._channel = channel

    def feed(self, data: bytes) -> bytes:
        if self.is_view:
            raise ProtocolError(
                f'A {self._channel.name.lower()} channel requires control.'
            )
        return data
