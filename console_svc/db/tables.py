# SPDX-License-Identifier: Apache-2.0

"""The tables; those about recordings have a module of their own."""

from typing import Final

import sqlalchemy as sa

# recording_tables is imported for its tables: the metadata has all.
from console_svc.db import columns, recording_tables  # noqa: F401
from console_svc.db.columns import ADDRESS, ID, MODE, NAME, TEXT, UUID

#: The oldest revision on which this version works.
NEEDED: Final = '013'

metadata: Final = columns.metadata

consoles = sa.Table(
    'consoles',
    metadata,
    sa.Column('id', ID, primary_key=True, autoincrement=True),
    sa.Column('server_id', UUID, nullable=False),
    sa.Column('server_host', NAME, nullable=False),
    sa.Column('console_type', NAME, nullable=False),
    sa.Column('instance_name', NAME, nullable=False),
    sa.Column('host', NAME, nullable=False),
    sa.Column('port', sa.Integer, nullable=False),
    sa.Column('encrypted_password', NAME, nullable=False),
    sa.Column('created_at', sa.BigInteger, nullable=False),
    # The columns down to locked_until are for consoles on the gateway.
    # The console's own port, if it has one. The index keeps concurrent
    # requests from taking the same.
    sa.Column('gateway_port', sa.Integer, nullable=True),
    # The token on which the console is based; null: the driver opened it.
    sa.Column('token_hash', sa.String(64), nullable=True),
    # When it expires; null: never.
    sa.Column('expires', sa.BigInteger, nullable=True),
    # Only the version before revision 005 uses these two: it counts failed
    # log-ins here.
    sa.Column('failures', sa.Integer, nullable=False, server_default='0'),
    sa.Column(
        'locked_until', sa.BigInteger, nullable=False, server_default='0'
    ),
    # One console per server and host, also for concurrent requests.
    sa.UniqueConstraint('server_id', 'server_host'),
    sa.Index(None, 'gateway_port', unique=True),
    sa.Index(None, 'token_hash'),
    # For log-ins by instance name.
    sa.Index(None, 'instance_name'),
    # Never reuse an id: an old link would show a new password.
    sqlite_autoincrement=True,
    **TEXT,
)

console_auth_tokens = sa.Table(
    'console_auth_tokens',
    metadata,
    sa.Column('id', ID, primary_key=True, autoincrement=True),
    # SHA-256 in hexadecimal; the token itself is not stored.
    sa.Column('token_hash', sa.String(64), nullable=False),
    sa.Column('server_id', UUID, nullable=False),
    sa.Column('project_id', NAME, nullable=False),
    sa.Column('user_id', NAME, nullable=True),
    sa.Column('console_type', sa.String(32), nullable=False),
    sa.Column('host', NAME, nullable=False),
    sa.Column('port', sa.Integer, nullable=False),
    sa.Column('tls_port', sa.Integer, nullable=True),
    sa.Column('internal_access_path', NAME, nullable=True),
    sa.Column('created_at', sa.BigInteger, nullable=False),
    sa.Column('expires', sa.BigInteger, nullable=False),
    # The number of sessions that it has opened.
    sa.Column('uses', sa.Integer, nullable=False, server_default='0'),
    # Grows if a session resumes another one of it, or the modes of its SPICE
    # channels change. Both must write to this row: Galera then finds the
    # conflict with a revocation, and with another channel.
    sa.Column('resumptions', sa.Integer, nullable=False, server_default='0'),
    # The address that requested it, and the only one that can use it if so
    # configured.
    sa.Column('client_address', ADDRESS, nullable=True),
    # For drivers that need it to recognize the console.
    sa.Column('encrypted_ticket', NAME, nullable=True),
    # The mode of its sessions.
    sa.Column('mode', MODE, nullable=False, server_default='control'),
    # The number of sessions that it can open; null: the configured one.
    sa.Column('max_uses', sa.Integer, nullable=True),
    # The only address that can use it, whatever is configured; null: none was
    # asked for.
    sa.Column('bound_address', ADDRESS, nullable=True),
    # Whether its user may list the sessions of the server, as policy was when
    # it was issued.
    sa.Column(
        'lists_sessions', sa.Boolean, nullable=False, server_default='0'
    ),
    # Whether its new sessions are view-only whatever its mode: control was
    # taken from the client of one of its sessions.
    sa.Column('lowered', sa.Boolean, nullable=False, server_default='0'),
    # Whether its sessions must be recorded, whatever is configured.
    sa.Column('record', sa.Boolean, nullable=False, server_default='0'),
    sa.UniqueConstraint('token_hash'),
    # For revoking the tokens of a server, and for limiting those of a user.
    sa.Index(None, 'server_id', 'user_id', 'id'),
    # For limiting those of a project.
    sa.Index(None, 'project_id', 'expires'),
    # For the purge.
    sa.Index(None, 'expires'),
    sqlite_autoincrement=True,
    **TEXT,
)

