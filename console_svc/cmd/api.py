# SPDX-License-Identifier: Apache-2.0

"""console-svc-api: a development server for the API."""

import logging
import signal
import socketserver
import sys
import threading
from types import FrameType
from wsgiref import simple_server
from wsgiref.types import WSGIEnvironment

from oslo_config import cfg

from console_svc.api import app
from console_svc.cmd import start, versions

LOG = logging.getLogger(__name__)

OPTIONS = [
    cfg.StrOpt('host', default='127.0.0.1', help='Address to listen on.'),
    cfg.PortOpt('port', default=8775, help='Port to listen on.'),
]


class Server(socketserver.ThreadingMixIn, simple_server.WSGIServer):
    """One thread per request. In production use uWSGI or gunicorn."""

    # Finish the responses that have started before the process ends.
    daemon_threads = False
    block_on_close = True
    request_queue_size = 128


class Handler(simple_server.WSGIRequestHandler):
    """Does not log requests: the application does, with tokens masked."""

    # An idle client must not delay the end of the process.
    timeout = 10

    def get_environ(self) -> WSGIEnvironment:
        """The environ of a request, with what its client has sent alone.

        wsgiref makes a missing Content-Type text/plain, which the API
        refuses. And an environ cannot tell X_Forwarded_For, which a load
        balancer leaves alone, from X-Forwarded-For.
        """
        for name in set(self.headers):
            if '_' in name:
                del self.headers[name]
        environ: WSGIEnvironment = super().get_environ()
        if 'Content-Type' not in self.headers:
            environ['CONTENT_TYPE'] = ''
        return environ

    def log_message(self, format: str, *args: object) -> None:
        pass


def main() -> int:
    """Serve until SIGTERM or Ctrl-C."""
    conf = start.load(OPTIONS, versions.text())
    with start.errors_reported():
        server = simple_server.make_server(
            conf.host, conf.port, app.build(conf), Server, Handler
        )
    with server:

        def stop(number: int, frame: FrameType | None) -> None:
            # shutdown() would wait for the loop that this handler interrupts.
            threading.Thread(target=server.shutdown).start()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        LOG.info('Listening on http://%s:%d', conf.host, server.server_port)
        server.serve_forever()
    return 0


if __name__ == '__main__':
    sys.exit(main())
