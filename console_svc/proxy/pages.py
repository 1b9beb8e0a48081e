# SPDX-License-Identifier: Apache-2.0

"""The pages that browsers open: the files of noVNC and SPICE.

Two faults of SPICE's HTML5 client are corrected here. Its module ticket.js is
replaced by the one in the folder web, which says why. And its page moves the
console token from its query into a cookie, which all tabs share, so that it
can open channels of another tab's console. A redirect puts the token into the
parameter ``path`` instead, which becomes the path of the page's websockets.
The API does not do so, because its URLs remain those of nova.
"""

import asyncio
import http
import logging
import pathlib
import re
from collections.abc import Sequence
from concurrent import futures
from typing import Final
from urllib import parse

from console_svc.proxy.http import messages
from console_svc.proxy.http.files import Files
from console_svc.proxy.http.messages import Request, Response

LOG = logging.getLogger(__name__)

# Threads that read files: a slow file system must not occupy the threads that
# look up the names of hypervisors.
_THREADS: Final = 4

# Replaces the module of the same name.
_TICKET: Final = pathlib.Path(__file__).parent / 'web/ticket.js'

# SPICE's page, and the path of its websockets unless its URL has another.
_SPICE_PAGE: Final = 'spice_auto.html'
_SPICE_PATH: Final = 'websockify'

# The beginning of a target in absolute form.
_AUTHORITY: Final = re.compile(r'\Ahttps?://[^/?]*', re.IGNORECASE)

_TOKEN: Final = re.compile(r'token=([A-Za-z0-9_-]{1,128})')

# All characters that a query may contain (RFC 3986, section 3.4).
_QUERY: Final = "%!$&'()*+,;=:@/?-._~"


class Pages:
    """The files below some folders.

    :param folders: searched in this order
    """

    def __init__(self, folders: Sequence[str]) -> None:
        self._folders = [pathlib.Path(folder).resolve() for folder in folders]
        self._threads = futures.ThreadPoolExecutor(_THREADS, 'pages')
        self._files = Files(self._threads)

    async def get(self, request: Request) -> Response:
        """Respond to GET or HEAD; files are read in a thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._threads, self.response, request
        )

    def response(self, request: Request) -> Response:
        """Respond to GET or HEAD; it blocks."""
        path, _, query = without_host(request.target).partition('?')
        try:
            file = self._find(parse.unquote(path))
            if file is not None:
                if file.name == _SPICE_PAGE:
                    moved = _with_token_in_path(query)
                    if moved is not None:
                        return Response(
                            http.HTTPStatus.FOUND, {'Location': f'?{moved}'}
                        )
                if file.name == _TICKET.name:
                    file = _TICKET
                return self._files.response(file, request)
        except OSError as error:
            # A name that is too long, for example, or a file that cannot be
            # read.
            LOG.debug('The page %.300r cannot be read: %s', path, error)
        return messages.text(
            http.HTTPStatus.NOT_FOUND, 'There is no such page.'
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


def without_host(target: str) -> str:
    """A target without scheme and host (RFC 9112, section 3.2.2)."""
    return _AUTHORITY.sub('', target, count=1)


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
