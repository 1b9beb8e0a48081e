# SPDX-License-Identifier: Apache-2.0

"""What limits count, and how long sessions may last

Revision ID: 011
Revises: 010
"""

import sqlalchemy as sa
from alembic import op

revision = '011'
down_revision = '010'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        'console_sessions', sa.Column('deadline', sa.BigInteger, nullable=True)
    )
    for table, *columns in (
        ('console_sessions', 'user_id'),
        ('console_sessions', 'project_id'),
        ('console_auth_tokens', 'project_id', 'expires'),
    ):
        op.create_index(f'ix_{table}_{"_".join(columns)}', table, columns)
    # Tokens of native consoles had the type of those that users ask for.
    tokens = sa.table(
        'console_auth_tokens',
        sa.column('token_hash'),
        sa.column('console_type'),
    )
    consoles = sa.table('consoles', sa.column('token_hash'))
    op.execute(
        tokens.update()
        .where(
            tokens.c.token_hash.in_(
                sa.select(consoles.c.token_hash).where(
                    consoles.c.token_hash.is_not(None)
                )
            )
        )
        .values(console_type='vnc')
    )
