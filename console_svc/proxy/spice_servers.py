# SPDX-License-Identifier: Apache-2.0

"""Channels to the SPICE servers of hypervisors."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from oslo_config import cfg

from console_svc.protocols import spice
from console_svc.proxy.api_answers import OpenedSession
from console_svc.proxy.errors import LinkRefused, PeerClosed, Unreachable
from console_svc.proxy.handshakes import perform
from console_svc.proxy.hypervisors import NO_ANSWER, Hypervisors
from console_svc.proxy.streams import TCPStream

LOG = logging.getLogger(__name__)


class SpiceServers:
    """Opens channels for native clients."""

    def __init__(self, conf: cfg.ConfigOpts, hypervisors: Hypervisors) -> None:
        self._hypervisors = hypervisors
        self._timeout: int = conf.proxy.handshake_timeout
        self._password: str = conf.spice.hypervisor_password

    @contextlib.asynccontextmanager
    async def linked(
        self, session: OpenedSession, link: spice.Link
    ) -> AsyncIterator[TCPStream]:
        """A channel of a session's console, closed with the context.

        :param link: the client's link message, which is sent unchanged
        :raises console_svc.proxy.errors.LinkRefused: the SPICE server refuses
        :raises console_svc.proxy.errors.Unreachable: the hypervisor does not
            answer, or fails the handshake
        """
        async with self._hypervisors.dialed(session) as server:
            await self._log_in(server, session, link)
            yield server

    async def _log_in(
        self, server: TCPStream, session: OpenedSession, link: spice.Link
    ) -> None:
        try:
            async with asyncio.timeout(self._timeout):
                await perform(
                    server, spice.log_in(link, self._password), self._timeout
                )
            return
        except spice.SpiceError as error:
            cause: Exception = error
            ending: Unreachable = LinkRefused(
                f'The hypervisor refuses: {error}', _code(error)
            )
        except (PeerClosed, OSError) as error:
            cause = error
            ending = Unreachable(NO_ANSWER)
        LOG.warning(
            'The %s channel to the SPICE server at %s port %d failed: %s',
            link.channel.name.lower(),
            session.host,
            session.port,
            str(cause) or 'timed out',
        )
        raise ending


def _code(error: spice.SpiceError) -> int:
    """The code for the client.

    That the hypervisor denies permission is not the client's fault: clients
    would ask for another password.
    """
    if error.code in (
        spice.Code.BAD_CONNECTION_ID,
        spice.Code.CHANNEL_NOT_AVAILABLE,
    ):
        return error.code
    return spice.Code.ERROR
