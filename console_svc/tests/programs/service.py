# SPDX-License-Identifier: Apache-2.0

"""The API over HTTP."""

import io
import re
import threading
from typing import Any
from wsgiref import simple_server
from wsgiref.types import WSGIApplication, WSGIEnvironment

import requests

from console_svc.api import app
from console_svc.cmd import api
from console_svc.tests import fixtures
from console_svc.tests.programs import process

# Tokens and passwords in answers.
_SECRETS = re.compile(r'(?:token%3D|token=|"password": ")([A-Za-z0-9_-]{8,})')


def is_close(environ: WSGIEnvironment) -> bool:
    """Whether a request closes sessions."""
    body = environ['wsgi.input'].read(int(environ.get('CONTENT_LENGTH') or 0))
    environ['wsgi.input'] = io.BytesIO(body)
    return b'"closed"' in body or (
        environ['REQUEST_METHOD'] == 'DELETE'
        and '/v2.1/console-sessions/' in environ['PATH_INFO']
    )


class BaseService(fixtures.Configuration):
    """A configuration, and the API that runs on it at a URL."""

    def _setUp(self) -> None:
        super()._setUp()
        #: What was sent and answered and must not be in a log.
        self.secrets: set[str] = set()
        self.port: int = 0

    @property
    def url(self) -> str:
        """Where the API is."""
        return f'http://127.0.0.1:{self.port}'

    def request(
        self,
        method: str,
        path: str,
        token: str | None = None,
        version: str | None = None,
        **arguments: Any,
    ) -> requests.Response:
        """Send the API a request.

        :param path: below the service's URL
        """
        headers = arguments.pop('headers', {})
        if token is not None:
            headers['X-Auth-Token'] = token
        if version is not None:
            headers['OpenStack-API-Version'] = f'compute {version}'
        answer = requests.request(
            method,
            f'{self.url}{path}',
            headers=headers,
            timeout=process.PATIENCE,
            **arguments,
        )
        self.secrets.update(
            headers[name]
            for name in ('X-Auth-Token', 'X-Service-Token')
            if name in headers
        )
        self.secrets.update(_SECRETS.findall(answer.text))
        return answer


class Service(BaseService):
    """The API in the development server, in a thread of the test's process.

    It starts in milliseconds and needs no other program.
    """

    def _setUp(self) -> None:
        super()._setUp()
        self._server: simple_server.WSGIServer | None = None
        self.addCleanup(self.stop)
        self.start()

    def start(self) -> None:
        """Serve; after :meth:`stop` on the same port."""
        self._server = simple_server.make_server(
            '127.0.0.1',
            self.port,
            self.wrapped(app.build(self.conf)),
            api.Server,
            api.Handler,
        )
        self.port = self._server.server_port
        # The default poll interval is how long stop() takes.
        threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        ).start()

    def wrapped(self, application: WSGIApplication) -> WSGIApplication:
        """What is served; subclasses put something around the API."""
        return application

    def stop(self) -> None:
        """Answer the requests that have come, and refuse connections."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
