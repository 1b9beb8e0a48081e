# SPDX-License-Identifier: Apache-2.0

"""Whether console tokens still lead to their consoles."""

import dataclasses
import threading
from collections.abc import Callable

import cachetools
from oslo_config import cfg

from console_svc import exception
from console_svc.compute import Driver
from console_svc.consoles.vault import Vault
from console_svc.context import RequestContext
from console_svc.objects import ConnectInfo, ConsoleAuthToken

# The answers of the driver are cached: for this many seconds, and this many
# consoles.
_TARGET_SECONDS = 3
_TARGETS = 10_000

# Server id, console type, connect info, encrypted ticket.
_Target = tuple[str, str, ConnectInfo, str | None]


class Targets:
    """Asks the driver whether consoles are where tokens lead.

    :param clock: seconds of the UTC epoch
    """

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        driver: Driver,
        vault: Vault,
        clock: Callable[[], float],
    ) -> None:
        self._conf = conf
        self._driver = driver
        self._vault = vault
        self._known: cachetools.TTLCache[_Target, bool]
        self._known = cachetools.TTLCache(
            _TARGETS, _TARGET_SECONDS, timer=clock
        )
        self._lock = threading.Lock()

    def is_right(
        self, context: RequestContext, token: ConsoleAuthToken
    ) -> bool:
        """Whether the console is where it was when the token was issued."""
        if not self._conf.consoleauth.recheck_target:
            return True
        target = (
            token.server_id,
            token.console_type,
            token.connect_info,
            token.encrypted_ticket,
        )
        with self._lock:
            known = self._known.get(target)
        if known is None:
            known = self._driver.leads_to_console(
                context, self._with_ticket(token)
            )
            with self._lock:
                self._known[target] = known
        return known

    def encrypt(self, ticket: str | None) -> str | None:
        """A ticket as it is stored; None: it will not be needed."""
        if ticket is None or not self._conf.consoleauth.recheck_target:
            return None
        return self._vault.encrypt(ticket)

    def _with_ticket(self, token: ConsoleAuthToken) -> ConsoleAuthToken:
        """The token with its ticket, if that can be decrypted."""
        if token.encrypted_ticket is None:
            return token
        try:
            ticket = self._vault.decrypt(token.encrypted_ticket)
        except exception.PasswordUnreadable:
            return token
        info = dataclasses.replace(token.connect_info, ticket=ticket)
        return dataclasses.replace(token, connect_info=info)
