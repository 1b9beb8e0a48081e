# SPDX-License-Identifier: Apache-2.0

import json

import requests
import testtools
from openstack import exceptions as sdk_exceptions
from osc_lib import exceptions

from console_svc.osc import client


def answer(
    status: int, body: str, content_type: str, **headers: str
) -> requests.Response:
    """Return a response of the requests library."""
    response = requests.Response()
    response.status_code = status
    response.url = 'http://127.0.0.1/v2.1/os-console-auth-tokens/a-token'
    response.reason = 'Because'
    response._content = body.encode()
    response.headers.update({'Content-Type': content_type, **headers})
    return response


class PathTest(testtools.TestCase):
    def test_segments_are_quoted(self) -> None:
        for segment, quoted in (
            ('web-1', 'web-1'),
            ('a/b', 'a%2Fb'),
            ('a?b#c', 'a%3Fb%23c'),
            ('...', '...'),
            ('ä', '%C3%A4'),
        ):
            self.assertEqual(
                f'/servers/{quoted}/consoles',
                client.path(['servers', segment, 'consoles']),
            )

    def test_segments_that_change_the_resource_are_refused(self) -> None:
        """DELETE /servers/SERVER/consoles/.. would delete the server."""
        for segment in ('', '.', '..'):
            error = self.assertRaises(
                exceptions.CommandError,
                client.path,
                ['servers', 'web-1', 'consoles', segment],
            )
            self.assertEqual(f"'{segment}' is not a name or ID", str(error))


class ReasonTest(testtools.TestCase):
    def reason(self, response: requests.Response) -> str:
        error = self.assertRaises(
            sdk_exceptions.HttpException,
            sdk_exceptions.raise_from_response,
            response,
        )
        return client.reason(error)

    def test_a_fault_in_one_line(self) -> None:
        fault = {'itemNotFound': {'code': 404, 'message': 'Token not found'}}
        self.assertEqual(
            'Token not found (HTTP 404) (Request-ID: req-1)',
            self.reason(
                answer(
                    *(404, json.dumps(fault), 'application/json'),
                    **{'x-openstack-request-id': 'req-1'},
                )
            ),
        )

    def test_the_error_page_of_a_load_balancer(self) -> None:
        page = '<html><body>\n<h1>503</h1>\nNo server.\n</body></html>\n'
        self.assertEqual(
            '503: No server. (HTTP 503)',
            self.reason(answer(503, page, 'text/html')),
        )

    def test_an_empty_answer(self) -> None:
        self.assertEqual(
            'Because (HTTP 500)', self.reason(answer(500, '', 'text/plain'))
        )
