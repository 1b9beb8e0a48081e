# SPDX-License-Identifier: Apache-2.0

"""Failed log-ins by console and address, and challenges that were answered

Revision ID: 005
Revises: 004
"""

import sqlalchemy as sa
from alembic import op

revision = '005'
down_revision = '004'
branch_labels = None
depends_on = None

_TABLE = {'mysql_charset': 'utf8mb4', 'mysql_collate': 'utf8mb4_bin'}


def upgrade() -> None:
    # The columns consoles.failures and consoles.locked_until stay: API hosts
    # of the previous version use them until they are upgraded.
    op.create_table(
        'log_in_failures',
        sa.Column('subject', sa.String(64), nullable=False),
        sa.Column('failures', sa.Integer, nullable=False),
        sa.Column('locked_until', sa.BigInteger, nullable=False),
        sa.Column('expires', sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint('subject', name='pk_log_in_failures'),
        **_TABLE,
    )
    op.create_index(
        'ix_log_in_failures_expires', 'log_in_failures', ['expires']
    )
    op.create_table(
        'used_challenges',
        sa.Column('digest', sa.String(64), nullable=False),
        sa.Column('token_hash', sa.String(64), nullable=True),
        sa.Column('expires', sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint('digest', name='pk_used_challenges'),
        **_TABLE,
    )
    op.create_index(
        'ix_used_challenges_token_hash', 'used_challenges', ['token_hash']
    )
    op.create_index(
        'ix_used_challenges_expires', 'used_challenges', ['expires']
    )