console_sessions = sa.Table(
    'console_sessions',
    metadata,
    sa.Column('id', ID, primary_key=True, autoincrement=True),
    # The id in the API: a UUID that cannot be guessed.
    sa.Column('session_id', UUID, nullable=False),
    # Empty: the session is closed. It stays while a client can resume it, and
    # so does that of a closed SPICE channel.
    sa.Column('token_hash', sa.String(64), nullable=False),
    sa.Column('server_id', UUID, nullable=False),
    sa.Column('project_id', NAME, nullable=False),
    sa.Column('user_id', NAME, nullable=True),
    sa.Column('console_type', sa.String(32), nullable=False),
    sa.Column('client_address', ADDRESS, nullable=True),
    sa.Column('created_at', sa.BigInteger, nullable=False),
    # When the proxy must end it; null: no limit; 0: it is closed, and its id
    # cannot be used again until the purge has deleted the row.
    sa.Column('expires', sa.BigInteger, nullable=True),
    # When it lapses unless it is kept alive; of one with a process, unless it
    # is named again; of a closed one, when it was closed; of a closed SPICE
    # channel, until when it can be opened again.
    sa.Column('alive_until', sa.BigInteger, nullable=False),
    # The process of a proxy with which it lives; null: it is kept alive by
    # itself. Of a closed one: the process that does not know this yet.
    sa.Column('proxy_id', UUID, nullable=True),
    # SHA-256 in hexadecimal of the secret with which its client can resume it;
    # null: it cannot. The index of token_hash finds it.
    sa.Column('secret_hash', sa.String(64), nullable=True),
    # What its client may do.
    sa.Column('mode', MODE, nullable=False, server_default='control'),
    # What the proxy lets its client do, as far as is known: it differs from
    # the mode until a keep-alive has confirmed a change. Null: the version
    # before revision 009 has opened it, and the client has control.
    sa.Column('enforced_mode', MODE, nullable=True),
    # Of one that has ended, until its process closes it: why.
    sa.Column('end_reason', sa.String(32), nullable=True),
    # The user who has ended it, if that is known.
    sa.Column('ended_by', NAME, nullable=True),
    # Of a channel of a SPICE page: the session of the channel that the page
    # has opened first; null: it is that one, or not a channel.
    sa.Column('main_id', UUID, nullable=True),
    # When it must end whatever its token, as do sessions that resume it; null:
    # there was no limit.
    sa.Column('deadline', sa.BigInteger, nullable=True),
    # As of its token.
    sa.Column(
        'lists_sessions', sa.Boolean, nullable=False, server_default='0'
    ),
    sa.Column('record', sa.Boolean, nullable=False, server_default='0'),
    sa.UniqueConstraint('session_id'),
    sa.Index(None, 'token_hash'),
    sa.Index(None, 'server_id'),
    # For limiting those of a user and a project.
    sa.Index(None, 'user_id'),
    sa.Index(None, 'project_id'),
    # For the keep-alive of a process.
    sa.Index(None, 'proxy_id', 'expires'),
    # For the purge.
    sa.Index(None, 'alive_until'),
    sqlite_autoincrement=True,
    **TEXT,
)

