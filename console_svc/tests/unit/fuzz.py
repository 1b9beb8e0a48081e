# SPDX-License-Identifier: Apache-2.0

"""What the tests with hypothesis share."""

from typing import Final

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

#: No deadline and no health check: tests run beside others.
SETTINGS: Final = settings(
    deadline=None, database=None, suppress_health_check=list(HealthCheck)
)

#: The characters of a header's value: WSGI servers decode it as Latin-1,
#: websockets as ASCII with surrogates.
CHARACTERS: Final = ''.join(map(chr, (*range(256), *range(0xDC80, 0xDD00))))


def texts(characters: str) -> st.SearchStrategy[str]:
    """Texts of any characters, and texts of some that have a meaning."""
    return st.text(CHARACTERS) | st.text(characters, max_size=60)
