# SPDX-License-Identifier: Apache-2.0

"""What clients may send to consoles, by the mode of their session.

The input of a client in view mode is dropped here. A session has a filter only
if something depends on it: what its client sends is not parsed otherwise.
"""

import logging

from oslo_config import cfg

from console_svc.protocols import rdp, rfb, serial, spice
from console_svc.protocols.input_filter import InputFilter, ProtocolError
from console_svc.proxy.api_answers import VIEW
from console_svc.proxy.errors import ChannelClosed, ClientFailed, Refused
from console_svc.proxy.rdp import RDPServer
from console_svc.proxy.relaying import Server
from console_svc.proxy.session import Session

LOG = logging.getLogger(__name__)


class ClientInput:
    """What a client sends, through the filter of its protocol.

    A client with control may send messages that the filter does not know. From
    then on all passes, and counts as input.

    :param must_know: whether all messages must be known
    """

    __slots__ = ('_filter', '_is_lost', '_must_know')

    def __init__(self, filter_: InputFilter, must_know: bool = False) -> None:
        self._filter = filter_
        self._must_know = must_know
        # Whether it is unknown where messages begin.
        self._is_lost = False

    def passed(self, data: bytes) -> bytes:
        """What the console gets of the client's next bytes.

        :raises console_svc.proxy.errors.ClientFailed: the client may only
            view, or is recorded, and violates the protocol
        :raises console_svc.proxy.errors.Refused: the client chooses something
            that cannot be recorded
        """
        if self._is_lost:
            self._filter.input_seen = True
            return data
        pending = self._filter.pending
        try:
            return self._filter.feed(data)
        except rfb.NotRecordable as error:
            raise Refused(str(error)) from None
        except ProtocolError as error:
            if self._filter.is_view or self._must_know:
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
        try:
            return self._filter.feed(b'')
        except ProtocolError as error:
            raise Refused(str(error)) from None

    def take_seen(self) -> bool:
        """Whether input has come since the last call."""
        seen, self._filter.input_seen = self._filter.input_seen, False
        return seen


def browser_input(
    conf: cfg.ConfigOpts, session: Session, server: Server
) -> ClientInput | None:
    """What filters the input of a browser; None: nothing has to.

    :param server: after the handshakes
    :raises console_svc.proxy.errors.Refused: the client may only view, which
        the console type does not have
    """
    opened = session.opened
    if opened.speaks_rfb:
        return vnc_input(conf, session)
    is_view = session.mode == VIEW
    if not (is_view or _is_needed(conf)):
        return None
    if opened.speaks_spice:
        return ClientInput(spice.Filter(is_view))
    if isinstance(server, RDPServer):
        return ClientInput(rdp.Filter(is_view, server.has_credssp))
    if opened.console_type == 'serial':
        return ClientInput(serial.Filter(is_view))
    if is_view:
        raise Refused(
            f'Consoles of the type {opened.console_type} cannot be opened '
            'only to view.'
        )
    return None


def vnc_input(conf: cfg.ConfigOpts, session: Session) -> ClientInput | None:
    """What filters the input of a VNC client; None: nothing has to."""
    is_view = session.mode == VIEW
    if session.recording is not None:
        # The server must send what the recording can have.
        recorded = rfb.Filter(is_view, session.recording.choices)
        return ClientInput(recorded, must_know=True)
    if not (is_view or _is_needed(conf)):
        return None
    return ClientInput(rfb.Filter(is_view))


def channel_input(
    conf: cfg.ConfigOpts, session: Session, link: spice.Link
) -> ClientInput | None:
    """As :func:`browser_input`, of a channel of a native SPICE client.

    :raises console_svc.proxy.errors.ChannelClosed: the client may only view,
        and the channel is for a device
    """
    is_view = session.mode == VIEW
    if is_view and link.channel not in spice.VIEW_CHANNELS:
        raise ChannelClosed
    if not (is_view or _is_needed(conf)):
        return None
    has_mini_header = bool(link.common & spice.MINI_HEADER)
    return ClientInput(
        spice.channel_filter(link.channel, has_mini_header, is_view)
    )


def _is_needed(conf: cfg.ConfigOpts) -> bool:
    """Whether the input of sessions with control must be known."""
    return bool(conf.proxy.idle_timeout or conf.proxy.hand_over)
