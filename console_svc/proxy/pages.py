# SPDX-License-Identifier: Apache-2.0

"""The pages that browsers open: the files of noVNC and SPICE."""

import http
import mimetypes
import pathlib
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
        path = parse.unquote(target.partition('?')[0])
        file = self._find(path)
        if file is None:
            return (
                http.HTTPStatus.NOT_FOUND,
                {**_HEADERS, 'Content-Type': 'text/plain; charset=utf-8'},
                b'There is no such page.\n',
            )
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
