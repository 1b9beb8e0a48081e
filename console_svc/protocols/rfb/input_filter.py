# SPDX-License-Identifier: Apache-2.0

"""The messages of RFB clients, and which of them are input.

(RFC 6143, section 7.5; extensions: the RFB community's specification.)
"""

import struct
from typing import Final

from console_svc.protocols.input_filter import ProtocolError
from console_svc.protocols.message_filter import MessageFilter
from console_svc.protocols.rfb.pressed import Pressed
from console_svc.protocols.rfb.recorded import Recorded

_SET_PIXEL_FORMAT: Final = 0
_SET_ENCODINGS: Final = 2
_UPDATE_REQUEST: Final = 3
_KEY: Final = 4
_POINTER: Final = 5
_CUT_TEXT: Final = 6
_CONTINUOUS_UPDATES: Final = 150
_FENCE: Final = 248
_XVP: Final = 250
_SET_DESKTOP_SIZE: Final = 251
_GII: Final = 253
_QEMU: Final = 255

# Message type -> bytes of the message, or up to where its length is known.
_LENGTHS: Final = {
    _SET_PIXEL_FORMAT: 20,
    _SET_ENCODINGS: 4,
    _UPDATE_REQUEST: 10,
    _KEY: 8,
    _POINTER: 6,
    _CUT_TEXT: 8,
    _CONTINUOUS_UPDATES: 10,
    _FENCE: 9,
    # Shutdown, reboot, reset.
    _XVP: 4,
    _SET_DESKTOP_SIZE: 8,
    _GII: 4,
    _QEMU: 4,
}

# These pass in view mode: they ask for pictures. QEMU's audio message does
# not: it starts and stops the capture of the guest's sound.
_VIEW: Final = frozenset(
    [
        _SET_PIXEL_FORMAT,
        _SET_ENCODINGS,
        _UPDATE_REQUEST,
        _CONTINUOUS_UPDATES,
        _FENCE,
    ]
)

# What the client of a recorded session chooses, and what makes it final.
_CHOICES: Final = frozenset(
    [_SET_PIXEL_FORMAT, _SET_ENCODINGS, _UPDATE_REQUEST, _CONTINUOUS_UPDATES]
)

# Cut text is not input: clients send it also on their own, when the guest has
# new text. QEMU's message is input if it is a key event.
_INPUT: Final = frozenset([_KEY, _POINTER, _XVP, _GII])
_QEMU_KEY: Final = b'\xff\x00'

# The length of these depends on their start.
_VARIABLE: Final = frozenset(
    [_SET_ENCODINGS, _CUT_TEXT, _FENCE, _SET_DESKTOP_SIZE, _GII, _QEMU]
)

# The type of QEMU's message: a key event, or audio with its operation -> bytes
# of the message.
_QEMU_LENGTHS: Final = {
    b'\x00': 12,
    # Start, stop, set the format.
    b'\x01\x00\x00': 4,
    b'\x01\x00\x01': 4,
    b'\x01\x00\x02': 10,
}

# Most encodings of a client: the message is kept until it is complete.
_MOST_ENCODINGS: Final = 1024

# The pseudo-encoding ExtendedMouseButtons. With it, the length of a
# PointerEvent would depend on what the server has answered.
_EXTENDED_MOUSE: Final = struct.pack('>i', -316)


class Filter(MessageFilter):
    """The filter of RFB, which starts after ClientInit.

    The message types that it knows are those of RFC 6143, QEMU, TigerVNC and
    noVNC; servers close the connection at a type that they do not know, so
    they agree with it about where messages end. What passes is unchanged,
    except that servers get no offer of ExtendedMouseButtons, and in a recorded
    session none of what the recording cannot have.

    :param recorded: the client's choices; None: the session is not recorded
    """

    __slots__ = ('_pressed', '_recorded')

    def __init__(
        self, is_view: bool, recorded: Recorded | None = None
    ) -> None:
        super().__init__(is_view)
        self._pressed = Pressed()
        self._recorded = recorded

    def _measure(self, data: bytes, at: int) -> tuple[int, int]:
        kind = data[at]
        length = _LENGTHS.get(kind)
        if length is None:
            raise ProtocolError(
                f'The client sent an RFB message of the type {kind}.'
            )
        if kind in _VARIABLE and at + length <= len(data):
            return _lengths(kind, data[at : at + length])
        return length, 0

    def _filter(self, message: bytes) -> bytes:
        kind = message[0]
        if kind == _SET_ENCODINGS:
            message = _without_extended_mouse(message)
        if kind in _CHOICES and self._recorded is not None:
            return _chosen(self._recorded, message)
        is_input = kind in _INPUT or message[:2] == _QEMU_KEY
        if is_input:
            self.input_seen = True
        if self.is_view:
            return message if kind in _VIEW else b''
        return self._pressed.note(message) if is_input else message

    def _between(self) -> bytes:
        # Keys are down in view mode if control was withdrawn.
        return self._pressed.release() if self.is_view else b''


def _chosen(recorded: Recorded, message: bytes) -> bytes:
    """What the server of a recorded session gets of the client's choices."""
    if message[0] == _SET_PIXEL_FORMAT:
        return recorded.set_pixel_format(message)
    if message[0] == _SET_ENCODINGS:
        return recorded.set_encodings(message)
    recorded.update_requested()
    return message


def _lengths(kind: int, head: bytes) -> tuple[int, int]:
    """The length of a message, and of a body that follows.

    Bodies are of any length, and are not kept in memory.

    :param head: what _LENGTHS has of it
    """
    if kind == _SET_ENCODINGS:
        number = int.from_bytes(head[2:])
        if number > _MOST_ENCODINGS:
            raise ProtocolError(
                f'The client sent an RFB message with {number} encodings.'
            )
        return 4 + 4 * number, 0
    if kind == _FENCE:
        return 9 + head[8], 0
    if kind == _CUT_TEXT:
        # It is negative with the pseudo-encoding Extended Clipboard.
        return 8, abs(int.from_bytes(head[4:], signed=True))
    if kind == _SET_DESKTOP_SIZE:
        return 8, 16 * head[6]
    if kind == _GII:
        return 4, int.from_bytes(
            head[2:], 'big' if head[1] & 128 else 'little'
        )
    length = _QEMU_LENGTHS.get(head[1:] if head[1] else head[1:2])
    if length is None:
        raise ProtocolError(
            f'The client sent a QEMU message of the type {head[1]}.'
        )
    return length, 0


def _without_extended_mouse(message: bytes) -> bytes:
    """SetEncodings without the pseudo-encoding ExtendedMouseButtons."""
    if _EXTENDED_MOUSE not in message:
        return message
    found = [message[at : at + 4] for at in range(4, len(message), 4)]
    kept = [it for it in found if it != _EXTENDED_MOUSE]
    return message[:2] + len(kept).to_bytes(2) + b''.join(kept)
