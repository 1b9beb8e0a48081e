# SPDX-License-Identifier: Apache-2.0

"""What the filters of RFB, RDP and SPICE share: streams cut into messages."""

import abc


class MessageFilter(abc.ABC):
    """An :class:`~console_svc.protocols.input_filter.InputFilter`.

    A message is kept until it is complete, or up to a body, which can be of
    any length and is not kept.
    """

    __slots__ = ('_body', '_body_passes', '_head', 'input_seen', 'is_view')

    def __init__(self, is_view: bool) -> None:
        self.is_view = is_view
        self.input_seen = False
        # The start of a message, of which nothing has passed.
        self._head = b''
        # Bytes of the current message's body that are not received yet.
        self._body = 0
        self._body_passes = False

    @property
    def pending(self) -> bytes:
        """The start of a message, of which nothing has passed."""
        return self._head

    def feed(self, data: bytes) -> bytes:
        """As of an InputFilter."""
        passed: list[bytes] = []
        if self._body:
            taken = min(self._body, len(data))
            self._body -= taken
            if self._body_passes:
                passed.append(data[:taken])
            if self._body:
                return passed[0] if passed else b''
            data = data[taken:]
        if before := self._between():
            passed.append(before)
        if self._head:
            data = self._head + data
        self._messages(data, passed)
        return passed[0] if len(passed) == 1 else b''.join(passed)

    def _messages(self, data: bytes, passed: list[bytes]) -> None:
        """Filter from the start of a message on."""
        size = len(data)
        # What passes unchanged starts at begin, and ends at position.
        begin = position = 0
        while position < size:
            length, body = self._measure(data, position)
            end = position + length
            if end > size:
                break
            message = data[position:end]
            result = self._filter(message)
            if result is not message:
                passed += [data[begin:position], result]
                begin = end
            position = end
            if body:
                position = min(end + body, size)
                self._body = end + body - position
                self._body_passes = bool(result)
                if not result:
                    begin = position
        self._head = data[position:]
        passed.append(data[begin:position])

    @abc.abstractmethod
    def _measure(self, data: bytes, at: int) -> tuple[int, int]:
        """The lengths of the message that starts somewhere in data.

        :returns: bytes to wait for, and bytes of the body that follows. If
            the first number is more than data has, it is called again when
            more was received.
        :raises console_svc.protocols.input_filter.ProtocolError: nothing that
            it knows starts there
        """

    @abc.abstractmethod
    def _filter(self, message: bytes) -> bytes:
        """Decide about a message.

        :param message: without the body
        :returns: the same object; or what to send in its place, and b'' if it
            is dropped, with its body
        """

    @abc.abstractmethod
    def _between(self) -> bytes:
        """What the mode requires between two messages, such as key releases.

        It is called for each piece of data.
        """
