# SPDX-License-Identifier: Apache-2.0

"""The input in what a client of RFB has sent, for people to read."""

import struct
from collections.abc import Sequence
from typing import Any, Final

from console_svc.protocols.rfb.input_filter import Filter

_XVP: Final = {2: 'shutdown', 3: 'reboot', 4: 'reset'}


class InputReader(Filter):
    """Reads what a server has received, after ClientInit.

    It finds messages as the :class:`Filter`, through which they have passed.
    """

    __slots__ = ('_found',)

    def __init__(self) -> None:
        super().__init__(is_view=False)
        self._found: list[dict[str, Any]] = []

    def read(self, data: bytes) -> Sequence[dict[str, Any]]:
        """The input that is complete with the next bytes.

        Text for the clipboard has its size alone.

        :raises console_svc.protocols.input_filter.ProtocolError: it cannot be
            divided into messages
        """
        self.feed(data)
        found, self._found = self._found, []
        return found

    def _filter(self, message: bytes) -> bytes:
        described = _described(message)
        if described is not None:
            self._found.append(described)
        # Nothing is for a server: bodies are skipped.
        return b''


def _described(message: bytes) -> dict[str, Any] | None:
    """What a message says; None: it is not input.

    :param message: without the body
    """
    match message[0]:
        case 4:
            down, keysym = struct.unpack('>xBxxI', message)
            return {'type': 'key', 'keysym': keysym, 'is_down': bool(down)}
        case 5:
            buttons, x, y = struct.unpack('>xBHH', message)
            return {'type': 'pointer', 'x': x, 'y': y, 'buttons': buttons}
        case 6:
            (size,) = struct.unpack('>xxxxi', message)
            return {'type': 'clipboard', 'size': abs(size)}
        case 250:
            return {
                'type': 'power',
                'operation': _XVP.get(message[3], str(message[3])),
            }
        case 251:
            width, height = struct.unpack_from('>xxHH', message)
            return {'type': 'size', 'width': width, 'height': height}
        case 253:
            return {'type': 'other_device'}
        case 255 if message[1] == 0:
            down, keysym, keycode = struct.unpack('>xxHII', message)
            return {
                'type': 'key',
                'keysym': keysym,
                'keycode': keycode,
                'is_down': bool(down),
            }
    return None
