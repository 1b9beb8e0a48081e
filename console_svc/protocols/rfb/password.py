# SPDX-License-Identifier: Apache-2.0

"""Passwords of VNC authentication."""

import secrets
import string

# VNC authentication uses the first eight characters of a password.
_LENGTH = 8
_ALPHABET = string.ascii_letters + string.digits


def generate_password() -> str:
    """A new password: 47 bits of entropy, the most that a VNC one holds."""
    return ''.join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
