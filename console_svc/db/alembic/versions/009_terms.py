# SPDX-License-Identifier: Apache-2.0

"""Terms of tokens, modes of sessions, and why sessions have ended

Revision ID: 009
Revises: 008
"""

import sqlalchemy as sa
from alembic import op

revision = '009'
down_revision = '008'
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in (
        sa.Column(
            'mode', sa.String(16), nullable=False, server_default='control'
        ),
        sa.Column('max_uses', sa.Integer, nullable=True),
        sa.Column('bound_address', sa.String(45), nullable=True),
    ):
        op.add_column('console_auth_tokens', column)
    for column in (
        sa.Column(
            'mode', sa.String(16), nullable=False, server_default='control'
        ),
        sa.Column('enforced_mode', sa.String(16), nullable=True),
        sa.Column('end_reason', sa.String(32), nullable=True),
        sa.Column('ended_by', sa.String(255), nullable=True),
    ):
        op.add_column('console_sessions', column)
    op.add_column(
        'console_proxies',
        sa.Column(
            'mode_changes', sa.Integer, nullable=False, server_default='0'
        ),
    )
