# SPDX-License-Identifier: Apache-2.0

"""Messages of RFB clients, for tests."""

import struct

#: Pixel formats, as noVNC sets it, and as TigerVNC does.
NOVNC = bytes.fromhex('20180001 00ff00ff00ff 000810 000000')
TIGERVNC = bytes.fromhex('20180001 00ff00ff00ff 100800 000000')

PIXEL_FORMAT = b'\0\0\0\0' + bytes.fromhex('2018000100ff00ff00ff100800000000')
UPDATE_REQUEST = struct.pack('>BBHHHH', 3, 1, 0, 0, 640, 480)
CONTINUOUS = struct.pack('>BBHHHH', 150, 1, 0, 0, 640, 480)
XVP = b'\xfa\x00\x01\x02'
AUDIO_START = b'\xff\x01\x00\x00'
AUDIO_FORMAT = b'\xff\x01\x00\x02\x03\x02\x00\x00\xac\x44'


def set_format(pixel_format: bytes) -> bytes:
    return bytes(4) + pixel_format


def encodings(*numbers: int) -> bytes:
    return struct.pack(f'>BxH{len(numbers)}i', 2, len(numbers), *numbers)


def key(keysym: int, down: bool) -> bytes:
    return struct.pack('>BBxxI', 4, down, keysym)


def qemu_key(keysym: int, keycode: int, down: bool) -> bytes:
    return struct.pack('>BBHII', 255, 0, down, keysym, keycode)


def pointer(mask: int, x: int = 3, y: int = 4) -> bytes:
    return struct.pack('>BBHH', 5, mask, x, y)


def cut_text(text: bytes) -> bytes:
    return struct.pack('>BxxxI', 6, len(text)) + text


def extended_clipboard(flags: int, data: bytes = b'') -> bytes:
    body = struct.pack('>I', flags) + data
    return struct.pack('>Bxxxi', 6, -len(body)) + body


def fence(payload: bytes) -> bytes:
    return struct.pack('>BxxxIB', 248, 1 << 31, len(payload)) + payload


def desktop_size(screens: int) -> bytes:
    return struct.pack('>BxHHBx', 251, 800, 600, screens) + bytes(16 * screens)


def gii(body: bytes, order: str = '>') -> bytes:
    kind = 0x80 if order == '>' else 0
    return struct.pack(f'{order}BBH', 253, kind, len(body)) + body
