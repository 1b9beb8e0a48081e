# SPDX-License-Identifier: Apache-2.0

"""The proxy's credential for the API, and where the API is.

keystoneauth authenticates and reads the catalogue. It blocks, so it runs in a
thread, one call at a time.
"""

import asyncio
import dataclasses
import logging
import ssl
import time
import traceback
from collections.abc import Callable, Mapping
from typing import Any, Final

from keystoneauth1 import adapter
from keystoneauth1 import exceptions as keystone_exceptions
from requests import utils

from console_svc.proxy import tls
from console_svc.proxy.errors import ApiUnavailable

LOG = logging.getLogger(__name__)

# Seconds after which keystoneauth is called again. It authenticates anew in
# the last 120 seconds of a token, so the token is renewed ahead of its expiry,
# with time for further attempts.
_INTERVAL: Final = 30


@dataclasses.dataclass(frozen=True, slots=True)
class Access:
    """What a request to the API needs.

    :param endpoint: URL of the API
    :param headers: those that authenticate
    :param tls: None: the API has no TLS
    :param http_proxy: URL of the HTTP proxy in the environment
    """

    endpoint: str
    headers: Mapping[str, str]
    tls: ssl.SSLContext | None
    http_proxy: str | None


class Credential:
    """The access that the options of a keystoneauth adapter give.

    :param api_tls: TLS towards the API
    :param clock: monotonic, in seconds
    """

    def __init__(
        self,
        keystone: adapter.Adapter,
        api_tls: tls.ApiTLS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keystone = keystone
        self._tls = api_tls
        self._clock = clock
        self._access: Access | None = None
        self._renewal: asyncio.Task[Access] | None = None
        self._renewed_at = 0.0

    async def access(self) -> Access:
        """The current access. Requests do not wait for its renewal.

        :raises console_svc.proxy.errors.ApiUnavailable: there is none, and
            keystone does not give out a token
        """
        if self._access is None:
            return await self._renew()
        if self._clock() - self._renewed_at >= _INTERVAL:
            self._start_renewal()
        return self._access

    async def replace(self, refused: Access) -> Access | None:
        """Authenticate again, because the API has refused the credential.

        Requests that are refused at the same time authenticate once.

        :returns: None: the plugin has no other credential
        :raises console_svc.proxy.errors.ApiUnavailable: keystone does not
            give out a token
        """
        if self._renewal is not None:
            await self._renew()
        access = self._access
        if access is None or access.headers == refused.headers:
            access = await self._renew(invalidate=True)
        return None if access.headers == refused.headers else access

    async def _renew(self, invalidate: bool = False) -> Access:
        # A request that is cancelled must not cancel it for the others.
        return await asyncio.shield(self._start_renewal(invalidate))

    def _start_renewal(self, invalidate: bool = False) -> asyncio.Task[Access]:
        """Start a renewal, unless one is running."""
        if self._renewal is None:
            if invalidate:
                self._access = None
            renewal = asyncio.create_task(
                asyncio.to_thread(self._ask, invalidate)
            )
            renewal.add_done_callback(self._end_renewal)
            self._renewal = renewal
        return self._renewal

    def _end_renewal(self, renewal: asyncio.Task[Access]) -> None:
        self._renewal = None
        self._renewed_at = self._clock()
        if renewal.cancelled():
            return
        error = renewal.exception()
        if error is None:
            self._access = renewal.result()
        elif self._access is not None:
            LOG.warning(
                'The credential of [console_api] cannot be renewed; the '
                'current one stays in use: %s',
                error,
            )

    def _ask(self, invalidate: bool) -> Access:
        """Call keystoneauth, in a thread.

        :param invalidate: authenticate, even if the token has not expired
        """
        try:
            if invalidate:
                self._keystone.invalidate()
            return self._read()
        except keystone_exceptions.CatalogException as error:
            failure = type(error).__name__
            self._keystone.invalidate()
        except keystone_exceptions.ClientException as error:
            failure = type(error).__name__
        except OSError as error:
            failure = f'a file of [console_api] cannot be read: {error}'
        except Exception as error:
            # keystoneauth does not validate what keystone answers.
            failure = f"keystone's answer is not understood: {place(error)}"
            # It has stored the answer, and would fail again.
            self._keystone.invalidate()
        # Not in the handler: the exception would be logged as the cause of
        # this one, and its message may contain a secret.
        raise ApiUnavailable(failure)

    def _read(self) -> Access:
        session = self._keystone.session
        headers = session.get_auth_headers()
        if headers is None:
            raise keystone_exceptions.AuthorizationFailure
        endpoint = self._keystone.get_endpoint()
        if not endpoint:
            raise keystone_exceptions.EndpointNotFound
        if self._keystone.endpoint_override:
            endpoint = endpoint % _Ids(self._keystone)
        parameters: Mapping[str, Any] = (
            session.get_auth_connection_params() or {}
        )
        # requests also reads variables of the environment.
        settings = session.session.merge_environment_settings(
            endpoint,
            {},
            None,
            parameters.get('verify', session.verify),
            parameters.get('cert', session.cert),
        )
        return Access(
            endpoint.rstrip('/'),
            dict(headers),
            self._tls.context(settings['verify'], settings['cert'])
            if endpoint.startswith('https:')
            else None,
            utils.select_proxy(endpoint, settings['proxies']),
        )


class _Ids:
    """What ``endpoint_override`` may contain, for the operator %."""

    def __init__(self, keystone: adapter.Adapter) -> None:
        self._keystone = keystone

    def __getitem__(self, name: str) -> str:
        ask = {
            'project_id': self._keystone.get_project_id,
            'user_id': self._keystone.get_user_id,
        }
        value = ask[name]()
        if value is None:
            raise keystone_exceptions.EndpointNotFound
        return value


def place(error: Exception) -> str:
    """Type and place of an exception, without its message.

    The message may contain a secret.
    """
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f'{type(error).__name__} at {frame.filename}:{frame.lineno}'
