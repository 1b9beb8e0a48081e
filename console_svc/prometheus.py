# SPDX-License-Identifier: Apache-2.0

"""The figures of all processes that share a directory, for Prometheus.

Imported when ``PROMETHEUS_MULTIPROC_DIR`` is set, and not before:
prometheus_client wants to know when it is imported.
"""

import prometheus_client
from prometheus_client import multiprocess


def text() -> bytes:
    """What all have counted, added up, in Prometheus's text format."""
    registry = prometheus_client.CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return prometheus_client.generate_latest(registry)
