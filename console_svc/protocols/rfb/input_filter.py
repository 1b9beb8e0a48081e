# SPDX-License-Identifier: Apache-2.0

"""The messages of RFB clients, and which of them are input.

(RFC 6143, section 7.5; extensions: the RFB community's specification.)
"""

import struct
from typing import Final

from console_svc.protocols.input_filter import ProtocolError
from console_svc.protocols.rfb.pressed import Pressed

_SET_ENCODINGS: Final = 2
_KEY: Final = 4
_POINTER: Final = 5
_CUT_TEXT: Final = 6
_FENCE: Final = 248
_XVP: Final = 250
_SET_DESKTOP_SIZE: Final = 251
_GII: Final = 253
_QEMU: Final = 255

# Message type -> bytes of the message, or up to where its length is known.
_LENGTHS: Final = {
    # SetPixelFormat.
    0: 20,
    _SET_ENCODINGS: 4,
    # FramebufferUpdateRequest.
    3: 10,
    _KEY: 8,
    _POINTER: 6,
    _CUT_TEXT: 8,
    # EnableContinuousUpdates.
    150: 10,
    _FENCE: 9,
    # Shutdown, reboot, reset.
    _XVP: 4,
    _SET_DESKTOP_SIZE: 8,
    _GII: 4,
    _QEMU: 4,
}

# These pass in view mode: they ask for pictures. QEMU's audio message does
# not: it starts and stops the capture of the guest's sound.
_VIEW: Final = frozenset([0, _SET_ENCODINGS, 3, 150, _FENCE])

# These are looked at: SetEncodings, and those that are input. Cut text is not
# among them: clients send it also on their own, when the guest has new text.
_CHECKED: Final = frozenset(
    [_SET_ENCODINGS, _KEY, _POINTER, _XVP, _GII, _QEMU]
)

# The length of these depends on their start.
_VARIABLE: Final = frozenset(
    [_SET_ENCODINGS, _CUT_TEXT, _FENCE, _SET_DESKTOP_SIZE, _GII, _QEMU]
)

# The type of QEMU's message: a key event, or audio with its operation -> bytes
# of the message.
_QEMU_KEY: Final = 0
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


class Filter:
    """The :class:`~console_svc.protocols.input_filter.InputFilter` of RFB.

    It starts after ClientInit. The message types that it knows are those of
    RFC 6143, QEMU, TigerVNC and noVNC; servers close the connection at a
    type that they do not know, so they agree with it about where messages
    end. What passes is unchanged, except that servers get no offer of
    ExtendedMouseButtons.
    """

    __slots__ = (
        '_body',
        '_body_passes',
        '_head',
        '_pressed',
        'input_seen',
        'is_view',
    )

    def __init__(self, is_view: bool) -> None:
        self.is_view = is_view
        self.input_seen = False
        # The start of a message, of which nothing has passed.
        self._head = b''
        # Bytes of the current message's body that are not received yet.
        self._body = 0
        self._body_passes = False
        self._pressed = Pressed()

    def feed(self, data: bytes) -> bytes:
        passed: list[bytes] = []
        if self._body:
            taken = min(self._body, len(data))
            self._body -= taken
            if self._body_passes:
                passed.append(data[:taken])
            if self._body:
                return passed[0] if passed else b''
            data = data[taken:]
        if self.is_view and self._pressed:
            # Control was withdrawn.
            passed.append(self._pressed.release())
        if self._head:
            data, self._head = self._head + data, b''
        self._messages(data, passed)
        return passed[0] if len(passed) == 1 else b''.join(passed)

    def _messages(self, data: bytes, passed: list[bytes]) -> None:
        """Filter from the start of a message on."""
        size = len(data)
        # What passes unchanged starts at begin, and ends at position.
        begin = position = 0
        while position < size:
            kind = data[position]
            length = _LENGTHS.get(kind)
            if length is None:
                raise ProtocolError(
                    f'The client sent an RFB message of the type {kind}.'
                )
            end = position + length
            body = 0
            if kind in _VARIABLE and end <= size:
                length, body = _lengths(kind, data[position:end])
                end = position + length
            if end > size:
                break
            passes = not self.is_view or kind in _VIEW
            if kind in _CHECKED:
                message = data[position:end]
                before, after = self._check(kind, message, passes)
                if before or after is not message:
                    passed += [data[begin:position], before, after]
                    begin = end
            if not passes:
                passed.append(data[begin:position])
            position = end
            if body:
                position = min(end + body, size)
                self._body = end + body - position
                self._body_passes = passes
            if not passes:
                begin = position
        self._head = data[position:]
        passed.append(data[begin:position])

    def _check(
        self, kind: int, message: bytes, passes: bool
    ) -> tuple[bytes, bytes]:
        """Note a message, if it is input, and change it, if it must be.

        :returns: what to send before it, and the message to send
        """
        if kind == _SET_ENCODINGS:
            return b'', _without_extended_mouse(message)
        if kind == _QEMU and message[1] != _QEMU_KEY:
            return b'', message
        self.input_seen = True
        if not passes:
            return b'', message
        if kind == _POINTER:
            self._pressed.pointer(message)
        elif kind == _KEY:
            return self._pressed.key(message), message
        elif kind == _QEMU:
            return self._pressed.qemu_key(message), message
        return b'', message


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
