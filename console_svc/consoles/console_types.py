# SPDX-License-Identifier: Apache-2.0

"""What the console types can do: the only table of it."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Final

from console_svc.objects import NATIVE_TYPE, ConsoleType


@dataclasses.dataclass(frozen=True, slots=True)
class Kind:
    """What a console type can do.

    :param protocol: the protocol of its requests. Types of one protocol lead
        to the same console of a server
    :param can_be_viewed: whether the console proxy can drop the input of its
        clients, and of nothing else
    :param can_be_recorded: whether the console proxy can record its sessions
    """

    protocol: str
    can_be_viewed: bool
    can_be_recorded: bool = False


_KINDS: Final[Mapping[str, Kind]] = {
    ConsoleType.NOVNC: Kind('vnc', can_be_viewed=True, can_be_recorded=True),
    # The console proxy does not know this protocol.
    ConsoleType.XVPVNC: Kind('vnc', can_be_viewed=False),
    NATIVE_TYPE: Kind('vnc', can_be_viewed=True, can_be_recorded=True),
    ConsoleType.SPICE_HTML5: Kind('spice', can_be_viewed=True),
    ConsoleType.SPICE_DIRECT: Kind('spice', can_be_viewed=True),
    ConsoleType.SERIAL: Kind(
        'serial', can_be_viewed=True, can_be_recorded=True
    ),
    ConsoleType.RDP_HTML5: Kind('rdp', can_be_viewed=True),
    # The console proxy does not parse it.
    ConsoleType.WEBMKS: Kind('mks', can_be_viewed=False),
}

#: The console types that tokens are issued for, by their protocol.
PROTOCOLS: Final[Mapping[str, Sequence[ConsoleType]]] = {
    protocol: tuple(
        it for it in ConsoleType if _KINDS[it].protocol == protocol
    )
    for protocol in dict.fromkeys(_KINDS[it].protocol for it in ConsoleType)
}


def can_be_viewed(console_type: str) -> bool:
    """Whether sessions of a type can be view-only."""
    return _KINDS[console_type].can_be_viewed


def can_be_recorded(console_type: str) -> bool:
    """Whether sessions of a type can be recorded."""
    return _KINDS[console_type].can_be_recorded


def of_same_console(console_type: str) -> Sequence[str]:
    """All types that lead to the same console of a server as this one."""
    protocol = _KINDS[console_type].protocol
    return [it for it, kind in _KINDS.items() if kind.protocol == protocol]
