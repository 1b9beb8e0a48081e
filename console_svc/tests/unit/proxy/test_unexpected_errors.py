# SPDX-License-Identifier: Apache-2.0

"""HTTP requests to the proxy that fail unexpectedly.

The logger of the websocket library, which would log them, is silenced.
"""

import asyncio
import logging
import socket
from typing import Any
from unittest import mock

import fixtures as fixtures_
import requests
import testtools

from console_svc import prometheus
from console_svc.proxy import accepting, monitoring
from console_svc.proxy.browsers import Browsers
from console_svc.proxy.monitoring import Metrics
from console_svc.proxy.pages import Pages
from console_svc.tests import fixtures

PATIENCE = 60


class RequestTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.log = self.useFixture(fixtures_.FakeLogger(level=logging.ERROR))
        self.metrics = mock.Mock(spec=Metrics)
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.addCleanup(self.listener.close)
        self.url = f'http://127.0.0.1:{self.listener.getsockname()[1]}'

    def check(self, serving: Any, path: str, where: str) -> None:
        """Check that a request is a 500 with a trace."""

        async def run() -> int:
            server = await serving()
            answer = await asyncio.to_thread(
                requests.get, f'{self.url}{path}', timeout=PATIENCE
            )
            server.close()
            return answer.status_code

        self.assertEqual(500, asyncio.run(run()))
        self.assertIn('ZeroDivisionError', self.log.output)
        self.assertIn(mock.call.unexpected(where), self.metrics.mock_calls)

    def test_pages(self) -> None:
        conf = self.useFixture(fixtures.Configuration()).conf
        unused: Any = None
        with mock.patch.object(Pages, 'get', side_effect=ZeroDivisionError):

            async def listen() -> accepting.Acceptor:
                browsers = Browsers(conf, unused, unused, unused, self.metrics)
                acceptor = accepting.browsers(conf, self.metrics, None)
                acceptor.listen(self.listener, browsers.protocol)
                return acceptor

            self.check(listen, '/page.html', 'browser')

    def test_metrics(self) -> None:
        with mock.patch.object(
            prometheus, 'text', side_effect=ZeroDivisionError
        ):
            self.check(
                lambda: monitoring.listen(
                    self.listener, lambda: None, self.metrics
                ),
                '/metrics',
                'local',
            )
