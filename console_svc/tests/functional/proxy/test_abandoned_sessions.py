# SPDX-License-Identifier: Apache-2.0

"""Sessions that the API opens after the proxy has given up waiting."""

import threading
from collections.abc import Iterable
from typing import Any, ClassVar
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from console_svc.tests import fixtures
from console_svc.tests.functional.proxy.base import ProxyTest
from console_svc.tests.programs import process
from console_svc.tests.programs.proxy import Proxy
from console_svc.tests.programs.service import Service, is_close

UNAVAILABLE = (1013, 'The console service is unavailable. Try again later.')


class LateService(Service):
    """An API that holds requests to open a session, or their responses."""

    def _setUp(self) -> None:
        #: Cleared to hold them.
        self.receives = threading.Event()
        self.responds = threading.Event()
        self.release()
        #: The statuses of the requests that were held.
        self.opened: list[str] = []
        #: The number of requests to close a session.
        self.closed = 0
        super()._setUp()
        # Before the server stops.
        self.addCleanup(self.release)

    def release(self) -> None:
        """Let all requests and responses pass."""
        self.receives.set()
        self.responds.set()

    def wrapped(self, application: WSGIApplication) -> WSGIApplication:
        def late(
            environ: WSGIEnvironment, start_response: StartResponse
        ) -> Iterable[bytes]:
            def start(status: str, *more: Any) -> Any:
                self.opened.append(status)
                return start_response(status, *more)

            path = environ['PATH_INFO']
            if is_close(environ):
                try:
                    return application(environ, start_response)
                finally:
                    self.closed += 1
            if not path.endswith('/sessions'):
                return application(environ, start_response)
            self.receives.wait()
            response = application(environ, start)
            self.responds.wait()
            return response

        return late


class AbandonedSessionTest(ProxyTest):
    SERVICE = LateService
    CONSOLEAUTH = {'max_uses': 1}

    service: ClassVar[LateService]

    @classmethod
    def start_proxy(cls) -> None:
        cls.proxy = Proxy(
            cls.service,
            console_api={
                'auth_type': 'admin_token',
                'token': fixtures.SERVICE,
                'endpoint': f'{cls.service.url}/v2.1',
                'timeout': 5,
            },
        )
        cls.proxy.setUp()
        cls.addClassCleanup(cls.proxy.cleanUp)

    def setUp(self) -> None:
        super().setUp()
        self.console()
        self.service.opened.clear()
        self.service.closed = 0
        self.addCleanup(self.service.release)

    def test_session_whose_request_is_late_is_not_opened(self) -> None:
        target = f'?token={self.token()}'
        self.service.receives.clear()
        self.assertEqual(UNAVAILABLE, self.refused(target))
        process.wait_for(lambda: self.service.closed, 'the close')
        self.assertEqual([], self.service.opened)
        self.service.release()
        process.wait_for(lambda: self.service.opened, 'the late request')
        self.assertEqual(['409 Conflict'], self.service.opened)
        self.assertEqual([], self.sessions())
        # The token was not used.
        self.check_echo(self.connect(target))

    def test_session_whose_response_is_late_ends(self) -> None:
        self.service.responds.clear()
        connection = self.connect()
        process.wait_for(self.sessions, 'the session')
        self.assertEqual(UNAVAILABLE, self.closed(connection))
        # It would not lapse during the test.
        self.wait_for_no_session()
        self.assertEqual(['201 Created'], self.service.opened)

    def test_page_resumes_a_session_whose_response_was_late(self) -> None:
        target = f'?token={self.token()}'
        self.service.responds.clear()
        connection = self.connect(target)
        cookie = connection.response.headers['Set-Cookie'].partition(';')[0]
        self.service.secrets.add(cookie.partition('=')[2])
        self.assertEqual(UNAVAILABLE, self.closed(connection))
        process.wait_for(lambda: self.service.closed, 'the close')
        self.service.release()
        self.check_echo(
            self.connect(target, additional_headers={'Cookie': cookie})
        )
