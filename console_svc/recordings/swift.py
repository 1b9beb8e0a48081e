# SPDX-License-Identifier: Apache-2.0

"""The storage driver "swift": a container of Swift.

keystoneauth sends the requests: openstacksdk does not look at the answer to
an upload.
"""

import contextlib
import datetime
import errno
import http
import json
from collections.abc import Iterator, Sequence
from typing import Any, Final
from urllib import parse

from keystoneauth1 import exceptions as keystone_exceptions
from oslo_config import cfg
from requests import Response

from console_svc import rest_client
from console_svc.conf.swift import GROUP
from console_svc.recordings.objects import ObjectStorage, Part, Store, Stored
from console_svc.recordings.storage import Unavailable

# Objects in a page of a listing.
_PAGE: Final = 1000

_LISTING: Final = {'format': 'json', 'limit': str(_PAGE)}

# Statuses with which a request may be repeated later. 498: the rate limit of
# Swift.
_LATER: Final = (408, 429, 498)

# Errors of keystoneauth after which a request may be repeated later. Without
# keystone, the plugins do not find its version.
_UNAVAILABLE: Final = (
    keystone_exceptions.ConnectionError,
    keystone_exceptions.DiscoveryFailure,
    keystone_exceptions.HttpServerError,
)


class SwiftStorage(ObjectStorage):
    """Stores recordings in a container of Swift."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        super().__init__(conf, Container(conf))


class Container(Store):
    """The container ``[recording] container``.

    Objects of more than one part are static large objects (SLO). Their
    segments are in the same container, below the name of the object.
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        try:
            self._client = rest_client.load(conf, GROUP)
        except keystone_exceptions.ClientException as error:
            raise cfg.Error(f'[{GROUP}]: {error}') from error
        self._name: str = conf.recording.container

    def check(self) -> None:
        self._request('HEAD', '')

    def put(self, name: str, parts: Sequence[Part]) -> None:
        if len(parts) == 1:
            self._put(name, parts[0])
            return
        segments = []
        for number, part in enumerate(parts):
            segment = f'{name}/{number:08}'
            self._put(segment, part)
            segments.append(
                {
                    'path': f'/{self._name}/{segment}',
                    'etag': part.md5.hex(),
                    'size_bytes': len(part),
                }
            )
        self._request(
            'PUT',
            name,
            params={'multipart-manifest': 'put'},
            data=json.dumps(segments).encode(),
        )

    def get(self, name: str, start: int, size: int) -> tuple[bytes, int]:
        response = self._request(
            'GET',
            name,
            headers={'Range': f'bytes={start}-{start + size - 1}'},
        )
        total = response.headers.get('Content-Range', '').rpartition('/')[2]
        if not total.isdecimal():
            raise OSError(errno.EIO, 'Swift has not sent a range', name)
        return response.content, int(total)

    def objects(self) -> Iterator[Stored]:
        # Segments are left out.
        for entry in self._list({'delimiter': '/'}):
            if 'name' in entry:
                changed_at = datetime.datetime.fromisoformat(
                    entry['last_modified']
                ).replace(tzinfo=datetime.UTC)
                yield Stored(
                    entry['name'], entry['bytes'], changed_at.timestamp()
                )

    def delete(self, name: str) -> None:
        # Segments first: without the object, nothing would delete them later.
        for entry in self._list({'prefix': f'{name}/'}):
            self._delete(entry['name'])
        self._delete(name)

    def _put(self, name: str, part: Part) -> None:
        # Swift refuses a body with another MD5.
        self._request(
            'PUT',
            name,
            headers={
                'Content-Type': 'application/octet-stream',
                'ETag': part.md5.hex(),
            },
            data=part,
        )

    def _delete(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._request('DELETE', name)

    def _list(self, query: dict[str, str]) -> Iterator[dict[str, Any]]:
        """The entries of a listing."""
        marker = ''
        while True:
            response = self._request(
                'GET', '', params={**_LISTING, **query, 'marker': marker}
            )
            try:
                page = response.json()
            except ValueError:
                raise OSError(
                    errno.EIO, 'Swift has not sent a listing', self._name
                ) from None
            yield from page
            if len(page) < _PAGE:
                return
            marker = page[-1].get('name') or page[-1]['subdir']

    def _request(self, method: str, name: str, **arguments: Any) -> Response:
        """Send a request for the container, or for an object in it.

        :raises FileNotFoundError: there is no such object
        :raises Unavailable: Swift or keystone does not answer
        :raises OSError: it refuses
        """
        path = f'/{parse.quote(self._name, safe="")}'
        if name:
            path = f'{path}/{parse.quote(name)}'
        try:
            response = self._send(path, method, **arguments)
        except _UNAVAILABLE as error:
            raise Unavailable(errno.EAGAIN, _described(error)) from None
        except keystone_exceptions.ClientException as error:
            if getattr(error, 'http_status', None) in _LATER:
                raise Unavailable(errno.EAGAIN, _described(error)) from None
            raise PermissionError(
                errno.EACCES,
                f'The credential of [{GROUP}] is not accepted, or has no '
                f'object storage: {_described(error)}',
            ) from None
        # An object is not found, or the container in which to create one.
        self._check(response, name if method != 'PUT' else '')
        return response

    def _send(self, path: str, method: str, **arguments: Any) -> Response:
        part = arguments.get('data')
        if not isinstance(part, Part):
            return self._client.request(path, method, **arguments)
        # keystoneauth would repeat the request without what was already read.
        once = {
            'allow_reauth': False,
            'connect_retries': 0,
            'status_code_retries': 0,
        }
        response = self._client.request(path, method, **once, **arguments)
        if response.status_code == http.HTTPStatus.UNAUTHORIZED:
            part.seek(0)
            self._client.invalidate()
            response = self._client.request(path, method, **once, **arguments)
        return response

    def _check(self, response: Response, name: str) -> None:
        """Raise an exception for an error status.

        :param name: of the object; empty: the container
        """
        status = response.status_code
        if status < http.HTTPStatus.BAD_REQUEST:
            return
        answer = f'Swift answers {status} {response.reason}'
        if status in _LATER or status >= http.HTTPStatus.INTERNAL_SERVER_ERROR:
            raise Unavailable(errno.EAGAIN, answer)
        if status == http.HTTPStatus.NOT_FOUND:
            what = name or f'the container {self._name}'
            raise FileNotFoundError(errno.ENOENT, answer, what)
        raise OSError(errno.EACCES, answer, name or self._name)


def _described(error: Exception) -> str:
    """An exception in one line."""
    return ' '.join(str(error).split())
