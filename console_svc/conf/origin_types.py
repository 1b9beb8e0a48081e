# SPDX-License-Identifier: Apache-2.0

"""Types of options that name the pages of other hosts."""

import re
from typing import Any, Final

from oslo_config import types

from console_svc import origins


class AllowedOrigin(types.ConfigType):
    """The origin of a page: a host, with or without scheme and port."""

    def __init__(self) -> None:
        super().__init__(type_name='origin')

    def __call__(self, value: Any) -> origins.AllowedOrigin:
        return origins.parse_allowed(str(value))

    def __repr__(self) -> str:
        return 'AllowedOrigin'

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AllowedOrigin)

    def _formatter(self, value: Any) -> str:
        return str(value)


class FrameAncestor(types.ConfigType):
    """A source in the directive frame-ancestors of CSP, without quotes."""

    _PATTERN: Final = re.compile(
        r"\*|'?(?:self|none)'?|[a-z][a-z0-9+.-]*:"
        r'|(?:[a-z][a-z0-9+.-]*://)?(?:\*\.)?[\w.-]+(?::(?:\d+|\*))?/?',
        re.ASCII | re.IGNORECASE,
    )

    def __init__(self) -> None:
        super().__init__(type_name='frame ancestor')

    def __call__(self, value: Any) -> str:
        if not self._PATTERN.fullmatch(str(value)):
            raise ValueError(f'{value!r} is not a host, "self", "none" or "*"')
        return str(value)

    def __repr__(self) -> str:
        return 'FrameAncestor'

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FrameAncestor)

    def _formatter(self, value: Any) -> str:
        return str(value)
