# SPDX-License-Identifier: Apache-2.0

"""The installed package's version."""

from importlib import metadata


def version_string() -> str:
    """The version of the installed distribution, as pip shows it."""
    return metadata.version('console-svc')
