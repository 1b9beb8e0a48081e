# SPDX-License-Identifier: Apache-2.0

"""What the tests with random streams of clients share."""

import random
from collections.abc import Iterator


def fragments(rng: random.Random, data: bytes) -> Iterator[bytes]:
    """Data in pieces of any size: some have a byte, some many messages."""
    position = 0
    while position < len(data):
        size = rng.choice((1, 2, 7, 40, 300, 2000, 9000))
        end = position + rng.randint(1, size)
        yield data[position:end]
        position = end


def mutated(rng: random.Random, data: bytes) -> bytes:
    """Data with some bytes changed, removed, added or repeated."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(changed))
        other = at + rng.randint(1, 30)
        match rng.randrange(4):
            case 0:
                changed[at] = rng.randrange(256)
            case 1 if len(changed) > 100:
                del changed[at:other]
            case 2:
                changed[at:at] = rng.randbytes(rng.randint(1, 9))
            case _:
                changed[at:at] = changed[at:other]
    return bytes(changed)
