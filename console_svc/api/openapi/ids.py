# SPDX-License-Identifier: Apache-2.0

"""The ids in paths."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

from console_svc import exception


@dataclasses.dataclass(frozen=True, slots=True)
class Id:
    """An id in a path.

    :param schema: JSON Schema
    :param absent: the error if it identifies nothing
    """

    schema: Mapping[str, Any]
    absent: type[exception.NotFound]


_UUID = {'type': 'string', 'format': 'uuid'}

#: By the names of the controllers' fields.
IDS: Final[Mapping[str, Id]] = {
    'console_id': Id(
        {'type': 'integer', 'minimum': 1}, exception.ConsoleNotFound
    ),
    'console_token': Id(
        {'type': 'string', 'minLength': 1}, exception.TokenNotFound
    ),
    'recording_id': Id(_UUID, exception.RecordingNotFound),
    'server_id': Id(_UUID, exception.ServerNotFound),
    'session_id': Id(_UUID, exception.SessionNotFound),
}
