# SPDX-License-Identifier: Apache-2.0

"""Passwords for VNC authentication."""

import secrets
import string
from typing import Final

# VNC authentication ignores all after the eighth character.
_LENGTH: Final = 8
_ALPHABET: Final = string.ascii_letters + string.digits


def generate_password() -> str:
    """A random password: 47 bits, all that a VNC password can hold."""
    return ''.join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
