# SPDX-License-Identifier: Apache-2.0

"""The client of the compute endpoint that the commands use."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib import parse

import requests
from openstack import exceptions as sdk_exceptions
from openstack.compute.v2 import _proxy
from osc_lib import exceptions
from oslo_utils import uuidutils


class Client:
    """Sends requests to openstackclient's compute endpoint.

    :param compute: openstacksdk's compute proxy, with session and region
    :param microversion: the microversion of the compute API
    """

    def __init__(self, compute: _proxy.Proxy, microversion: str) -> None:
        self._compute = compute
        self._microversion = microversion

    def get(
        self, *segments: str, query: Mapping[str, str | int] | None = None
    ) -> dict[str, Any]:
        """Return the document at a path.

        :param segments: the segments of the path, unquoted
        :param query: the query parameters; None: none
        :raises osc_lib.exceptions.CommandError: the request is refused; the
            message has the reason
        """
        document: dict[str, Any] = self._request(
            'GET', segments, query=query
        ).json()
        return document

    @property
    def verify(self) -> bool | str:
        """Whether to verify certificates, or the file of the CAs."""
        verify: bool | str | None = self._compute.session.verify
        return True if verify is None else verify

    def serial_url(self, server: str) -> str:
        """Return the URL of a server's serial console, with a new token.

        :raises osc_lib.exceptions.CommandError: the request is refused
        """
        wanted = {'protocol': 'serial', 'type': 'serial'}
        document = self._request(
            'POST',
            ('servers', server, 'remote-consoles'),
            {'remote_console': wanted},
        ).json()
        url: str = document['remote_console']['url']
        return url

    def send(
        self,
        method: str,
        *segments: str,
        body: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Send a request; return the document of the answer.

        :param body: of the request; None: none

        For the other parameters, see :meth:`get`.
        """
        document: dict[str, Any] = self._request(method, segments, body).json()
        return document

    def stream(self, *segments: str) -> requests.Response:
        """Return a response whose body is not read yet: close it.

        For parameters, see :meth:`get`.
        """
        return self._request('GET', segments, stream=True)

    def post(self, *segments: str) -> None:
        """Send a POST without a body; for parameters, see :meth:`get`."""
        self._request('POST', segments)

    def delete(self, *segments: str) -> None:
        """Send a DELETE; for parameters, see :meth:`get`."""
        self._request('DELETE', segments)

    def server(self, name_or_id: str) -> str:
        """Return the id of a server.

        A name that is not found is returned as it is: the next request says
        so. A service with ``[api] servers`` off has no list to look it up in.
        """
        if uuidutils.is_uuid_like(name_or_id):
            return name_or_id
        path([name_or_id])  # Raises CommandError before the look-up.
        try:
            found = self._compute.find_server(name_or_id, details=False)
        except sdk_exceptions.NotFoundException:
            return name_or_id
        return found.id if found else name_or_id

    def _request(
        self,
        method: str,
        segments: Sequence[str],
        body: Any = None,
        query: Mapping[str, str | int] | None = None,
        **more: Any,
    ) -> requests.Response:
        if body is not None:
            more['json'] = body
        if query:
            more['params'] = query
        answer = self._compute.request(
            path(segments),
            method,
            **more,
            microversion=self._microversion,
            # Paths contain tokens, and answers passwords.
            log=False,
        )
        try:
            sdk_exceptions.raise_from_response(answer)
        except sdk_exceptions.HttpException as error:
            # The message of the exception has the URL and thus a token.
            raise exceptions.CommandError(reason(error)) from None
        return answer


def path(segments: Sequence[str]) -> str:
    """Join and quote the segments of a path.

    :raises osc_lib.exceptions.CommandError: with one of the segments the path
        would lead to another resource
    """
    for segment in segments:
        if segment in ('', '.', '..'):
            raise exceptions.CommandError(f"'{segment}' is not a name or ID")
    return ''.join(f'/{parse.quote(each, safe="")}' for each in segments)


def reason(error: sdk_exceptions.HttpException) -> str:
    """Return a fault as one line, in the format of keystoneauth."""
    parts = [' '.join((error.details or '').split())]
    parts.append(f'(HTTP {error.status_code})')
    if error.request_id:
        parts.append(f'(Request-ID: {error.request_id})')
    return ' '.join(parts)