# The history: sessions that have ended.
ended_sessions = sa.Table(
    'ended_sessions',
    metadata,
    sa.Column('id', ID, primary_key=True, autoincrement=True),
    sa.Column('session_id', UUID, nullable=False),
    # As of console_sessions; its own id if that is null.
    sa.Column('main_id', UUID, nullable=False),
    # Whether they are the same. PostgreSQL has statistics of this column, and
    # would sort all rows for a comparison.
    sa.Column('is_main', sa.Boolean, nullable=False),
    sa.Column('server_id', UUID, nullable=False),
    sa.Column('project_id', NAME, nullable=False),
    sa.Column('user_id', NAME, nullable=True),
    sa.Column('console_type', sa.String(32), nullable=False),
    sa.Column('mode', MODE, nullable=False),
    sa.Column('client_address', ADDRESS, nullable=True),
    sa.Column('created_at', sa.BigInteger, nullable=False),
    sa.Column('expires', sa.BigInteger, nullable=True),
    # When it ended; if it has lapsed, when it was last kept alive.
    sa.Column('ended_at', sa.BigInteger, nullable=False),
    sa.Column('end_reason', sa.String(32), nullable=False),
    # The user who has ended it, if one has.
    sa.Column('ended_by', NAME, nullable=True),
    # Bytes from the client, and to it.
    sa.Column('received', sa.BigInteger, nullable=False),
    sa.Column('sent', sa.BigInteger, nullable=False),
    # For markers, for the channels of a session, and for what a proxy reports
    # later.
    sa.Index(None, 'main_id'),
    # For lists, the newest first. The last one is for the purge, too.
    sa.Index(None, 'server_id', 'ended_at', 'id'),
    sa.Index(None, 'project_id', 'ended_at', 'id'),
    sa.Index(None, 'user_id', 'ended_at', 'id'),
    sa.Index(None, 'ended_at', 'id'),
    sqlite_autoincrement=True,
    **TEXT,
)

# Processes of console proxies.
console_proxies = sa.Table(
    'console_proxies',
    metadata,
    # A UUID that the process has chosen when it started.
    sa.Column('id', UUID, primary_key=True),
    # When its sessions lapse unless it sends a keep-alive.
    sa.Column('alive_until', sa.BigInteger, nullable=False),
    # Grows when the mode of one of its sessions changes; 0: the process has
    # confirmed all changes.
    sa.Column('mode_changes', sa.Integer, nullable=False, server_default='0'),
    # Grows when another session on a server of one of its sessions is opened,
    # gets another mode, or ends.
    sa.Column(
        'others_changes', sa.Integer, nullable=False, server_default='0'
    ),
    # For the purge.
    sa.Index(None, 'alive_until'),
    **TEXT,
)

# Failed log-ins in a row.
log_in_failures = sa.Table(
    'log_in_failures',
    metadata,
    # SHA-256 in hexadecimal of a console, or of a console and an address; for
    # log-ins without a console, of what the client named.
    sa.Column('subject', sa.String(64), primary_key=True),
    sa.Column('failures', sa.Integer, nullable=False),
    # Log-ins are refused before this time.
    sa.Column('locked_until', sa.BigInteger, nullable=False),
    # When the purge can delete it.
    sa.Column('expires', sa.BigInteger, nullable=False),
    sa.Index(None, 'expires'),
    **TEXT,
)

# Challenges that were answered, so that none is answered twice.
used_challenges = sa.Table(
    'used_challenges',
    metadata,
    # SHA-256 in hexadecimal. The primary key lets one of concurrent log-ins
    # succeed.
    sa.Column('digest', sa.String(64), primary_key=True),
    # The token on which the console is based; null: there was no console.
    sa.Column('token_hash', sa.String(64), nullable=True),
    # When the purge can delete it: the console has expired.
    sa.Column('expires', sa.BigInteger, nullable=False),
    # For the purge.
    sa.Index(None, 'token_hash'),
    sa.Index(None, 'expires'),
    **TEXT,
)

# Jobs that only one process may do at a time, and until when it has the job;
# and locks of servers, users and projects, and when the purge can delete the
# row.
leases = sa.Table(
    'leases',
    metadata,
    sa.Column('name', sa.String(64), primary_key=True),
    sa.Column('expires', sa.BigInteger, nullable=False),
    # For the purge.
    sa.Index(None, 'expires'),
    **TEXT,
)
