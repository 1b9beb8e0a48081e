# SPDX-License-Identifier: Apache-2.0

"""What the domain speaks of. Nothing here knows HTTP or SQL."""

import dataclasses
import enum
from typing import Final

#: When something expires that never does: in seconds of the UTC epoch, and
#: more of them than any clock of ours will count.
NEVER: Final = 2**40

#: The console type that sessions of native VNC clients have.
NATIVE_TYPE: Final = 'vnc'


class ConsoleType(enum.StrEnum):
    """The kinds of console that a token can lead to."""

    NOVNC = 'novnc'
    XVPVNC = 'xvpvnc'
    SPICE_HTML5 = 'spice-html5'
    SPICE_DIRECT = 'spice-direct'
    RDP_HTML5 = 'rdp-html5'
    SERIAL = 'serial'
    WEBMKS = 'webmks'


@dataclasses.dataclass(frozen=True, slots=True)
class Server:
    """A server, as its driver knows it now.

    :param id: UUID
    :param project_id: the project that owns it
    :param host: the compute host it runs on; None: on none
    :param instance_name: what the hypervisor calls it
    :param status: the compute API's server status
    """

    id: str
    project_id: str
    name: str
    instance_name: str
    host: str | None
    status: str = 'ACTIVE'


@dataclasses.dataclass(frozen=True, slots=True)
class ConnectInfo:
    """Where a console is: what a proxy connects to.

    :param internal_access_path: what the proxy asks for in a CONNECT
        handshake before the console's own protocol begins
    :param ticket: by what the driver knows later whether the console is still
        there, where it needs more than the rest; a secret
    """

    host: str
    port: int
    tls_port: int | None = None
    internal_access_path: str | None = None
    ticket: str | None = dataclasses.field(default=None, repr=False)


@dataclasses.dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a native client finds a console that a driver has opened.

    :param host: None: the driver does not know; the configuration does
    """

    console_type: str
    host: str | None
    port: int


@dataclasses.dataclass(frozen=True, slots=True)
class Console:
    """A password-protected console for native clients.

    :param server_host: the compute host where it was opened
    :param password: in the clear; never logged, never stored so
    """

    id: int
    server_id: str
    server_host: str
    console_type: str
    instance_name: str
    host: str
    port: int
    password: str = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True, slots=True)
class ConsoleAuthToken:
    """What a console token stands for, without the token itself.

    :param hash: the token's SHA-256, hexadecimal
    :param expires: the first second, UTC epoch, at which it is void
    :param client_address: who asked for it
    """

    hash: str
    server_id: str
    project_id: str
    user_id: str | None
    console_type: str
    connect_info: ConnectInfo
    expires: int
    client_address: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class ConsoleSession:
    """Somebody on a console, now.

    :param id: UUID
    :param created_at: since when, seconds of the UTC epoch
    :param expires: the second at which it must end; None: no second
    """

    id: str
    server_id: str
    project_id: str
    user_id: str | None
    console_type: str
    client_address: str | None
    created_at: int
    expires: int | None
