# SPDX-License-Identifier: Apache-2.0

"""Cookies of requests, and those with which browsers resume sessions.

The answer that accepts a websocket gives the browser the secret of its session
in a cookie. The browser sends it when it opens the same URL again, and the API
takes it instead of a use of the token. It is worth nothing without the token.
"""

import hashlib
import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from console_svc.proxy.http.messages import Request

# The name has a part of the token's hash: consoles in several tabs have a
# cookie each.
_PREFIX: Final = 'console-session-'
_NAME: Final = re.compile(f'{_PREFIX}[0-9a-f]{{16}}')

# Most cookies of one path. A browser keeps them until it exits, and would drop
# those of other applications of the host if there were more than 50 (RFC 6265,
# section 6.1).
_MAX: Final = 20

_BYTES: Final = 32
_SECRET: Final = re.compile(r'[A-Za-z0-9_-]{43}')

# Paths that the attribute Path can have.
_PATH: Final = re.compile(r'/[A-Za-z0-9._~%/-]*')


def pairs(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Name and value of all cookies, in order.

    Not with http.cookies: it drops everything after a pair that it does not
    accept, and other applications of the same host set such pairs. It also
    prefers the last of two cookies with one name, while browsers send the
    one with the longest path first (RFC 6265, section 5.4).

    :param lines: the values of the Cookie headers
    """
    for line in lines:
        for pair in line.split(';'):
            name, _, value = pair.partition('=')
            yield name.strip(), _unquoted(value.strip())


class SessionCookie:
    """The cookie of a websocket's session.

    :param request: the one that asks for the websocket
    :param is_secure: whether the browser uses TLS
    """

    def __init__(self, request: Request, token: str, is_secure: bool) -> None:
        #: The console token.
        self.token = token
        #: The secret of the session that the websocket opens.
        self.secret = secrets.token_urlsafe(_BYTES)
        #: That of the session to resume; None: the browser has sent none.
        self.previous_secret: str | None = None
        digest = hashlib.sha256(token.encode()).hexdigest()
        self._name = f'{_PREFIX}{digest[:16]}'
        self._others: list[str] = []
        for name, value in pairs(request.headers.get_all('Cookie')):
            if name == self._name:
                if self.previous_secret is None and _SECRET.fullmatch(value):
                    self.previous_secret = value
            elif _NAME.fullmatch(name) and name not in self._others:
                self._others.append(name)
        path = request.target.partition('?')[0]
        self._attributes = ''.join(
            (
                f'; Path={path}' if _PATH.fullmatch(path) else '',
                '; Secure' if is_secure else '',
                '; HttpOnly; SameSite=Strict',
            )
        )

    def headers(self) -> Sequence[str]:
        """Values of Set-Cookie headers: the secret, and no surplus cookies.

        The browser keeps the secret until it exits: a session has no fixed
        length. Of the same path it sends the oldest cookies first (RFC 6265,
        section 5.4).
        """
        surplus = self._others[: max(0, len(self._others) - _MAX + 1)]
        return [
            f'{self._name}={self.secret}{self._attributes}',
            *(f'{name}=; Max-Age=0{self._attributes}' for name in surplus),
        ]


def _unquoted(value: str) -> str:
    """A cookie's value without the quotes around it (RFC 6265, 4.1.1)."""
    if len(value) > 1 and value[0] == value[-1] == '"':
        return value[1:-1]
    return value
