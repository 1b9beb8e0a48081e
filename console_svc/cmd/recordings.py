# SPDX-License-Identifier: Apache-2.0

"""console-svc-manage recording: the recordings in the storage."""

import datetime
import json
import sys
from collections.abc import Iterator
from typing import Any, Final

from oslo_config import cfg

from console_svc.consoles.recording_index import RecordingIndex
from console_svc.db.database import Database
from console_svc.recordings import check, formats, storage
from console_svc.recordings.check import Damage, Fault, Result, Source, State
from console_svc.recordings.keys import Keys
from console_svc.recordings.storage import Entry

_MICRO: Final = 1_000_000

_FAULTS: Final = {
    Fault.CHANGED: 'was changed',
    Fault.CUT: 'was cut',
    Fault.MISSING: 'has missing pieces',
    Fault.OTHER: 'has pieces of another version of it',
}


def recording_list(conf: cfg.ConfigOpts) -> None:
    """List the recordings: id, start, server, size and state.

    The state is that of the storage; "check" reads their content.
    """
    stored = storage.load(conf)
    keys = Keys(conf)
    for entry in sorted(stored.entries(), key=lambda it: it.changed_at):
        with stored.open(entry.id) as source:
            head = _head(source, keys, entry)
        print(
            entry.id,
            _start(head),
            head.get('server_id', '-'),
            entry.size,
            'finished' if entry.is_finished else 'unfinished',
        )


def recording_index(conf: cfg.ConfigOpts) -> None:
    """Bring the API's index of recordings up to date with the storage.

    An API with [api] recordings does so every minute.
    """
    changed = RecordingIndex(conf, Database(conf)).update()
    print(f'{changed} entries changed')


def recording_check(conf: cfg.ConfigOpts) -> None:
    """Check that recordings are whole, and say where they are not.

    Without an id, check all. The status is 1 if one is damaged.
    """
    stored = storage.load(conf)
    keys = Keys(conf)
    wanted = set(conf.command.ids)
    known = {
        it.id: it for it in stored.entries() if not wanted or it.id in wanted
    }
    if missing := wanted - known.keys():
        raise ValueError(f'no such recording: {", ".join(sorted(missing))}')
    bad = 0
    for entry in known.values():
        with stored.open(entry.id) as source:
            result = check.check(source, keys.of(entry.id, source))
        lines = [*_described(entry, result)]
        bad += len(lines) > 1
        for line in lines:
            print(f'{entry.id}: {line}')
    if bad:
        raise ValueError(f'{bad} of {len(known)} recordings are damaged')


def recording_export(conf: cfg.ConfigOpts) -> None:
    """Write a recording to standard output, as a file that can be played.

    Of a serial console it is an asciicast, which "asciinema play" plays; of a
    VNC console it is a framebuffer stream (FBS 001.000). Damaged parts are
    left out, and a framebuffer stream ends with the first one: check it first.

    With --input, write the recorded input instead: a JSON object for each.
    """
    recording_id = conf.command.id
    with storage.load(conf).open(recording_id) as source:
        key = Keys(conf).of(recording_id, source)
        if conf.command.input:
            for time, found in formats.of(source, key).inputs(source, key):
                print(json.dumps({'time': time / _MICRO, **found}))
            return
        for part in formats.parts(source, key):
            sys.stdout.buffer.write(part)
    # So that an error is one of this command.
    sys.stdout.buffer.flush()


def _described(entry: Entry, result: Result) -> Iterator[str]:
    """The state of a recording; then a line for each damage."""
    seconds = result.last / _MICRO
    state = result.state.value
    if result.reason is not None:
        state = f'{state} ({result.reason})'
    yield f'{state}, {result.pieces} pieces, {seconds:.1f} s'
    has_end = result.state is not State.UNFINISHED
    for damage in result.damages:
        # Else its last piece is being written, or its proxy has just died.
        if damage.fault is not Fault.CUT or entry.is_finished:
            yield _damage(damage)
    if entry.is_finished and not (has_end or result.damages):
        yield (
            f'was cut: its end is missing at byte {result.whole}, after '
            f'{seconds:.1f} s'
        )


def _damage(damage: Damage) -> str:
    until = '' if damage.last is None else f' to {damage.last / _MICRO:.1f} s'
    return (
        f'{_FAULTS[damage.fault]}: bytes {damage.start} to {damage.end}, from '
        f'piece {damage.number}, from {damage.first / _MICRO:.1f} s{until}'
    )


def _head(source: Source, keys: Keys, entry: Entry) -> dict[str, Any]:
    """What the first piece says; empty if it is damaged."""
    for located in check.pieces(source, keys.of(entry.id, source)):
        if located.offset == 0:
            return located.piece.document()
        break
    return {}


def _start(head: dict[str, Any]) -> str:
    if 'started_at' not in head:
        return '-'
    start = datetime.datetime.fromtimestamp(head['started_at'], datetime.UTC)
    return start.isoformat(timespec='seconds')
