# SPDX-License-Identifier: Apache-2.0

"""Serial consoles: plain bytes, each of which is input."""


class Filter:
    """The :class:`~console_svc.protocols.input_filter.InputFilter`."""

    __slots__ = ('input_seen', 'is_view')

    def __init__(self, is_view: bool) -> None:
        self.is_view = is_view
        self.input_seen = False

    @property
    def pending(self) -> bytes:
        """Nothing: a byte is complete."""
        return b''

    def feed(self, data: bytes) -> bytes:
        """Drop everything in view mode."""
        if data:
            self.input_seen = True
        return b'' if self.is_view else data
