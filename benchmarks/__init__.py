# SPDX-License-Identifier: Apache-2.0

"""How fast the service is: see ``python -m benchmarks --help``."""
