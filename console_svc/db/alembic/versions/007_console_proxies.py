# SPDX-License-Identifier: Apache-2.0

"""Processes of console proxies, with which their sessions live

Revision ID: 007
Revises: 006
"""

import sqlalchemy as sa
from alembic import op

revision = '007'
down_revision = '006'
branch_labels = None
depends_on = None

_TEXT = {'mysql_charset': 'utf8mb4', 'mysql_collate': 'utf8mb4_bin'}


def upgrade() -> None:
    op.create_table(
        'console_proxies',
        sa.Column('id', sa.String(36), nullable=False),
        sa.Column('alive_until', sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint('id', name='pk_console_proxies'),
        **_TEXT,
    )
    op.create_index(
        'ix_console_proxies_alive_until', 'console_proxies', ['alive_until']
    )
    op.add_column(
        'console_sessions', sa.Column('proxy_id', sa.String(36), nullable=True)
    )
    op.create_index(
        'ix_console_sessions_proxy_id_expires',
        'console_sessions',
        ['proxy_id', 'expires'],
    )
