# SPDX-License-Identifier: Apache-2.0

"""Who may know the other sessions on a server; tokens without control

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
    for table, name in (
        ('console_auth_tokens', 'lists_sessions'),
        ('console_auth_tokens', 'lowered'),
        ('console_sessions', 'lists_sessions'),
    ):
        op.add_column(
            table,
            sa.Column(
                name,
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
