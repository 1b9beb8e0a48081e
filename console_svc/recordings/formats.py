# SPDX-License-Identifier: Apache-2.0

"""The formats of recordings, and the playable file that each one makes."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from console_svc.recordings import cast, contents, fbs
from console_svc.recordings.check import Source
from console_svc.recordings.pieces import RecordingKey
from console_svc.recordings.writer import Writer


@dataclasses.dataclass(frozen=True, slots=True)
class Format:
    """A format of recordings.

    :param name: as the head of a recording has it
    :param media_type: of the playable file
    :param extension: of its name, without a dot
    :param writer: makes the pieces of a recording
    :param parts: the playable file, from the whole pieces of a recording; it
        raises ValueError if the recording has no head
    :param inputs: the recorded input: microseconds from the start, and what it
        is; it raises ValueError, too
    """

    name: str
    media_type: str
    extension: str
    writer: Callable[[RecordingKey, Mapping[str, Any]], Writer]
    parts: Callable[[Source, RecordingKey], Iterator[bytes]]
    inputs: Callable[
        [Source, RecordingKey], Iterator[tuple[int, Mapping[str, Any]]]
    ]


_SERIAL: Final = Format(
    cast.FORMAT,
    'application/x-asciicast',
    'cast',
    cast.Writer,
    cast.lines,
    cast.inputs,
)
_VNC: Final = Format(
    fbs.FORMAT,
    'application/x-fbs',
    'fbs',
    fbs.Writer,
    fbs.parts,
    fbs.inputs,
)

#: All formats, by name.
FORMATS: Final[Mapping[str, Format]] = {it.name: it for it in (_SERIAL, _VNC)}

#: The formats of the console types that can be recorded.
OF_TYPES: Final[Mapping[str, Format]] = {
    'novnc': _VNC,
    'serial': _SERIAL,
    'vnc': _VNC,
}


def of(source: Source, key: RecordingKey) -> Format:
    """The format of a recording.

    :raises ValueError: it has no head, or another format
    """
    name = str(contents.head(source, key).get('format'))
    if name not in FORMATS:
        raise ValueError(f'its format is unknown: {name}')
    return FORMATS[name]


def parts(source: Source, key: RecordingKey) -> Iterator[bytes]:
    """The playable file of a recording, from its whole pieces.

    :raises ValueError: it has no head, or another format
    """
    return of(source, key).parts(source, key)
