# SPDX-License-Identifier: Apache-2.0

"""Recordings of sessions

Revision ID: 013
Revises: 012
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = '013'
down_revision = '012'
branch_labels = None
depends_on = None

_TEXT: Any = {'mysql_charset': 'utf8mb4', 'mysql_collate': 'utf8mb4_bin'}


def upgrade() -> None:
    for table in ('console_auth_tokens', 'console_sessions'):
        op.add_column(
            table,
            sa.Column(
                'record',
                sa.Boolean,
                nullable=False,
                server_default='0',
            ),
        )
    leases = sa.table(
        'leases',
        sa.column('name', sa.String),
        sa.column('expires', sa.BigInteger),
    )
    op.bulk_insert(leases, [{'name': 'recordings', 'expires': 0}])
    op.create_table(
        'recordings',
        sa.Column('id', sa.String(36), nullable=False),
        sa.Column('session_id', sa.String(36), nullable=False),
        sa.Column('server_id', sa.String(36), nullable=False),
        sa.Column('project_id', sa.String(255), nullable=True),
        sa.Column('user_id', sa.String(255), nullable=True),
        sa.Column('console_type', sa.String(32), nullable=False),
        sa.Column('client_address', sa.String(45), nullable=True),
        sa.Column('format', sa.String(32), nullable=False),
        sa.Column('started_at', sa.BigInteger, nullable=False),
        sa.Column('duration', sa.BigInteger, nullable=True),
        sa.Column('size', sa.BigInteger, nullable=False),
        sa.Column('state', sa.String(16), nullable=False),
        sa.PrimaryKeyConstraint('id', name='pk_recordings'),
        **_TEXT,
    )
    op.create_table(
        'recording_accesses',
        sa.Column('token_hash', sa.String(64), nullable=False),
        sa.Column('recording_id', sa.String(36), nullable=False),
        sa.Column('user_id', sa.String(255), nullable=True),
        sa.Column('expires', sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint('token_hash', name='pk_recording_accesses'),
        **_TEXT,
    )
    for table, *columns in (
        ('recordings', 'server_id', 'started_at', 'id'),
        ('recordings', 'session_id'),
        ('recording_accesses', 'expires'),
    ):
        op.create_index(f'ix_{table}_{"_".join(columns)}', table, columns)
