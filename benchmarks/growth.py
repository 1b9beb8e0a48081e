# SPDX-License-Identifier: Apache-2.0

"""Measure look-ups among many tokens, and during a purge."""

import dataclasses
import subprocess
import time
from collections.abc import Sequence
from typing import Any

import pymysql
import sqlalchemy as sa

from benchmarks import load, targets
from console_svc.tests.programs import process

_CHUNK = 500_000

#: Number of expired tokens for the purge.
EXPIRED = 1_000_000

# Token number N is the text tN, so that wrk can generate tokens.
_FILL = """
INSERT INTO console_auth_tokens (token_hash, server_id, project_id, user_id,
    console_type, host, port, created_at, expires)
SELECT SHA2(CONCAT(%s, seq), 256), LPAD(seq DIV 5, 36, '0'), 'demo', 'joe',
    'novnc', '192.0.2.10', 5901, 0, %s
FROM seq_{first}_to_{last}
"""


def run(
    stage: targets.Stage, sizes: Sequence[int], rounds: int, seconds: int
) -> None:
    """Measure, and print both tables."""
    subject = targets.Subject(stage, consoleauth={'recheck_target': 'false'})
    stage.use(subject)
    with _connect(subject) as connection:
        cursor = connection.cursor()
        cursor.execute(f'SET GLOBAL innodb_buffer_pool_size = {4 << 30}')
        print('Look-ups of random tokens')
        print('      rows   ms CPU      p50      p99')
        rows = 0
        for size in sorted(sizes):
            began = time.monotonic()
            _fill(cursor, 't', rows + 1, size, int(time.time()) + 86400)
            rows = size
            print(f'# filled in {time.monotonic() - began:.0f} s', flush=True)
            request = _random(subject, rows)
            load.wrk(request, 5, connections=1)
            for _ in range(rounds):
                sample = load.run(request, subject.server, seconds)
                print(
                    f'{rows:10}  {sample.cpu:7.3f}  {sample.p50:7.2f}  '
                    f'{sample.p99:7.2f}',
                    flush=True,
                )
        _fill(cursor, 'e', 1, EXPIRED, int(time.time()) - 1)
    _purge(subject, _random(subject, rows), seconds)


def _purge(
    subject: targets.Subject, request: load.Request, seconds: int
) -> None:
    """Measure look-ups while expired tokens are deleted."""
    print(f'Purge of {EXPIRED} expired tokens')
    idle = load.wrk(request, seconds)
    print(f'  before: p99 {idle["p99"] / 1e3:.2f} ms')
    began = time.monotonic()
    purge = subprocess.Popen(
        [
            process.program('console-svc-manage'),
            *('--config-file', str(subject.file), 'db', 'purge-tokens'),
        ],
        stderr=subprocess.DEVNULL,
    )
    while purge.poll() is None:
        found = load.wrk(request, seconds)
        print(f'  during: p99 {found["p99"] / 1e3:.2f} ms', flush=True)
    print(f'  took {time.monotonic() - began:.0f} s or less')


def _fill(cursor: Any, prefix: str, first: int, last: int, end: int) -> None:
    for start in range(first, last + 1, _CHUNK):
        stop = min(start + _CHUNK - 1, last)
        cursor.execute(_FILL.format(first=start, last=stop), (prefix, end))
        cursor.connection.commit()
    cursor.execute('ANALYZE TABLE console_auth_tokens')
    cursor.fetchall()


def _random(subject: targets.Subject, rows: int) -> load.Request:
    return dataclasses.replace(subject.lookup(''), random=('t', rows))


def _connect(subject: targets.Subject) -> Any:
    url = sa.make_url(subject.url_of_database)
    return pymysql.connect(
        host=url.host,
        port=url.port or 3306,
        user=url.username,
        database=url.database,
    )
