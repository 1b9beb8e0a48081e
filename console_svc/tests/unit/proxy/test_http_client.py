# SPDX-License-Identifier: Apache-2.0

"""Connections to the API: kept, lost, slow, and with TLS."""

import pathlib
import ssl
from typing import Any

import fixtures as fixtures_
import testtools
from keystoneauth1 import loading

from console_svc.proxy.console_api import ConsoleApi
from console_svc.proxy.errors import ApiUnavailable, TryAgainLater
from console_svc.tests.integration.stub import Answer, Stub
from console_svc.tests.programs import certificates, process
from console_svc.tests.unit.proxy.api import (
    ADDRESS,
    KEPT,
    OPENED,
    TOKEN,
    ApiTest,
)

LOST = Answer(is_lost=True)
CREATED = Answer(201, {'session': OPENED})
KEPT_ALIVE = Answer(200, {'console_sessions': [KEPT]})


class HttpClientTest(ApiTest):
    def answers(self, *answers: Answer) -> None:
        """Set the answers to the next requests to the API."""
        remaining = iter(answers)

        def respond(method: str, path: str) -> Answer:
            if self.is_close(method) or path.startswith('/v3'):
                return self.respond(method, path)
            return next(remaining)

        self.stub.answer = respond
        self.stub.requests.clear()
        self.stub.bodies.clear()

    def keep(self, api: ConsoleApi | None = None) -> None:
        self.run_((api or self.api).keep([KEPT['id']]))

    def open(self, api: ConsoleApi | None = None) -> None:
        self.run_((api or self.api).open(TOKEN, ADDRESS))

    def check_no_secret(self) -> None:
        """Check that no console token and no keystone token is logged."""
        self.assertNotIn(TOKEN, self.log.output)
        self.assertNotIn('a-token', self.log.output)

    def test_connection_is_kept(self) -> None:
        self.keep()
        before = self.stub.connections
        for _ in range(5):
            self.keep()
        self.assertEqual(before, self.stub.connections)

    def test_request_on_a_lost_connection_is_sent_again(self) -> None:
        self.keep()
        self.answers(LOST, CREATED)
        self.open()
        first, second = self.ids()
        # The API opens it once.
        self.assertEqual(first, second)
        self.assertEqual([], self.closed())
        self.answers(LOST, KEPT_ALIVE)
        self.keep()

    def test_request_is_sent_twice_at_most(self) -> None:
        for fails, error in (
            (self.open, TryAgainLater),
            (self.keep, ApiUnavailable),
        ):
            self.answers(LOST, LOST)
            self.assertRaises(error, fails)
            self.assertEqual(2, len(self.sent()) - len(self.closed()))
        self.assertIn('ServerDisconnectedError', self.log.output)
        self.check_no_secret()

    def test_no_connection(self) -> None:
        port = process.free_port()
        api = self.client(endpoint_override=f'http://127.0.0.1:{port}/v2.1')
        self.assertRaises(TryAgainLater, self.open, api)
        self.assertIn('ClientConnectorError', self.log.output)
        self.check_no_secret()

    def test_slow_answers_time_out(self) -> None:
        api = self.client(timeout=1)
        self.answers(Answer(delay=5))
        self.assertRaises(TryAgainLater, self.open, api)
        self.assertIn('TimeoutError', self.log.output)
        self.check_no_secret()

    def test_requests_are_retried_as_configured(self) -> None:
        delays = {'connect_retry_delay': 0.01, 'status_code_retry_delay': 0.01}
        unavailable = Answer(503)
        for options, answers in (
            ({'connect_retries': 1}, [LOST, LOST, LOST, CREATED]),
            ({'status_code_retries': 2}, [unavailable, unavailable, CREATED]),
            (
                {'status_code_retries': 1, 'retriable_status_codes': '500'},
                [Answer(500), CREATED],
            ),
        ):
            api = self.client(**options, **delays)
            self.answers(*answers)
            self.open(api)
            self.assertEqual(len(answers), len(self.ids()))
            self.assertEqual(1, len({*self.ids()}))
        self.answers(unavailable)
        self.assertRaises(TryAgainLater, self.open)

    def test_redirects_are_not_followed(self) -> None:
        other = self.useFixture(Stub(lambda method, path: CREATED))
        for status in 301, 302, 307, 308:
            self.answers(Answer(status, headers={'Location': other.url}))
            self.assertRaises(TryAgainLater, self.open)
            self.assertIn(f'HTTP {status}', self.log.output)
        self.assertEqual([], other.requests)

    def test_ipv6(self) -> None:
        stub = self.useFixture(Stub(self.respond, '::1'))
        api = self.client(endpoint_override=f'{stub.url}/v2.1')
        self.keep(api)
        self.assertEqual(1, len(stub.requests))


class TLSTest(ApiTest):
    def setUp(self) -> None:
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures_.TempDir()).path)
        certificates.write(self.folder)
        self.cert = self.folder / 'server-cert.pem'
        self.key = self.folder / 'server-key.pem'
        self.authority = self.folder / 'ca-cert.pem'

    def server(self, **attributes: Any) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, self.key)
        context.load_verify_locations(self.authority)
        for name, value in attributes.items():
            setattr(context, name, value)
        return context

    def kept(self, context: ssl.SSLContext, **options: Any) -> ConsoleApi:
        """Send a keep-alive to a server with TLS."""
        stub = self.useFixture(Stub(self.respond, tls=context))
        api = self.client(endpoint_override=f'{stub.url}/v2.1', **options)
        self.run_(api.keep([KEPT['id']]))
        return api

    def fails(self, *arguments: Any, **options: Any) -> str:
        error = self.assertRaises(
            ApiUnavailable, self.kept, *arguments, **options
        )
        return str(error)

    def test_certificate_is_verified(self) -> None:
        self.kept(self.server(), cafile=self.authority)
        self.kept(self.server(), insecure=True)
        self.assertEqual(
            'ClientConnectorCertificateError', self.fails(self.server())
        )

    def test_client_certificate(self) -> None:
        mutual = {'verify_mode': ssl.CERT_REQUIRED}
        self.kept(
            self.server(**mutual),
            cafile=self.authority,
            certfile=self.cert,
            keyfile=self.key,
        )
        self.fails(self.server(**mutual), cafile=self.authority)

    @testtools.skipUnless(
        any(
            option.dest == 'tls_min_version'
            for option in loading.get_session_conf_options()
        ),
        'keystoneauth has the option since 5.17',
    )
    def test_minimum_version(self) -> None:
        old = {'maximum_version': ssl.TLSVersion.TLSv1_2}
        self.kept(self.server(**old), cafile=self.authority)
        self.fails(
            self.server(**old), cafile=self.authority, tls_min_version='1.3'
        )

    def test_unreadable_files_are_named(self) -> None:
        missing = str(self.folder / 'missing.pem')
        self.assertIn(missing, self.fails(self.server(), cafile=missing))
        self.assertIn(
            missing,
            self.fails(self.server(), cafile=self.authority, certfile=missing),
        )

    def test_files_are_read_again_when_they_change(self) -> None:
        context = self.server()
        api = self.kept(context, cafile=self.authority)
        before = api._client._credential._tls
        access = self.run_(api._client._credential.access())
        files = str(self.authority), None
        self.assertIs(access.tls, before.context(*files))
        certificates.write(self.folder)
        self.assertIsNot(access.tls, before.context(*files))
