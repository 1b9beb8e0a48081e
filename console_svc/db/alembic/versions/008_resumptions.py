# SPDX-License-Identifier: Apache-2.0

"""Secrets with which clients resume sessions

Revision ID: 008
Revises: 007
"""

import sqlalchemy as sa
from alembic import op

revision = '008'
down_revision = '007'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        'console_auth_tokens',
        sa.Column(
            'resumptions', sa.Integer, nullable=False, server_default='0'
        ),
    )
    op.add_column(
        'console_sessions',
        sa.Column('secret_hash', sa.String(64), nullable=True),
    )
