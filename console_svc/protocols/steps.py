# SPDX-License-Identifier: Apache-2.0

"""Steps of handshakes: a generator yields them, its caller performs them."""

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True)
class Read:
    """Read a number of bytes, and send them to the handshake.

    :param typed: whether a user may have to type them first
    """

    number: int
    typed: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Write:
    """Write these bytes."""

    data: bytes


@dataclasses.dataclass(frozen=True, slots=True)
class StartTLS:
    """Switch the connection to TLS, in the same role as in the protocol."""
