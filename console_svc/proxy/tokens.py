# SPDX-License-Identifier: Apache-2.0

"""The console token of a request."""

import re
from collections.abc import Iterable, Iterator
from typing import Final
from urllib import parse

from console_svc.proxy.cookies import pairs

# Characters and length of a console token.
_TOKEN: Final = re.compile(r'[A-Za-z0-9_-]{1,128}')


def token_of(target: str, cookies: Iterable[str]) -> str | None:
    """The first well-formed token of a request; None if there is none.

    Pages send it in the query, in the query inside the parameter ``path`` (as
    in the URL of noVNC's page), or in a cookie (old versions of noVNC).

    :param target: path and query
    :param cookies: the values of the Cookie headers
    """
    in_cookies = (value for name, value in pairs(cookies) if name == 'token')
    for found in (_in_query(target), in_cookies):
        for token in found:
            if _TOKEN.fullmatch(token):
                return token
    return None


def takes_over(target: str) -> bool:
    """Whether a request ends the session that has the console.

    :param target: path and query
    """
    return parse.parse_qs(target.partition('?')[2]).get('takeover') == ['1']


def _in_query(target: str) -> Iterator[str]:
    query = parse.parse_qs(target.partition('?')[2])
    yield from query.get('token', [])
    for path in query.get('path', []):
        yield from parse.parse_qs(path.partition('?')[2]).get('token', [])
