# SPDX-License-Identifier: Apache-2.0

"""Access to recordings for the page that plays them.

A browser cannot send the user's keystone token to the console proxy. It sends
a token for one recording instead, which is valid for a short time.
"""

import hashlib
import secrets
import time
from collections.abc import Callable
from typing import Final

from oslo_config import cfg

from console_svc import audit, exception
from console_svc.consoles.recordings import Recordings, target_of
from console_svc.context import RequestContext
from console_svc.db.database import Database
from console_svc.recorded import RecordedSession, RecordingAccess

_BYTES: Final = 32


class AccessNotFound(exception.NotFound):
    """The access to the recording has expired, or does not exist."""

    message = 'The access to the recording has expired.'


class RecordingAccesses:
    """Gives access to recordings, and checks it.

    :param clock: seconds of the UTC epoch
    """

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        database: Database,
        recordings: Recordings,
        events: audit.Audit,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._options = conf.recording
        self._queries = database.recording_accesses
        self._recordings = recordings
        self._audit = events
        self._clock = clock

    def give(
        self, context: RequestContext, server_id: str, recording_id: str
    ) -> tuple[str, int]:
        """Give the caller access to a recording.

        :returns: the URL of the page that plays it, and when it expires
        :raises console_svc.exception.RecordingNotFound: the server has none
            with this id
        """
        recording = self._recordings.get(server_id, recording_id)
        token = secrets.token_urlsafe(_BYTES)
        access = RecordingAccess(
            token_hash=_hash(token),
            recording_id=recording.id,
            user_id=context.user_id,
            expires=int(self._clock()) + int(self._options.access_ttl),
        )
        self._queries.create(access)
        self._audit.success(
            context,
            audit.GIVE_ACCESS,
            token=access.token_hash,
            **target_of(recording),
        )
        # Browsers do not send fragments: no log has the token.
        url = f'{self._options.playback_base_url}#token={token}'
        return url, access.expires

    def read(
        self, context: RequestContext, token: str, client_address: str | None
    ) -> RecordedSession:
        """The recording that may be read with a token.

        :param context: that of the console proxy
        :param client_address: the address of its client
        :raises AccessNotFound: it is not valid, or the recording was deleted
        """
        token_hash = _hash(token)
        found = self._queries.find(token_hash, int(self._clock()))
        if found is None:
            error = AccessNotFound()
            self._audit.refusal(
                context,
                audit.READ_RECORDING,
                error,
                token=token_hash,
                client_address=client_address,
            )
            raise error
        access, recording = found
        self._audit.success(
            context,
            audit.READ_RECORDING,
            token=token_hash,
            user_id=access.user_id,
            client_address=client_address,
            **target_of(recording),
        )
        return recording


def _hash(token: str) -> str:
    """A token's SHA-256 in hexadecimal, which is stored and audited."""
    # Lone surrogates have no form in UTF-8.
    return hashlib.sha256(token.encode(errors='replace')).hexdigest()
