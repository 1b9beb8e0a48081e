# SPDX-License-Identifier: Apache-2.0

"""Benchmarks of the service; see ``python -m benchmarks --help``."""
