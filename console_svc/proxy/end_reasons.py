# SPDX-License-Identifier: Apache-2.0

"""Why sessions have ended, as the API's history names it."""

import asyncio

from console_svc.proxy.errors import Ended


def of_relay(ended: asyncio.Future[bool]) -> str:
    """The reason for which a relay has returned.

    :param ended: of the session: whether the client has closed first
    """
    is_client = not ended.done() or ended.result()
    return 'client_closed' if is_client else 'server_closed'


def of_error(error: BaseException) -> str:
    """The reason for which a session was left by an exception."""
    if isinstance(error, Ended):
        return error.end_reason
    if isinstance(error, asyncio.CancelledError):
        return 'drained'
    return 'client_closed' if isinstance(error, OSError) else 'error'
