# SPDX-License-Identifier: Apache-2.0

"""PDUs of RDP clients, for tests."""

import struct

IO = 1003

CREDSSP = b'\x30\x82\x01\x00' + bytes(256)


def tpkt(data: bytes, x224: bytes = b'\x02\xf0\x80') -> bytes:
    return struct.pack('>BBH', 3, 0, 7 + len(data)) + x224 + data


def send_data(payload: bytes, channel: int = IO) -> bytes:
    length = (
        bytes([len(payload)])
        if len(payload) < 128
        else struct.pack('>H', 0x8000 | len(payload))
    )
    header = struct.pack('>BHHB', 0x64, 6, channel, 0x70)
    return tpkt(header + length + payload)


def share_control(kind: int, body: bytes) -> bytes:
    return struct.pack('<HHH', 6 + len(body), 0x10 | kind, 1007) + body


def share_data(kind: int, body: bytes = b'') -> bytes:
    return share_control(
        7, struct.pack('<IBBHBBH', 66538, 0, 1, 8, kind, 0, 0) + body
    )


def info(shell: str = '') -> bytes:
    text = shell.encode('utf-16-le')
    return (
        struct.pack('<HH', 0x40, 0)
        + struct.pack('<IIHHHHH', 0, 0x13, 0, 8, 8, len(text), 0)
        + bytes(2 + 8 + 2 + 8 + 2)
        + text
        + bytes(4)
    )


def fast_path(*events: bytes) -> bytes:
    data = b''.join(events)
    if len(events) > 15:
        data = bytes([len(events)]) + data
    number = len(events) if len(events) < 16 else 0
    length = 2 + len(data)
    if length < 128:
        return bytes([number << 2, length]) + data
    return struct.pack('>BH', number << 2, 0x8000 | length + 1) + data


def key(code: int, down: bool, extended: bool = False) -> bytes:
    return bytes([(0 if down else 1) | (2 if extended else 0), code])


def pointer(flags: int, x: int = 1, y: int = 2) -> bytes:
    return struct.pack('<BHHH', 1 << 5, flags, x, y)


CONNECT_INITIAL = tpkt(b'\x7f\x65\x82\x01\x00' + bytes(256))
CONNECTION = (
    CONNECT_INITIAL,
    # Erect Domain, Attach User, Channel Join.
    tpkt(b'\x04\x01\x00\x01\x00'),
    tpkt(b'\x28'),
    tpkt(b'\x38\x00\x06\x03\xeb'),
    tpkt(b'\x38\x00\x06\x03\xec'),
    send_data(info()),
    # A licence.
    send_data(struct.pack('<HH', 0x80, 0) + bytes(20)),
    # Confirm Active.
    send_data(share_control(3, bytes(400))),
    # Synchronize, control, persistent keys, fonts.
    send_data(share_data(31, bytes(4))),
    send_data(share_data(20, bytes(8))),
    send_data(share_data(43, bytes(24))),
    send_data(share_data(39, bytes(8))),
)
PICTURES = (
    # Refresh Rect, Suppress Output, Frame Acknowledge.
    send_data(share_data(33, bytes(12))),
    send_data(share_data(35, bytes(12))),
    send_data(share_data(56, bytes(4))),
    send_data(share_data(33, bytes(12)) + share_data(56, bytes(4))),
)
INPUT = (
    fast_path(key(0x1E, True)),
    fast_path(pointer(0x800)),
    fast_path(*[key(0x1E, True), key(0x1E, False)] * 20),
    send_data(share_data(28, bytes(16))),
    send_data(share_data(33, bytes(12)) + share_data(28, bytes(16))),
)
OTHERS = (
    # Virtual channels.
    send_data(struct.pack('<II', 4, 3) + b'abcd', 1004),
    send_data(share_data(33, bytes(12)), 1004),
    send_data(share_control(3, bytes(400)), 1005),
    # A second log-in, shutdown, and what is unknown or malformed.
    send_data(info()),
    send_data(info('cmd.exe')),
    send_data(share_data(36)),
    send_data(share_control(5, b'')),
    send_data(share_data(33, bytes(12)) + b'\x06'),
    send_data(struct.pack('<HHH', 3, 0x13, 0)),
    send_data(struct.pack('<HHH', 99, 0x13, 0)),
    send_data(b'\x40'),
    send_data(bytes(8)),
    tpkt(b''),
    tpkt(b'\x64\x00'),
    tpkt(b'\x04' + bytes(20)),
    tpkt(b'\x6c' + send_data(share_data(33, bytes(12)))[8:]),
    # Segments, and a wrong length.
    tpkt(send_data(share_data(33))[7:].replace(b'\x70', b'\x60', 1)),
    tpkt(send_data(share_data(33))[7:] + share_data(33)),
)
