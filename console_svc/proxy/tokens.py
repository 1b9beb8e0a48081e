# SPDX-License-Identifier: Apache-2.0

"""The console token of a request."""

import re
from collections.abc import Iterable, Iterator
from typing import Final
from urllib import parse

# Characters and length of a console token.
_TOKEN: Final = re.compile(r'[A-Za-z0-9_-]{1,128}')


def token_of(target: str, cookies: Iterable[str]) -> str | None:
    """The first well-formed token of a request; None if there is none.

    Pages send it in the query, in the query inside the parameter ``path`` (as
    in the URL of noVNC's page), or in a cookie (old versions of noVNC).

    :param target: path and query
    :param cookies: the values of the Cookie headers
    """
    for found in (_in_query(target), _in_cookies(cookies)):
        for token in found:
            if _TOKEN.fullmatch(token):
                return token
    return None


def _in_query(target: str) -> Iterator[str]:
    query = parse.parse_qs(target.partition('?')[2])
    yield from query.get('token', [])
    for path in query.get('path', []):
        yield from parse.parse_qs(path.partition('?')[2]).get('token', [])


def _in_cookies(lines: Iterable[str]) -> Iterator[str]:
    """The values of all cookies with the name ``token``, in order.

    Not with http.cookies: it drops everything after a pair that it does not
    accept, and other applications of the same host set such pairs. It also
    prefers the last of two cookies with one name, while browsers send the
    one with the longest path first (RFC 6265, section 5.4).
    """
    for line in lines:
        for pair in line.split(';'):
            name, _, value = pair.partition('=')
            if name.strip() == 'token':
                yield _unquoted(value.strip())


def _unquoted(value: str) -> str:
    """A cookie's value without the quotes around it (RFC 6265, 4.1.1)."""
    if len(value) > 1 and value[0] == value[-1] == '"':
        return value[1:-1]
    return value
