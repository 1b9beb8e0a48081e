# SPDX-License-Identifier: Apache-2.0

"""Console sessions, uses of tokens, leases

Revision ID: 002
Revises: 001
"""

import sqlalchemy as sa
from alembic import op

revision = '002'
down_revision = '001'
branch_labels = None
depends_on = None

_TEXT = {'mysql_charset': 'utf8mb4', 'mysql_collate': 'utf8mb4_bin'}


def upgrade() -> None:
    identity = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')
    op.add_column(
        'console_auth_tokens',
        sa.Column('uses', sa.Integer, nullable=False, server_default='0'),
    )
    op.add_column(
        'console_auth_tokens',
        sa.Column('client_address', sa.String(45), nullable=True),
    )
    op.create_index(
        'ix_console_auth_tokens_server_id',
        'console_auth_tokens',
        ['server_id'],
    )
    op.create_table(
        'console_sessions',
        sa.Column('id', identity, autoincrement=True),
        sa.Column('session_id', sa.String(36), nullable=False),
        sa.Column('token_hash', sa.String(64), nullable=False),
        sa.Column('server_id', sa.String(36), nullable=False),
        sa.Column('project_id', sa.String(255), nullable=False),
        sa.Column('user_id', sa.String(255), nullable=True),
        sa.Column('console_type', sa.String(32), nullable=False),
        sa.Column('client_address', sa.String(45), nullable=True),
        sa.Column('created_at', sa.BigInteger, nullable=False),
        sa.Column('expires', sa.BigInteger, nullable=True),
        sa.Column('alive_until', sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint('id', name='pk_console_sessions'),
        sa.UniqueConstraint(
            'session_id', name='uq_console_sessions_session_id'
        ),
        sqlite_autoincrement=True,
        **_TEXT,
    )
    for column in ('token_hash', 'server_id', 'alive_until'):
        op.create_index(
            f'ix_console_sessions_{column}', 'console_sessions', [column]
        )
    leases = op.create_table(
        'leases',
        sa.Column('name', sa.String(64), nullable=False),
        sa.Column('expires', sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint('name', name='pk_leases'),
        **_TEXT,
    )
    op.bulk_insert(leases, [{'name': 'purge', 'expires': 0}])
