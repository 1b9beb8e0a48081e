# SPDX-License-Identifier: Apache-2.0

"""Tempest's own tests of consoles, on a server that exists already.

test_tempest.py runs these classes in a process of their own: tempest reads its
configuration when it is imported.
"""

from typing import Any
from unittest import mock

from tempest.api.compute.admin import test_spice
from tempest.api.compute.servers import test_novnc, test_server_actions
from tempest.common import compute

from console_svc.tests import fixtures


class ExistingServer:
    """Returns a server that exists, instead of creating one."""

    @classmethod
    def create_test_server(cls, *args: Any, **kwargs: Any) -> dict[str, str]:
        return {'id': fixtures.SERVER}


class ServerActions(
    ExistingServer, test_server_actions.ServerActionsTestOtherB
):
    pass


class SpiceDirect(ExistingServer, test_spice.SpiceDirectConsoleTestJSON):
    pass


class NoVNC(ExistingServer, test_novnc.NoVNCConsoleTestJSON):
    def test_novnc_bad_token(self) -> None:
        """Tempest's test fails, because the close frame has a reason.

        Nova's proxy drops the connection. Tempest takes the content of the
        close frame for data of the console.
        """
        received: list[bytes | None] = []
        receive_frame = compute._WebSocket.receive_frame

        def receive(websocket: compute._WebSocket) -> bytes | None:
            received.append(receive_frame(websocket))
            return received[-1]

        with mock.patch.object(compute._WebSocket, 'receive_frame', receive):
            error = self.assertRaises(
                AssertionError, super().test_novnc_bad_token
            )
        self.assertIn('sent us some data', str(error))
        self.assertEqual(
            [b'\x03\xf0The console token is invalid or has expired.'],
            received,
        )
