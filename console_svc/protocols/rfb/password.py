# SPDX-License-Identifier: Apache-2.0

"""Passwords for VNC authentication."""

import secrets
import string

# VNC authentication uses only the first eight characters of a password.
_LENGTH = 8
_ALPHABET = string.ascii_letters + string.digits


def generate_password() -> str:
    """Return a new password with 47 bits of entropy.

    This is the most that a VNC password of letters and digits holds.
    """
    return ''.join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
