# SPDX-License-Identifier: Apache-2.0

"""Prometheus metrics of all processes that share a directory.

Import it after ``PROMETHEUS_MULTIPROC_DIR`` is set: prometheus_client reads
the variable when it is imported.
"""

import os
import pathlib

import prometheus_client
from prometheus_client import multiprocess


def text() -> bytes:
    """The sum over all processes, in Prometheus's text format."""
    registry = prometheus_client.CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return prometheus_client.generate_latest(registry)


def drop_dead_workers() -> None:
    """Leave the live gauges of dead workers out of the sum."""
    folder = pathlib.Path(os.environ['PROMETHEUS_MULTIPROC_DIR'])
    for file in folder.glob('gauge_live*.db'):
        pid = file.stem.rpartition('_')[2]
        if not pathlib.Path('/proc', pid).exists():
            multiprocess.mark_process_dead(int(pid))  # type: ignore[no-untyped-call]
