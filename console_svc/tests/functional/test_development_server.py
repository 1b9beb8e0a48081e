# SPDX-License-Identifier: Apache-2.0

import http.client
import json

import testtools

from console_svc.tests import fixtures
from console_svc.tests.functional import golden
from console_svc.tests.programs.service import Service


class DevelopmentServerTest(testtools.TestCase):
    """HTTP of the development server, where it is not the API's own."""

    def setUp(self) -> None:
        super().setUp()
        self.service = self.useFixture(Service())

    def post(self, path: str, body: str, **headers: str) -> tuple[int, str]:
        """Send a POST with these headers alone; HTTP libraries add some."""
        connection = http.client.HTTPConnection(
            '127.0.0.1', self.service.port, timeout=60
        )
        self.addCleanup(connection.close)
        connection.putrequest('POST', path)
        for name, value in headers.items():
            connection.putheader(name.replace('_', '-'), value)
        connection.putheader('Content-Length', str(len(body)))
        connection.endheaders(body.encode())
        answer = connection.getresponse()
        return answer.status, answer.read().decode()

    def test_a_body_without_a_content_type_is_json(self) -> None:
        (record,) = [
            record
            for record in golden.load('nova-34.0.0.json')
            if record['name'] == 'remote-consoles: no content type'
        ]
        status, text = self.post(
            record['path'],
            record['body'],
            **{
                name.replace('-', '_'): value
                for name, value in record['headers'].items()
            },
        )
        self.assertEqual(record['status'], status)
        self.assertIn('itemNotFound', json.loads(text))

    def test_text_is_refused(self) -> None:
        # What fetch() of browsers sends for a string.
        status, text = self.post(
            f'/v2.1/servers/{fixtures.SERVER}/remote-consoles',
            '{"remote_console": {"protocol": "vnc", "type": "novnc"}}',
            X_Auth_Token=fixtures.MEMBER,
            OpenStack_API_Version='compute 2.6',
            Content_Type='text/plain;charset=UTF-8',
        )
        self.assertEqual(415, status)
        self.assertIn('badMediaType', json.loads(text))

    def test_a_name_with_underscores_is_not_that_with_hyphens(self) -> None:
        for name, status in (('X-Auth-Token', 200), ('X_Auth_Token', 401)):
            connection = http.client.HTTPConnection(
                '127.0.0.1', self.service.port, timeout=60
            )
            self.addCleanup(connection.close)
            connection.request(
                'GET', '/v2.1/servers', headers={name: fixtures.MEMBER}
            )
            self.assertEqual(status, connection.getresponse().status)
