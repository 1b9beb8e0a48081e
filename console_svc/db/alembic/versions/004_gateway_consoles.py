# SPDX-License-Identifier: Apache-2.0

"""Native consoles on the gateway: port, token, lifetime, failed log-ins

Revision ID: 004
Revises: 003
"""

import sqlalchemy as sa
from alembic import op

revision = '004'
down_revision = '003'
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in (
        sa.Column('gateway_port', sa.Integer, nullable=True),
        sa.Column('token_hash', sa.String(64), nullable=True),
        sa.Column('expires', sa.BigInteger, nullable=True),
        sa.Column('failures', sa.Integer, nullable=False, server_default='0'),
        sa.Column(
            'locked_until', sa.BigInteger, nullable=False, server_default='0'
        ),
    ):
        op.add_column('consoles', column)
    # An index, not a constraint: to add one, SQLite would copy the table, and
    # could then reuse ids.
    op.create_index(
        'ix_consoles_gateway_port', 'consoles', ['gateway_port'], unique=True
    )
    op.create_index('ix_consoles_token_hash', 'consoles', ['token_hash'])
    op.create_index('ix_consoles_instance_name', 'consoles', ['instance_name'])
