# SPDX-License-Identifier: Apache-2.0

"""Filters of what a client sends, for sessions that may view but not control.

Each protocol has its own. A filter divides a client's stream into messages.
In view mode it drops those that are input. In both modes it tells whether the
user is active.
"""

from typing import Protocol


class ProtocolError(Exception):
    """A client sends something of which the filter cannot find the end.

    Its session must end: what follows could be input.
    """


class InputFilter(Protocol):
    """A filter of one connection, from the client to the server.

    It must be in place from the first message: a session that may change its
    mode later needs one from its start. It does no I/O.
    """

    #: Whether input is dropped. It can be changed at any time, and counts from
    #: the next message on. Keys and buttons that are down are released when
    #: input is no longer allowed: call ``feed(b'')`` after each change, as the
    #: client may send nothing for long.
    is_view: bool

    #: Becomes True with each input, also one that was dropped. The reader sets
    #: it back. Messages that clients send without their user do not count.
    input_seen: bool

    @property
    def pending(self) -> bytes:
        """What was received, and waits for more before it can pass."""

    def feed(self, data: bytes) -> bytes:
        """Filter what the client has sent.

        :param data: of any length; messages may begin and end anywhere
        :returns: what to send to the server
        :raises ProtocolError: it cannot be divided into messages
        """
