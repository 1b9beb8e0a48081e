# SPDX-License-Identifier: Apache-2.0

"""Who gets to know the other sessions on a server, and when they change

Revision ID: 012
Revises: 011
"""

import sqlalchemy as sa
from alembic import op

revision = '012'
down_revision = '011'
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ('console_auth_tokens', 'console_sessions'):
        op.add_column(
            table,
            sa.Column(
                'lists_sessions',
                sa.Boolean,
                nullable=False,
                server_default='0',
            ),
        )
    op.add_column(
        'console_proxies',
        sa.Column(
            'others_changes', sa.Integer, nullable=False, server_default='0'
        ),
    )
