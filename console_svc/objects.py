# SPDX-License-Identifier: Apache-2.0

"""The objects of the domain. They know neither HTTP nor SQL.

Times are seconds of the UTC epoch.
"""

import dataclasses
import enum
from typing import Final

#: The expiry of a token that never expires.
NEVER: Final = 2**40

#: The console type of native consoles on the gateway, and of their sessions.
NATIVE_TYPE: Final = 'vnc'


class ConsoleType(enum.StrEnum):
    """The types of console that a token can lead to."""

    NOVNC = 'novnc'
    XVPVNC = 'xvpvnc'
    SPICE_HTML5 = 'spice-html5'
    SPICE_DIRECT = 'spice-direct'
    RDP_HTML5 = 'rdp-html5'
    SERIAL = 'serial'
    WEBMKS = 'webmks'


class SessionMode(enum.StrEnum):
    """What the client of a session may do. VIEW: it only watches."""

    CONTROL = 'control'
    VIEW = 'view'


#: The resources that projects have limits of, as keystone knows them.
SESSIONS: Final = 'console_sessions'
UNUSED_TOKENS: Final = 'console_auth_tokens'


@dataclasses.dataclass(frozen=True, slots=True)
class SessionLimits:
    """How many current sessions a user and a project can have.

    :param of_user: 0: no limit
    :param of_project: None: no limit
    """

    of_user: int = 0
    of_project: int | None = None


#: Nothing has a limit.
NO_LIMITS: Final = SessionLimits()


@dataclasses.dataclass(frozen=True, slots=True)
class Server:
    """A server, as its driver sees it now.

    :param id: UUID
    :param project_id: the project that owns it
    :param host: the compute host that runs it; None: it is on no host
    :param instance_name: the hypervisor's name for it
    :param status: the compute API's server status
    :param user_id: the user who created it; empty: the driver does not know
    :param created: when it was created; 0: the driver does not know
    """

    id: str
    project_id: str
    name: str
    instance_name: str
    host: str | None
    status: str = 'ACTIVE'
    user_id: str = ''
    created: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class ConnectInfo:
    """Where a console is: what the console proxy connects to.

    :param tls_port: the port for TLS; None: there is no such port
    :param internal_access_path: the target of the CONNECT request that the
        proxy sends before the console's own protocol starts
    :param ticket: a secret by which a driver recognizes the console again,
        for drivers that need more than host and port
    """

    host: str
    port: int
    tls_port: int | None = None
    internal_access_path: str | None = None
    ticket: str | None = dataclasses.field(default=None, repr=False)


@dataclasses.dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a native client finds a console that a driver has opened.

    :param host: None: use ``[consoles] public_hostname``
    """

    console_type: str
    host: str | None
    port: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class NativeConsole:
    """A password-protected console for native clients, as it is stored.

    :param id: assigned by the database; 0 until it is stored
    :param server_host: the compute host on which it was opened
    :param host: the host to which a native client connects
    :param port: the port to which it connects
    :param gateway_port: its own port on the gateway; None: it has none
    :param token_hash: the token on which a console on the gateway is based;
        None: the driver has opened this console
    :param expires: when it expires; None: never
    """

    id: int = 0
    server_id: str
    server_host: str
    console_type: str
    instance_name: str
    host: str
    port: int
    encrypted_password: str = dataclasses.field(repr=False)
    gateway_port: int | None = None
    token_hash: str | None = None
    expires: int | None = None

    def has_expired(self, now: int) -> bool:
        """Whether the console has expired, or is used up."""
        return self.expires is not None and self.expires <= now

    def is_stale(self, host: str | None, now: int) -> bool:
        """Whether the console has expired, or its server has left the host.

        :param host: the compute host that runs the server now, if any
        """
        return self.server_host != host or self.has_expired(now)


@dataclasses.dataclass(frozen=True, slots=True)
class GatewayPort:
    """A port of the gateway that belongs to one console.

    :param token_hash: the token on which that console is based
    :param expires: when that console expires; None: never
    """

    port: int
    token_hash: str
    expires: int | None

    def has_expired(self, now: int) -> bool:
        """Whether the console has expired, or is used up."""
        return self.expires is not None and self.expires <= now


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """The right to open sessions on one console.

    A console token gives it, and so does the password of a native console.

    :param token_hash: the token's SHA-256 in hexadecimal
    :param expires: the first second at which it is not valid any more
    :param client_address: the address from which it was requested
    :param mode: of its sessions
    :param max_uses: sessions that it can open; None: the configured number
    :param bound_address: the only address that can use it, whatever is
        configured; None: it is not bound
    :param lists_sessions: whether its user may list the server's sessions
    :param record: whether its sessions must be recorded
    """

    token_hash: str
    server_id: str
    project_id: str
    user_id: str | None
    console_type: str
    expires: int
    client_address: str | None = None
    mode: SessionMode = SessionMode.CONTROL
    max_uses: int | None = None
    bound_address: str | None = None
    lists_sessions: bool = False
    record: bool = False


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleAuthToken(Grant):
    """What a console token stands for, without the token itself.

    :param encrypted_ticket: the ticket of its connect info, encrypted
    """

    connect_info: ConnectInfo
    encrypted_ticket: str | None = dataclasses.field(default=None, repr=False)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class GatewayConsole(Grant):
    """A native console on the gateway, as a log-in finds it.

    :param id: of the console
    :param server_host: the compute host on which it was opened
    """

    id: int
    server_host: str
    encrypted_password: str = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LogInAttempt:
    """A native client's response to a challenge, as it is counted.

    Hashes are SHA-256 in hexadecimal.

    :param challenge_hash: of the challenge
    :param target_hash: of the console, or of what the client named instead
    :param client_hash: of the same and the client's address
    :param token_hash: the token on which the console is based; None: there is
        no console
    :param expires: when the console expires; None: there is no console
    """

    challenge_hash: str
    target_hash: str
    client_hash: str
    token_hash: str | None
    expires: int | None


@dataclasses.dataclass(frozen=True, slots=True)
class FailedLogIns:
    """Failed log-ins to a native console in a row.

    :param locked_until: log-ins are refused before this second
    """

    failures: int
    locked_until: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleSession:
    """One client that is connected to a console.

    :param id: UUID
    :param token_hash: the token that opened it
    :param client_address: the address of the client
    :param expires: when it must end; None: there is no limit
    :param secret_hash: SHA-256 in hexadecimal of the secret with which its
        client can resume it; None: it cannot
    :param mode: what its client may do
    :param enforced_mode: what its console proxy lets its client do, as far as
        is known
    :param deadline: when it must end whatever its token; None: there is no
        limit
    :param lists_sessions: whether its user may list the server's sessions
    :param record: whether it must be recorded
    """

    id: str
    token_hash: str
    server_id: str
    project_id: str
    user_id: str | None
    console_type: str
    client_address: str | None
    created_at: int
    expires: int | None
    secret_hash: str | None = dataclasses.field(
        default=None, repr=False, compare=False
    )
    mode: SessionMode = SessionMode.CONTROL
    enforced_mode: SessionMode = SessionMode.CONTROL
    deadline: int | None = dataclasses.field(default=None, compare=False)
    lists_sessions: bool = dataclasses.field(default=False, compare=False)
    record: bool = False
