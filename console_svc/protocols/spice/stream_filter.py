# SPDX-License-Identifier: Apache-2.0

"""The filter of a channel that is relayed from its link on."""

from collections.abc import Generator

from console_svc.protocols.input_filter import InputFilter, ProtocolError
from console_svc.protocols.spice.input_filter import (
    VIEW_CHANNELS,
    channel_filter,
)
from console_svc.protocols.spice.ticket import TICKET
from console_svc.protocols.spice.wire import (
    MINI_HEADER,
    SPICE_TICKET,
    SpiceError,
    read_link,
)
from console_svc.protocols.steps import Read, Write


class Filter:
    """The :class:`~console_svc.protocols.input_filter.InputFilter` of a page.

    The page's link message and ticket go to the hypervisor, as all that
    follows. spice-server has the mini header since 0.10, so the client decides
    whether both ends have it.
    """

    __slots__ = (
        '_channel',
        '_head',
        '_is_view',
        '_link',
        '_pending',
        '_step',
    )

    def __init__(self, is_view: bool) -> None:
        self._is_view = is_view
        # Known after the link.
        self._channel: InputFilter | None = None
        # What was received, but not read by the link; and what has not passed.
        self._head = self._pending = b''
        self._link = self._read_link()
        self._step: Read | Write = next(self._link)

    @property
    def is_view(self) -> bool:
        """As of an InputFilter."""
        return self._is_view

    @is_view.setter
    def is_view(self, value: bool) -> None:
        self._is_view = value
        if self._channel is not None:
            self._channel.is_view = value

    @property
    def input_seen(self) -> bool:
        """As of an InputFilter."""
        return self._channel is not None and self._channel.input_seen

    @input_seen.setter
    def input_seen(self, value: bool) -> None:
        if self._channel is not None:
            self._channel.input_seen = value

    @property
    def pending(self) -> bytes:
        """As of an InputFilter."""
        if self._channel is not None:
            return self._channel.pending
        return self._pending

    def feed(self, data: bytes) -> bytes:
        """As of an InputFilter."""
        if self._channel is not None:
            return self._channel.feed(data)
        self._pending += data
        passed = self._feed_link(data)
        # The link passes unchanged.
        self._pending = self._pending[len(passed) :]
        return passed

    def _feed_link(self, data: bytes) -> bytes:
        self._head += data
        passed = []
        try:
            while True:
                if isinstance(self._step, Write):
                    passed.append(self._step.data)
                    self._step = next(self._link)
                    continue
                number = self._step.number
                if len(self._head) < number:
                    return b''.join(passed)
                read, self._head = self._head[:number], self._head[number:]
                self._step = self._link.send(read)
        except StopIteration as end:
            channel: InputFilter = end.value
            self._channel = channel
            rest, self._head = self._head, b''
            return b''.join(passed) + channel.feed(rest)
        except SpiceError as error:
            raise ProtocolError(
                f'This is not a SPICE client: {error}.'
            ) from None

    def _read_link(self) -> Generator[Read | Write, bytes, InputFilter]:
        """Read and pass the link of a client.

        :returns: the filter of what follows
        """
        link = yield from read_link()
        if self._is_view and link.channel not in VIEW_CHANNELS:
            raise ProtocolError(
                f'A {link.channel.name.lower()} channel requires control.'
            )
        yield Write(link.data)
        if link.selects_mechanism:
            mechanism = yield Read(4)
            if int.from_bytes(mechanism, 'little') != SPICE_TICKET:
                raise ProtocolError('This console requires a SPICE ticket.')
            yield Write(mechanism)
        yield Write((yield Read(TICKET)))
        return channel_filter(
            link.channel, bool(link.common & MINI_HEADER), self._is_view
        )
