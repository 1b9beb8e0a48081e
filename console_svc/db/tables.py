# SPDX-License-Identifier: Apache-2.0

"""The tables. Seconds are integers of the UTC epoch."""

from typing import Any

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        'pk': 'pk_%(table_name)s',
        'ix': 'ix_%(table_name)s_%(column_0_N_name)s',
        'uq': 'uq_%(table_name)s_%(column_0_N_name)s',
    }
)

# SQLite counts up only what is declared INTEGER.
_Id = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')
_UUID = sa.String(36)
_Name = sa.String(255)
_Address = sa.String(45)

# Ids and hosts are compared to the letter, as other engines do unasked.
_TEXT: Any = {'mysql_charset': 'utf8mb4', 'mysql_collate': 'utf8mb4_bin'}

consoles = sa.Table(
    'consoles',
    metadata,
    sa.Column('id', _Id, primary_key=True, autoincrement=True),
    sa.Column('server_id', _UUID, nullable=False),
    sa.Column('server_host', _Name, nullable=False),
    sa.Column('console_type', _Name, nullable=False),
    sa.Column('instance_name', _Name, nullable=False),
    sa.Column('host', _Name, nullable=False),
    sa.Column('port', sa.Integer, nullable=False),
    sa.Column('encrypted_password', _Name, nullable=False),
    sa.Column('created_at', sa.BigInteger, nullable=False),
    # Of a gateway's consoles alone, down to locked_until. The port that is
    # the console's own, if it has one: creates that race never share it.
    sa.Column('gateway_port', sa.Integer, nullable=True),
    # The token underneath, by which sessions are opened; null: a driver's.
    sa.Column('token_hash', sa.String(64), nullable=True),
    # The token's; null: never.
    sa.Column('expires', sa.BigInteger, nullable=True),
    # Log-ins that failed, in a row, and until when none is looked at.
    sa.Column('failures', sa.Integer, nullable=False, server_default='0'),
    sa.Column(
        'locked_until', sa.BigInteger, nullable=False, server_default='0'
    ),
    # One console a server and host: of creates that race, one wins.
    sa.UniqueConstraint('server_id', 'server_host'),
    sa.Index(None, 'gateway_port', unique=True),
    sa.Index(None, 'token_hash'),
    # For log-ins by name.
    sa.Index(None, 'instance_name'),
    # Ids must never be given twice: an old link would show a new password.
    sqlite_autoincrement=True,
    **_TEXT,
)

console_auth_tokens = sa.Table(
    'console_auth_tokens',
    metadata,
    sa.Column('id', _Id, primary_key=True, autoincrement=True),
    # SHA-256, hexadecimal: the token itself is stored nowhere.
    sa.Column('token_hash', sa.String(64), nullable=False),
    sa.Column('server_id', _UUID, nullable=False),
    sa.Column('project_id', _Name, nullable=False),
    sa.Column('user_id', _Name, nullable=True),
    sa.Column('console_type', sa.String(32), nullable=False),
    sa.Column('host', _Name, nullable=False),
    sa.Column('port', sa.Integer, nullable=False),
    sa.Column('tls_port', sa.Integer, nullable=True),
    sa.Column('internal_access_path', _Name, nullable=True),
    sa.Column('created_at', sa.BigInteger, nullable=False),
    sa.Column('expires', sa.BigInteger, nullable=False),
    # Sessions that it has opened, ever.
    sa.Column('uses', sa.Integer, nullable=False, server_default='0'),
    # Who asked for it: the only address it works from, if so configured.
    sa.Column('client_address', _Address, nullable=True),
    # By what its driver checks that it still leads there.
    sa.Column('encrypted_ticket', _Name, nullable=True),
    sa.UniqueConstraint('token_hash'),
    # For revoking all tokens of a server.
    sa.Index(None, 'server_id'),
    # For the purge, which deletes by time.
    sa.Index(None, 'expires'),
    sqlite_autoincrement=True,
    **_TEXT,
)

console_sessions = sa.Table(
    'console_sessions',
    metadata,
    sa.Column('id', _Id, primary_key=True, autoincrement=True),
    # What callers know it by: a UUID that can't be guessed.
    sa.Column('session_id', _UUID, nullable=False),
    sa.Column('token_hash', sa.String(64), nullable=False),
    sa.Column('server_id', _UUID, nullable=False),
    sa.Column('project_id', _Name, nullable=False),
    sa.Column('user_id', _Name, nullable=True),
    sa.Column('console_type', sa.String(32), nullable=False),
    sa.Column('client_address', _Address, nullable=True),
    sa.Column('created_at', sa.BigInteger, nullable=False),
    # When the proxy must end it; null: never for its age.
    sa.Column('expires', sa.BigInteger, nullable=True),
    # Not kept alive until then, it has lapsed.
    sa.Column('alive_until', sa.BigInteger, nullable=False),
    sa.UniqueConstraint('session_id'),
    sa.Index(None, 'token_hash'),
    sa.Index(None, 'server_id'),
    # For the purge.
    sa.Index(None, 'alive_until'),
    sqlite_autoincrement=True,
    **_TEXT,
)

# What only one process may do at a time, and until when it does.
leases = sa.Table(
    'leases',
    metadata,
    sa.Column('name', sa.String(64), primary_key=True),
    sa.Column('expires', sa.BigInteger, nullable=False),
    **_TEXT,
)
