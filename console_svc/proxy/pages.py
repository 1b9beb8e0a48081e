# SPDX-License-Identifier: Apache-2.0

"""The pages that browsers open: this package's, and those of noVNC and SPICE.

Two faults of SPICE's HTML5 client are corrected here. Its module ticket.js is
replaced by the one in the folder web, which says why. And its page moves the
console token from its query into a cookie, which all tabs share, so that it
can open channels of another tab's console. A redirect puts the token into the
parameter ``path`` instead, which becomes the path of the page's websockets.
The API does not do so, because its URLs remain those of nova.
"""

import asyncio
import dataclasses
import http
import json
import logging
import pathlib
import re
from concurrent import futures
from typing import Final
from urllib import parse

from oslo_config import cfg

from console_svc.conf.proxy import OWN_PAGES
from console_svc.proxy.http import messages
from console_svc.proxy.http.files import Files
from console_svc.proxy.http.messages import Request, Response
from console_svc.proxy.security_headers import own_policy

LOG = logging.getLogger(__name__)

# Threads that read files: a slow file system must not occupy the threads that
# look up the names of hypervisors.
_THREADS: Final = 4

# The pages of this package; their libraries are below it, in a built wheel.
_OWN_FOLDER: Final = pathlib.Path(__file__).parents[1] / 'web'
_LIBRARIES: Final = 'console/vendor'

# What the operator allows on these pages, as JSON: a page without scripts
# inside cannot have it in itself, and a URL could be forged.
_OPTIONS_PATH: Final = '/console.json'
_PAGE_OPTIONS: Final = ('clipboard_to_guest', 'clipboard_from_guest')

# The pages with WebAssembly: IronRDP, and asciinema's terminal.
_WASM_PAGES: Final = ('rdp.html', 'play.html')

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
    """The files below the folders of ``[proxy] web``."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        options = conf.proxy
        own = _OWN_FOLDER.resolve()
        self._folders = [
            own if folder == OWN_PAGES else pathlib.Path(folder).resolve()
            for folder in options.web
        ]
        self._own = own if own in self._folders else None
        if self._own and not (self._own / _LIBRARIES).is_dir():
            LOG.warning(
                'The console pages lack their libraries, and do not work: '
                'build the package after tools/build-web.sh, or remove %s '
                'from [proxy] web',
                OWN_PAGES,
            )
        self._policy = own_policy(conf)
        self._wasm_policy = own_policy(conf, wasm=True)
        self._options = json.dumps(
            {name: options[name] for name in _PAGE_OPTIONS}
        ).encode()
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
        if self._own and path == _OPTIONS_PATH:
            return Response(
                http.HTTPStatus.OK,
                {'Content-Type': 'application/json'},
                self._options,
            )
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
                response = self._files.response(file, request)
                if self._own and file.is_relative_to(self._own):
                    return dataclasses.replace(
                        response,
                        headers={
                            **response.headers,
                            'Content-Security-Policy': self._wasm_policy
                            if file.name in _WASM_PAGES
                            else self._policy,
                        },
                    )
                return response
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
