# SPDX-License-Identifier: Apache-2.0

"""Runs the migrations on the connection that migration.sync hands over."""

from alembic import context

from console_svc.db.tables import metadata

context.configure(
    connection=context.config.attributes['connection'],
    target_metadata=metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
