# SPDX-License-Identifier: Apache-2.0

"""History of sessions

Revision ID: 010
Revises: 009
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = '010'
down_revision = '009'
branch_labels = None
depends_on = None

_TEXT: Any = {'mysql_charset': 'utf8mb4', 'mysql_collate': 'utf8mb4_bin'}


def upgrade() -> None:
    op.add_column(
        'console_sessions',
        sa.Column('main_id', sa.String(36), nullable=True),
    )
    op.create_table(
        'ended_sessions',
        sa.Column(
            'id',
            sa.BigInteger().with_variant(sa.Integer(), 'sqlite'),
            autoincrement=True,
        ),
        sa.Column('session_id', sa.String(36), nullable=False),
        sa.Column('main_id', sa.String(36), nullable=False),
        sa.Column('is_main', sa.Boolean, nullable=False),
        sa.Column('server_id', sa.String(36), nullable=False),
        sa.Column('project_id', sa.String(255), nullable=False),
        sa.Column('user_id', sa.String(255), nullable=True),
        sa.Column('console_type', sa.String(32), nullable=False),
        sa.Column('mode', sa.String(16), nullable=False),
        sa.Column('client_address', sa.String(45), nullable=True),
        sa.Column('created_at', sa.BigInteger, nullable=False),
        sa.Column('expires', sa.BigInteger, nullable=True),
        sa.Column('ended_at', sa.BigInteger, nullable=False),
        sa.Column('end_reason', sa.String(32), nullable=False),
        sa.Column('ended_by', sa.String(255), nullable=True),
        sa.Column('received', sa.BigInteger, nullable=False),
        sa.Column('sent', sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint('id', name='pk_ended_sessions'),
        sqlite_autoincrement=True,
        **_TEXT,
    )
    for columns in (
        ['main_id'],
        ['server_id', 'ended_at', 'id'],
        ['project_id', 'ended_at', 'id'],
        ['user_id', 'ended_at', 'id'],
        ['ended_at', 'id'],
    ):
        op.create_index(
            f'ix_ended_sessions_{"_".join(columns)}', 'ended_sessions', columns
        )
