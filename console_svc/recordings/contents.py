# SPDX-License-Identifier: Apache-2.0

"""What a recording has: its description, and its events."""

from collections.abc import Iterator
from typing import Any

from console_svc.recordings import check
from console_svc.recordings.check import Source
from console_svc.recordings.pieces import Kind, RecordingKey


def head(source: Source, key: RecordingKey) -> dict[str, Any]:
    """The document that describes the session.

    :raises ValueError: its piece is damaged, or made with another key
    """
    for located in check.pieces(source, key):
        if located.piece.header.kind is Kind.HEAD:
            return located.piece.document()
        break
    raise ValueError('its beginning is damaged, or its key is missing')


def events(
    source: Source, key: RecordingKey, stops_at_gap: bool = False
) -> Iterator[bytes]:
    """The payloads of the whole pieces of events.

    :param stops_at_gap: whether to end where pieces are damaged or missing;
        or else to leave them out
    """
    for number, located in enumerate(check.pieces(source, key)):
        header = located.piece.header
        if stops_at_gap and header.number != number:
            return
        if header.kind is Kind.EVENTS:
            yield located.piece.payload
