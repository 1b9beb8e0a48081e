# SPDX-License-Identifier: Apache-2.0

"""Messages of SPICE clients, for tests."""

import struct

ACK_SYNC = (1, struct.pack('<I', 1))
ACK = (2, b'')
PONG = (3, bytes(12))
MIGRATE_DATA = (5, b'abcd')
DISCONNECTING = (6, bytes(12))

CLIENT_INFO = (101, bytes(8))
ATTACH_CHANNELS = (104, b'')
MOUSE_MODE = (105, struct.pack('<H', 2))
AGENT_START = (106, struct.pack('<I', 10))
AGENT_DATA = (107, b'abcd' * 100)
AGENT_TOKEN = (108, struct.pack('<I', 1))

MODIFIERS = (103, b'\4\0')

Message = tuple[int, bytes]


def mini(*messages: Message) -> bytes:
    return b''.join(
        struct.pack('<HI', kind, len(body)) + body for kind, body in messages
    )


def full(*messages: Message) -> bytes:
    return b''.join(
        struct.pack('<QHII', 7, kind, len(body), 0) + body
        for kind, body in messages
    )


def key_down(code: int) -> Message:
    return 101, struct.pack('<I', code)


def key_up(code: int) -> Message:
    return 102, struct.pack('<I', code)


def scan_codes(*codes: int) -> Message:
    return 104, bytes(codes)


def motion(dx: int, dy: int, mask: int = 0) -> Message:
    return 111, struct.pack('<iiH', dx, dy, mask)


def position(x: int, y: int, mask: int = 0) -> Message:
    return 112, struct.pack('<IIHB', x, y, mask, 0)


def press(button: int, mask: int) -> Message:
    return 113, struct.pack('<BH', button, mask)


def release(button: int, mask: int) -> Message:
    return 114, struct.pack('<BH', button, mask)
