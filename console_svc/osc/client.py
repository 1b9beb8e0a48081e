# SPDX-License-Identifier: Apache-2.0

"""The compute endpoint, as the commands see it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib import parse

from openstack import exceptions as sdk_exceptions
from openstack.compute.v2 import _proxy
from osc_lib import exceptions
from oslo_utils import uuidutils

if TYPE_CHECKING:
    import requests


class Client:
    """Asks with the session, region and endpoint of openstackclient.

    :param compute: openstacksdk's
    :param microversion: of the compute API
    """

    def __init__(self, compute: _proxy.Proxy, microversion: str) -> None:
        self._compute = compute
        self._microversion = microversion

    def get(self, *segments: str) -> dict[str, Any]:
        """The document at a path.

        :param segments: of the path, as they are unquoted
        :raises osc_lib.exceptions.CommandError: refused, and why
        """
        document: dict[str, Any] = self._request('GET', segments).json()
        return document

    def post(self, *segments: str) -> None:
        """Create what a path stands for; parameters are those of get."""
        self._request('POST', segments)

    def delete(self, *segments: str) -> None:
        """Delete what a path stands for; parameters are those of get."""
        self._request('DELETE', segments)

    def server(self, name_or_id: str) -> str:
        """A server's id.

        What no server has for its name is taken for an id: console-svc
        alone lists none.
        """
        if uuidutils.is_uuid_like(name_or_id):
            return name_or_id
        path([name_or_id])  # refused here, before it is looked up
        try:
            found = self._compute.find_server(name_or_id, details=False)
        except sdk_exceptions.NotFoundException:
            return name_or_id
        return found.id if found else name_or_id

    def _request(
        self, method: str, segments: Sequence[str]
    ) -> 'requests.Response':
        answer = self._compute.request(
            path(segments),
            method,
            microversion=self._microversion,
            # Paths hold tokens, and answers passwords.
            log=False,
        )
        try:
            sdk_exceptions.raise_from_response(answer)
        except sdk_exceptions.HttpException as error:
            # Its own text has the URL, and with that a token.
            raise exceptions.CommandError(reason(error)) from None
        return answer


def path(segments: Sequence[str]) -> str:
    """A path of these segments.

    :raises osc_lib.exceptions.CommandError: one of them would lead to
        another resource
    """
    for segment in segments:
        if segment in ('', '.', '..'):
            raise exceptions.CommandError(f"'{segment}' is no name or id")
    return ''.join(f'/{parse.quote(each, safe="")}' for each in segments)


def reason(error: sdk_exceptions.HttpException) -> str:
    """A fault in a line, as keystoneauth words it."""
    parts = [' '.join((error.details or '').split())]
    parts.append(f'(HTTP {error.status_code})')
    if error.request_id:
        parts.append(f'(Request-ID: {error.request_id})')
    return ' '.join(parts)
