# SPDX-License-Identifier: Apache-2.0

"""Native consoles and console auth tokens

Revision ID: 001
Revises:
"""

import sqlalchemy as sa
from alembic import op

revision = '001'
down_revision = None
branch_labels = None
depends_on = None

# Compare ids and hosts exactly, as other engines do by default.
_TEXT = {'mysql_charset': 'utf8mb4', 'mysql_collate': 'utf8mb4_bin'}


def upgrade() -> None:
    identity = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')
    op.create_table(
        'consoles',
        sa.Column('id', identity, autoincrement=True),
        sa.Column('server_id', sa.String(36), nullable=False),
        sa.Column('server_host', sa.String(255), nullable=False),
        sa.Column('console_type', sa.String(255), nullable=False),
        sa.Column('instance_name', sa.String(255), nullable=False),
        sa.Column('host', sa.String(255), nullable=False),
        sa.Column('port', sa.Integer, nullable=False),
        sa.Column('encrypted_password', sa.String(255), nullable=False),
        sa.Column('created_at', sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint('id', name='pk_consoles'),
        sa.UniqueConstraint(
            'server_id',
            'server_host',
            name='uq_consoles_server_id_server_host',
        ),
        sqlite_autoincrement=True,
        **_TEXT,
    )
    op.create_table(
        'console_auth_tokens',
        sa.Column('id', identity, autoincrement=True),
        sa.Column('token_hash', sa.String(64), nullable=False),
        sa.Column('server_id', sa.String(36), nullable=False),
        sa.Column('project_id', sa.String(255), nullable=False),
        sa.Column('user_id', sa.String(255), nullable=True),
        sa.Column('console_type', sa.String(32), nullable=False),
        sa.Column('host', sa.String(255), nullable=False),
        sa.Column('port', sa.Integer, nullable=False),
        sa.Column('tls_port', sa.Integer, nullable=True),
        sa.Column('internal_access_path', sa.String(255), nullable=True),
        sa.Column('created_at', sa.BigInteger, nullable=False),
        sa.Column('expires', sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint('id', name='pk_console_auth_tokens'),
        sa.UniqueConstraint(
            'token_hash', name='uq_console_auth_tokens_token_hash'
        ),
        sqlite_autoincrement=True,
        **_TEXT,
    )
    op.create_index(
        'ix_console_auth_tokens_expires', 'console_auth_tokens', ['expires']
    )
