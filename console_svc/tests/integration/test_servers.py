# SPDX-License-Identifier: Apache-2.0

"""The service with uWSGI, gunicorn and the development server."""

import collections
import pathlib
import signal
import socket
import threading
from collections.abc import Callable

import fixtures as fixtures_
import requests
import testtools

from console_svc.tests import fixtures
from console_svc.tests.integration.service import (
    Service,
    gunicorn,
    mod_wsgi,
    uwsgi,
)
from console_svc.tests.programs import process

CONSOLES = f'/v2.1/servers/{fixtures.SERVER}/consoles'


class ServersTest(testtools.TestCase):
    def serve(
        self, server: Callable[[int, pathlib.Path], list[str]]
    ) -> Service:
        return self.useFixture(Service(server))

    def check_requests(self, service: Service) -> None:
        self.assertEqual(
            200, service.request('POST', CONSOLES, 'joe:demo').status_code
        )
        shown = service.request('GET', f'{CONSOLES}/1', 'joe:demo').json()
        self.assertEqual(8, len(shown['console']['password']))
        self.assertEqual(
            202,
            service.request('DELETE', f'{CONSOLES}/1', 'joe:demo').status_code,
        )
        head = service.request('HEAD', CONSOLES, 'joe:demo')
        self.assertEqual((200, b''), (head.status_code, head.content))
        chunked = service.request(
            'POST', CONSOLES, 'joe:demo', data=iter([b'{}'])
        )
        self.assertEqual(200, chunked.status_code)
        refused = service.request(
            'POST', CONSOLES, 'joe:demo', data=b'x' * 200000
        )
        self.assertEqual(413, refused.status_code)

    def check_both_processes_answer(self, service: Service) -> None:
        def answered() -> bool:
            service.request('GET', CONSOLES, 'joe:demo')
            return len(service.processes(f'GET {CONSOLES}')) == 2

        service.process.wait_for(answered, 'both processes to answer')

    def check_graceful_stop(self, service: Service, message: str) -> None:
        """Check that a request is answered whose body ends after SIGTERM.

        :param message: what the server logs when it handles SIGTERM
        """
        with socket.create_connection(('127.0.0.1', service.port)) as client:
            client.settimeout(process.PATIENCE)
            client.sendall(
                f'POST {CONSOLES} HTTP/1.1\r\nHost: localhost\r\n'
                'X-Auth-Token: joe:demo\r\nContent-Length: 2\r\n\r\n{'.encode()
            )
            self._wait_until_read(service)
            service.process.signal(signal.SIGTERM)
            service.process.wait_for(
                lambda: message in service.log.read_text(), message
            )
            client.sendall(b'}')
            answer = client.recv(65536)
        self.assertIn(b' 200 ', answer.splitlines()[0])
        self.assertEqual(0, service.process.wait())
        self.assertTrue(service.process.is_gone())
        self.assertFalse(process.listens(service.port))

    def _wait_until_read(self, service: Service) -> None:
        """Wait until the server has read the request from its socket."""

        def unread() -> int:
            local = f'0100007F:{service.port:04X}'
            with open('/proc/net/tcp') as table:
                rows = [line.split() for line in table]
            return sum(
                int(row[4].partition(':')[2], 16)
                for row in rows
                if row[1] == local and row[3] == '01'
            )

        process.wait_for(lambda: unread() == 0, 'the request to be read')

    def test_uwsgi(self) -> None:
        service = self.serve(uwsgi)
        self.check_requests(service)
        self.check_both_processes_answer(service)
        self.check_graceful_stop(service, 'Gracefully killing worker 2')

    def serve_ready(self) -> Service:
        """Serve with uWSGI; both processes have loaded the application.

        A reload leaves out those that still load it.
        """
        service = self.serve(uwsgi)
        self.check_both_processes_answer(service)
        return service

    def test_a_reload_refuses_no_connection(self) -> None:
        service = self.serve_ready()
        before = process.children(service.process.pid)
        answers: collections.Counter[object] = collections.Counter()
        is_done = threading.Event()

        def client() -> None:
            while not is_done.is_set():
                try:
                    answer = service.request('GET', CONSOLES, 'joe:demo')
                    answers[answer.status_code] += 1
                except requests.RequestException as error:
                    answers[repr(error)] += 1

        def is_reloaded() -> bool:
            now = process.children(service.process.pid)
            answering = service.processes(f'GET {CONSOLES}')
            return not before & now and {*map(str, now)} <= answering

        clients = [threading.Thread(target=client) for _ in range(2)]
        for thread in clients:
            thread.start()
        try:
            service.process.signal(signal.SIGHUP)
            service.process.wait_for(is_reloaded, 'new processes to answer')
        finally:
            is_done.set()
            for thread in clients:
                thread.join()
        self.assertEqual([200], [*answers])

    def test_a_reload_reads_the_configuration(self) -> None:
        service = self.serve_ready()
        path = f'/v2.1/servers/{fixtures.SERVER}/console-sessions'
        self.assertEqual(
            200, service.request('GET', path, 'joe:demo').status_code
        )
        text = service.file.read_text()
        service.file.write_text(
            text.replace('[api]', '[api]\nextensions = false')
        )
        service.process.signal(signal.SIGHUP)

        def is_read() -> bool:
            # Either process may answer.
            return all(
                service.request('GET', path, 'joe:demo').status_code == 404
                for _ in range(10)
            )

        service.process.wait_for(is_read, 'the new configuration')

    def test_a_stop_during_a_reload_ends(self) -> None:
        service = self.serve_ready()
        service.process.signal(signal.SIGHUP)
        service.process.wait_for(
            lambda: 'Respawned uWSGI worker 1' in service.log.read_text(),
            'a new process that loads the application',
        )
        service.process.signal(signal.SIGTERM)
        self.assertEqual(0, service.process.wait())
        self.assertTrue(service.process.is_gone())

    def test_a_stop_ends_processes_that_do_not_finish(self) -> None:
        def in_haste(port: int, file: pathlib.Path) -> list[str]:
            return uwsgi(
                port,
                file,
                {
                    'worker-reload-mercy = 60': 'worker-reload-mercy = 1',
                    'socket-timeout = 30': 'socket-timeout = 600',
                    'harakiri = 60': 'harakiri = 600',
                },
            )

        service = self.serve(in_haste)
        self.check_both_processes_answer(service)
        with socket.create_connection(('127.0.0.1', service.port)) as client:
            client.sendall(
                f'POST {CONSOLES} HTTP/1.1\r\nHost: localhost\r\n'
                'X-Auth-Token: joe:demo\r\nContent-Length: 2\r\n\r\n{'.encode()
            )
            self._wait_until_read(service)
            service.process.signal(signal.SIGTERM)
            self.assertEqual(0, service.process.wait())
        self.assertTrue(service.process.is_gone())

    def test_gunicorn(self) -> None:
        service = self.serve(gunicorn)
        self.check_requests(service)
        self.check_both_processes_answer(service)
        self.check_graceful_stop(service, 'Handling signal: term')

    def test_mod_wsgi(self) -> None:
        service = self.serve(mod_wsgi)
        self.check_requests(service)
        self.check_both_processes_answer(service)
        for path in ('/v2.1/servers/a%2Fb/consoles', '/nothing'):
            answer = service.request('GET', path, 'joe:demo')
            self.assertEqual(404, answer.status_code)
            self.assertIn('itemNotFound', answer.json())
        body = b'{"remote_console": {"protocol": "vnc", "type": "novnc"}}'
        # Without Content-Length.
        chunked = service.request(
            'POST',
            f'/v2.1/servers/{fixtures.SERVER}/remote-consoles',
            'joe:demo',
            '2.6',
            data=iter([body[:9], body[9:]]),
        )
        self.assertEqual(200, chunked.status_code, chunked.text)

    def test_metrics_of_all_processes_add_up(self) -> None:
        directory = self.useFixture(fixtures_.TempDir()).path
        for server in (uwsgi, gunicorn):
            service = self.useFixture(
                Service(
                    server,
                    metrics={
                        'directory': pathlib.Path(directory, server.__name__)
                    },
                )
            )
            self.check_both_processes_answer(service)
            asked = service.log.read_text().count(f'"GET {CONSOLES}"')
            # Each request may reach either process.
            for _ in range(10):
                answer = service.request('GET', '/metrics')
                self.assertEqual(200, answer.status_code)
                self.assertIn(
                    'console_svc_api_requests_total{method="GET",'
                    'route="/servers/{server_id}/consoles",status="200"} '
                    f'{asked}.0\n',
                    answer.text,
                )

    def test_an_invalid_configuration_prevents_the_start(self) -> None:
        for server in (uwsgi, gunicorn):
            port = process.free_port()
            folder = self.useFixture(fixtures.Configuration()).folder
            wrong = folder / 'wrong.conf'
            wrong.write_text('[api]\nauth_strategy = none\n')
            program = self.useFixture(
                process.Program(server(port, wrong), folder / 'log')
            )
            self.assertNotEqual(0, program.wait())
            self.assertIn('auth_strategy', program.log.read_text())


class DevelopmentServerTest(testtools.TestCase):
    def test_serves_and_stops(self) -> None:
        configuration = self.useFixture(fixtures.Configuration())
        port = process.free_port()
        program = self.useFixture(
            process.Program(
                [
                    'console-svc-api',
                    *('--config-file', str(configuration.file)),
                    *('--port', str(port)),
                ],
                configuration.folder / 'log',
            )
        )
        program.wait_for(lambda: process.listens(port), 'the server')
        program.signal(signal.SIGTERM)
        self.assertEqual(0, program.wait())
        self.assertIn('for development only', program.log.read_text())
