# SPDX-License-Identifier: Apache-2.0

"""The text of console tokens, which is stored nowhere."""

import hashlib
import secrets
from typing import Final

from console_svc.consoles.terms import Terms

_BYTES: Final = 32

# A token with terms of its own is longer. A console proxy of the version
# before terms refuses it, as it would not enforce them.
_BYTES_WITH_TERMS: Final = 33
_LENGTH_WITH_TERMS: Final = 44


def generate(terms: Terms) -> str:
    """A new token. A leading dash would look like a command line option."""
    number = _BYTES if terms.are_usual else _BYTES_WITH_TERMS
    while (token := secrets.token_urlsafe(number)).startswith('-'):
        pass
    return token


def has_terms(token: str) -> bool:
    """Whether a token has terms that only sessions enforce."""
    return len(token) == _LENGTH_WITH_TERMS


def hash_of(token: str) -> str:
    """A token's SHA-256 in hexadecimal, which is stored and audited.

    With terms it is that of another text: API hosts of the version before
    terms do not find the token, as they would ignore the terms.
    """
    text = f'terms:{token}' if has_terms(token) else token
    return hashlib.sha256(text.encode()).hexdigest()
