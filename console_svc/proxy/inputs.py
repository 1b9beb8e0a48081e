# SPDX-License-Identifier: Apache-2.0

"""What clients may send to consoles, by the mode of their session.

The input of a client in view mode is dropped here. A session has a filter only
if something depends on it: what its client sends is not parsed otherwise.
"""

import logging

from oslo_config import cfg

from console_svc.protocols import rfb, serial, spice
from console_svc.protocols.input_filter import InputFilter, ProtocolError
from console_svc.proxy.api_answers import VIEW, OpenedSession
from console_svc.proxy.errors import ClientFailed, Refused

LOG = logging.getLogger(__name__)


class ClientInput:
    """What a client sends, through the filter of its protocol.

    A client with control may send messages that the filter does not know. From
    then on all passes, and counts as input.
    """

    __slots__ = ('_filter', '_is_lost')

    def __init__(self, filter_: InputFilter) -> None:
        self._filter = filter_
        # Whether it is unknown where messages begin.
        self._is_lost = False

    def passed(self, data: bytes) -> bytes:
        """What the console gets of the client's next bytes.

        :raises console_svc.proxy.errors.ClientFailed: the client may only
            view, and violates the protocol
        """
        if self._is_lost:
            self._filter.input_seen = True
            return data
        pending = self._filter.pending
        try:
            return self._filter.feed(data)
        except ProtocolError as error:
            if self._filter.is_view:
                raise ClientFailed(str(error)) from None
            LOG.debug('A client with control is not parsed: %s', error)
        self._is_lost = True
        return self.passed(pending + data)

    def change(self, is_view: bool) -> bytes:
        """Begin to drop input, or end it.

        :returns: what the console must get now: the release of keys
        :raises console_svc.proxy.errors.Refused: input cannot be dropped
        """
        if self._is_lost and is_view:
            raise Refused('The session must not control the console any more.')
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
    if session.speaks_rfb:
        return ClientInput(rfb.Filter(is_view))
    if session.console_type == 'serial':
        return ClientInput(serial.Filter(is_view))
    if is_view:
        raise Refused(
            f'Consoles of the type {session.console_type} cannot be opened '
            'to view only.'
        )
    return None
