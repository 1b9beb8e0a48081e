# SPDX-License-Identifier: Apache-2.0

"""The pages that browsers open: the files of noVNC and SPICE.

Two faults of SPICE's HTML5 client are corrected here. Its module ticket.js is
replaced by the one in the folder web, which says why. And its page moves the
console token from its query into a cookie, which all tabs share, so that it
can open channels of another tab's console. A redirect puts the token into the
parameter ``path`` instead, which becomes the path of the page's websockets.
The API does not do so, because its URLs remain those of nova.
"""

import http
import mimetypes
import pathlib
import re
from collections.abc import Sequence
from typing import Final
from urllib import parse

# No referrer: the URL of a page contains the console token.
_HEADERS: Final = {
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
    'Cache-Control': 'no-cache',
}

# Browsers run JavaScript modules of this type only, and the MIME types of some
# hosts lack it.
_TYPES: Final = mimetypes.MimeTypes()
_TYPES.add_type('text/javascript', '.js')
_TYPES.add_type('text/javascript', '.mjs')

# Replaces the module of the same name.
_TICKET: Final = pathlib.Path(__file__).parent / 'web/ticket.js'

# SPICE's page, and the path of its websockets unless its URL has another.
_SPICE_PAGE: Final = 'spice_auto.html'
_SPICE_PATH: Final = 'websockify'

_TOKEN: Final = re.compile(r'token=([A-Za-z0-9_-]{1,128})')

# All characters that a query may contain (RFC 3986, section 3.4).
_QUERY: Final = "%!$&'()*+,;=:@/?-._~"


class Pages:
    """The files below some folders.

    :param folders: searched in this order
    """

    def __init__(self, folders: Sequence[str]) -> None:
        self._folders = [pathlib.Path(folder).resolve() for folder in folders]

    def get(
        self, target: str
    ) -> tuple[http.HTTPStatus, dict[str, str], bytes]:
        """The response to a request.

        :param target: path and query of the request
        :returns: status, headers and body
        """
        path, _, query = target.partition('?')
        file = self._find(parse.unquote(path))
        if file is None:
            return (
                http.HTTPStatus.NOT_FOUND,
                {**_HEADERS, 'Content-Type': 'text/plain; charset=utf-8'},
                b'There is no such page.\n',
            )
        if file.name == _SPICE_PAGE:
            moved = _with_token_in_path(query)
            if moved is not None:
                return (
                    http.HTTPStatus.FOUND,
                    {**_HEADERS, 'Location': f'?{moved}'},
                    b'',
                )
        if file.name == _TICKET.name:
            file = _TICKET
        kind = _TYPES.guess_type(file.name)[0] or 'application/octet-stream'
        return (
            http.HTTPStatus.OK,
            {**_HEADERS, 'Content-Type': kind},
            file.read_bytes(),
        )

    def _find(self, path: str) -> pathlib.Path | None:
        if '\0' in path:
            return None
        for folder in self._folders:
            file = (folder / path.lstrip('/')).resolve()
            # After resolve(): neither '..' nor a symbolic link may lead out.
            if file.is_relative_to(folder) and file.is_file():
                return file
        return None


def _with_token_in_path(query: str) -> str | None:
    """A query whose token is moved into its parameter "path".

    :returns: None if the query does not have exactly one token
    """
    parameters = [each for each in query.split('&') if each]
    tokens = [each for each in parameters if each.startswith('token=')]
    paths = [each for each in parameters if each.startswith('path=')]
    match = _TOKEN.fullmatch(tokens[0]) if len(tokens) == 1 else None
    if match is None:
        return None
    # SPICE's page also takes the first path.
    path = _SPICE_PATH
    if paths:
        path = parse.unquote_plus(paths[0].removeprefix('path='))
    path += f'{"&" if "?" in path else "?"}token={match[1]}'
    others = [each for each in parameters if each not in tokens + paths]
    moved = '&'.join([f'path={parse.quote(path, safe="")}', *others])
    # A browser may send characters that a header cannot have.
    return parse.quote(moved, _QUERY, errors='surrogateescape')
