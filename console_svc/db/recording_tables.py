# SPDX-License-Identifier: Apache-2.0

"""The tables that are about recordings."""

import sqlalchemy as sa

from console_svc.db.columns import ADDRESS, NAME, TEXT, UUID, metadata

# The index of the recordings in the storage.
recordings = sa.Table(
    'recordings',
    metadata,
    sa.Column('id', UUID, primary_key=True),
    sa.Column('session_id', UUID, nullable=False),
    sa.Column('server_id', UUID, nullable=False),
    sa.Column('project_id', NAME, nullable=True),
    sa.Column('user_id', NAME, nullable=True),
    sa.Column('console_type', sa.String(32), nullable=False),
    sa.Column('client_address', ADDRESS, nullable=True),
    # Of its pieces: see console_svc.recordings.formats.
    sa.Column('format', sa.String(32), nullable=False),
    sa.Column('started_at', sa.BigInteger, nullable=False),
    # Seconds up to its last event; null: it has not ended.
    sa.Column('duration', sa.BigInteger, nullable=True),
    sa.Column('size', sa.BigInteger, nullable=False),
    sa.Column('state', sa.String(16), nullable=False),
    # For lists, the newest first.
    sa.Index(None, 'server_id', 'started_at', 'id'),
    # For lists of sessions.
    sa.Index(None, 'session_id'),
    **TEXT,
)

# Tokens with which the page for playback reads a recording.
recording_accesses = sa.Table(
    'recording_accesses',
    metadata,
    # SHA-256 in hexadecimal; the token itself is not stored.
    sa.Column('token_hash', sa.String(64), primary_key=True),
    sa.Column('recording_id', UUID, nullable=False),
    # The user to whom it was given.
    sa.Column('user_id', NAME, nullable=True),
    sa.Column('expires', sa.BigInteger, nullable=False),
    # For the purge.
    sa.Index(None, 'expires'),
    **TEXT,
)
