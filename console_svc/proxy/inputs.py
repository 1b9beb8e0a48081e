# SPDX-License-Identifier: Apache-2.0

"""What clients may send to consoles, by the mode of their session.

The input of a client in view mode is dropped here. A session has a filter only
if something depends on it: what its client sends is not parsed otherwise.
"""

import logging
from typing import Protocol

from oslo_config import cfg

from console_svc.protocols import spice
from console_svc.proxy.api_answers import VIEW, OpenedSession
from console_svc.proxy.errors import ClientFailed, Refused

LOG = logging.getLogger(__name__)


class ProtocolError(Exception):
    """Until protocols has one."""


class Filter(Protocol):
    """A filter of a protocol's messages, as in :mod:`console_svc.protocols`.

    :ivar is_view: whether it drops input
    :ivar input_seen: whether input has come, also if it was dropped
    """

    is_view: bool
    input_seen: bool

    def feed(self, data: bytes) -> bytes:
        """What the console gets of the client's next bytes.

        :raises ProtocolError: they are not of the protocol
        """


class Serial:
    """All bytes are input."""

    def __init__(self, is_view: bool) -> None:
        self.is_view = is_view
        self.input_seen = False

    def feed(self, data: bytes) -> bytes:
        if data:
            self.input_seen = True
        return b'' if self.is_view else data


class ClientInput:
    """What a client sends, through the filter of its protocol.

    Where the client drives the console, the proxy only looks: messages that
    it does not know pass. From then on it cannot tell input from the rest.
    """

    __slots__ = ('_filter', '_is_known')

    def __init__(self, filter_: Filter) -> None:
        self._filter = filter_
        self._is_known = True

    def passed(self, data: bytes) -> bytes:
        """What the console gets of the client's next bytes.

        :raises console_svc.proxy.errors.ClientFailed: the client may only
            view, and violates the protocol
        """
        if not self._is_known:
            self._filter.input_seen = True
            return data
        try:
            return self._filter.feed(data)
        except ProtocolError as error:
            raise ClientFailed(f'The client sent {error}.') from None

    def change(self, is_view: bool) -> bytes:
        """Begin to drop input, or end it.

        :returns: what the console must get now: the release of keys
        :raises console_svc.proxy.errors.Refused: input cannot be dropped
        """
        self._filter.is_view = is_view
        return self._filter.feed(b'')

    def take_seen(self) -> bool:
        """Whether input has come since the last call."""
        seen, self._filter.input_seen = self._filter.input_seen, False
        return seen


def input_of(
    conf: cfg.ConfigOpts,
    session: OpenedSession,
    channel: spice.Channel | None = None,
) -> ClientInput | None:
    """What filters the input of a new connection; None: nothing has to.

    :param channel: of a native SPICE client
    :raises console_svc.proxy.errors.Refused: the client may only view, which
        the console type does not have
    """
    is_view = session.mode == VIEW
    options = conf.proxy
    if not (is_view or options.idle_timeout or options.hand_over):
        return None
    if session.console_type == 'serial':
        return ClientInput(Serial(is_view))
    if is_view:
        raise Refused(
            f'Consoles of the type {session.console_type} cannot be opened '
            'without control.'
        )
    return None
