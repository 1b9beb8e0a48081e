# SPDX-License-Identifier: Apache-2.0

"""Tickets by which a driver recognizes the console of a token

Revision ID: 003
Revises: 002
"""

import sqlalchemy as sa
from alembic import op

revision = '003'
down_revision = '002'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        'console_auth_tokens',
        sa.Column('encrypted_ticket', sa.String(255), nullable=True),
    )
