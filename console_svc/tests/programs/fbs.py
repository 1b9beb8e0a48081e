# SPDX-License-Identifier: Apache-2.0

"""A reader of FBS files, which shares no code with their writer."""

import struct

_HANDSHAKE = b'RFB 003.003\n\0\0\0\1'


def blocks(file: bytes) -> list[tuple[int, bytes]]:
    """Milliseconds and data of each block."""
    assert file.startswith(b'FBS 001.000\n'), file[:12]
    found, at = [], 12
    while at < len(file):
        (size,) = struct.unpack_from('>I', file, at)
        end = at + 4 + (size + 3) // 4 * 4
        (time,) = struct.unpack_from('>I', file, end)
        assert not any(file[at + 4 + size : end]), 'the padding'
        found.append((time, file[at + 4 : at + 4 + size]))
        at = end + 4
    return found


def sent(file: bytes) -> bytes:
    """What the server has sent, from ServerInit on."""
    data = b''.join(data for _, data in blocks(file))
    assert data.startswith(_HANDSHAKE), data[:16]
    return data.removeprefix(_HANDSHAKE)
