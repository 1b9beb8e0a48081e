# SPDX-License-Identifier: Apache-2.0

"""Indexes for the unused tokens of a user and for old locks

Revision ID: 006
Revises: 005
"""

from alembic import op

revision = '006'
down_revision = '005'
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Also finds the tokens of a server, as the index that it replaces.
    op.create_index(
        'ix_console_auth_tokens_server_id_user_id_id',
        'console_auth_tokens',
        ['server_id', 'user_id', 'id'],
    )
    op.drop_index(
        'ix_console_auth_tokens_server_id', table_name='console_auth_tokens'
    )
    op.create_index('ix_leases_expires', 'leases', ['expires'])
