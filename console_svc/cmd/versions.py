# SPDX-License-Identifier: Apache-2.0

"""What ``--version`` prints."""

from console_svc import version
from console_svc.api import microversion
from console_svc.db import migration


def text() -> str:
    """The versions of the package, of the API, and of its schema."""
    return (
        f'{version.version_string()} (compute API {microversion.MIN} to '
        f'{microversion.MAX}, schema {migration.head()})'
    )
