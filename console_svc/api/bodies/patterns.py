# SPDX-License-Identifier: Apache-2.0

"""Regular expressions that callers send.

RE2 matches in linear time. Python's re backtracks: a short pattern such as
``(a+)+b`` would block a thread for years. RE2 has no backreferences and no
lookaround. The databases that match for nova differ in these, too.
"""

from typing import Final

import re2

# Nova's limit for names.
_LENGTH: Final = 255
# Bytes for a compiled pattern: this bounds the repetitions that it can have,
# and with them the time of a match.
_MEMORY: Final = 16 * 1024

_OPTIONS: Final = re2.Options()
_OPTIONS.max_mem = _MEMORY
# As MySQL and MariaDB match for nova.
_OPTIONS.case_sensitive = False
_OPTIONS.log_errors = False


class Pattern:
    """A compiled pattern that matches anywhere in a text.

    :raises ValueError: the text is not a pattern, or is too complex
    """

    def __init__(self, text: str) -> None:
        if not 0 < len(text) <= _LENGTH:
            raise ValueError('the pattern is empty or too long')
        try:
            self._compiled = re2.compile(text, _OPTIONS)
        except (re2.error, UnicodeError) as error:
            raise ValueError(str(error)) from None

    def matches(self, text: str) -> bool:
        """Whether the pattern matches a part of the text."""
        try:
            return self._compiled.search(text) is not None
        except UnicodeError:
            # A lone surrogate, which YAML can have, is not UTF-8.
            return False
