# SPDX-License-Identifier: Apache-2.0

"""Native clients behind one address that log in and out again."""

import threading
from collections.abc import Iterable
from concurrent import futures
from typing import Any, ClassVar
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from console_svc.tests.functional.proxy.native import NativeClientsTest
from console_svc.tests.programs import consoles, process
from console_svc.tests.programs.gateway import desktop
from console_svc.tests.programs.service import Service, is_close

CLIENTS = 16
LOG_INS = 6


class SlowService(Service):
    """An API that holds the requests to close sessions."""

    closes: ClassVar[threading.Event] = threading.Event()

    def wrapped(self, application: WSGIApplication) -> WSGIApplication:
        def slow(
            environ: WSGIEnvironment, start_response: StartResponse
        ) -> Iterable[bytes]:
            if is_close(environ):
                self.closes.wait(process.PATIENCE)
            return application(environ, start_response)

        return slow


class ChurnTest(NativeClientsTest):
    GATEWAY: ClassVar[dict[str, Any]] = {'kind': SlowService}

    def setUp(self) -> None:
        super().setUp()
        self.addCleanup(SlowService.closes.set)

    def test_clients_of_one_address_log_in_and_out(self) -> None:
        """More often than an address has places: it has 50."""
        with futures.ThreadPoolExecutor(CLIENTS) as pool:
            for done in [pool.submit(self.churn) for _ in range(CLIENTS)]:
                done.result()
        self.assertEqual(
            {'accepted': CLIENTS * LOG_INS}, self.gateway.outcomes()
        )
        # All are closed once the API answers.
        SlowService.closes.set()
        process.wait_for(
            lambda: not self.gateway.sessions(), 'the sessions to end'
        )

    def churn(self) -> None:
        for _ in range(LOG_INS):
            stream, line = self.log_in(
                self.console['port'], self.console['password']
            )
            self.assertEqual(consoles.SCREEN, desktop(line))
            # With unread data, the kernel would reset the connection.
            consoles.heard(stream, b'stub')
            stream.close()
