# SPDX-License-Identifier: Apache-2.0

"""Connection files of native SPICE clients."""

import configparser
import signal

import requests

from console_svc.tests.functional.proxy.base import ProxyTest
from console_svc.tests.functional.proxy.spice import BASE_URL, SpiceTest
from console_svc.tests.programs import process

TOKEN = 'a-' + 41 * 'Z'


class FilesTest(SpiceTest):
    def get(
        self, target: str = f'{BASE_URL}?token={TOKEN}', method: str = 'GET'
    ) -> requests.Response:
        return requests.request(
            method,
            f'http://127.0.0.1:{self.proxy.port}{target}',
            timeout=process.PATIENCE,
        )

    def values(self) -> dict[str, str]:
        """The values of a file."""
        parser = configparser.RawConfigParser()
        parser.read_string(self.get().content.decode())
        self.assertEqual(['virt-viewer'], parser.sections())
        return dict(parser['virt-viewer'])


class ConnectionFilesTest(FilesTest):
    SPICE = {
        'direct_public_host': 'console.example.org',
        'direct_public_tls_port': 443,
    }

    def test_file_leads_to_the_proxy(self) -> None:
        self.assertEqual(
            {
                'type': 'spice',
                'host': 'console.example.org',
                'tls-port': '443',
                'ca': self.authority.read_text().replace('\n', r'\n'),
                'password': TOKEN,
                'title': 'Console at console.example.org',
                'delete-this-file': '1',
            },
            self.values(),
        )

    def test_file_is_not_stored(self) -> None:
        answer = self.get()
        self.assertEqual(
            'application/x-virt-viewer', answer.headers['Content-Type']
        )
        self.assertEqual('no-store', answer.headers['Cache-Control'])
        self.assertEqual(
            'attachment; filename="console.vv"',
            answer.headers['Content-Disposition'],
        )
        self.assertEqual('no-referrer', answer.headers['Referrer-Policy'])
        head = self.get(method='HEAD')
        self.assertEqual('', head.text)
        self.assertEqual(
            answer.headers['Content-Length'], head.headers['Content-Length']
        )

    def test_url_of_the_api_is_that_of_the_file(self) -> None:
        answer = self.get(f'{BASE_URL}?x=y&token={self.spice_token()}')
        self.assertEqual(200, answer.status_code)

    def test_file_does_not_use_the_token(self) -> None:
        """Nor does it tell whether a token is valid."""
        valid = self.spice_token()
        answers = [
            self.get(f'{BASE_URL}?token={it}').text.replace(it, '')
            for it in (valid, TOKEN)
        ]
        self.assertEqual(*answers)

    def test_malformed_tokens_are_a_400(self) -> None:
        for query in (
            '',
            '?token=',
            f'?token={TOKEN}xx',
            f'?token={TOKEN}&token={TOKEN}',
            f'?token={TOKEN[:-1]}%0A',
            f'?token={TOKEN[:-1]}=',
            f'?x={TOKEN}',
        ):
            answer = self.get(f'{BASE_URL}{query}')
            self.assertEqual(400, answer.status_code, query)
            self.assertNotIn(TOKEN[:-1], answer.text)

    def test_other_paths_and_methods(self) -> None:
        self.assertEqual(404, self.get(f'/x{BASE_URL}').status_code)
        self.assertEqual(404, self.get(f'{BASE_URL}/').status_code)
        self.assertEqual(405, self.get(method='POST').status_code)


class RenewedCATest(FilesTest):
    def test_ca_is_read_again_on_sighup(self) -> None:
        # As openssl writes names above certificates; not UTF-8.
        self.authority.write_bytes(b'O=A\\, \xc4\nanother\n')
        escaped = 'O=A\\\\, \ufffd\\nanother\\n'
        self.proxy.process.signal(signal.SIGHUP)
        process.wait_for(lambda: self.values()['ca'] == escaped, 'the new CA')
        self.authority.unlink()
        self.proxy.process.signal(signal.SIGHUP)
        self.wait_for_log('[spice] direct_ca cannot be reloaded')
        self.assertEqual(escaped, self.values()['ca'])


class WithoutTLSTest(ConnectionFilesTest):
    SPICE = {
        'direct_tls_port': 0,
        'direct_public_host': '2001:db8::7',
    }

    def test_file_leads_to_the_proxy(self) -> None:
        self.assertEqual(
            {
                'type': 'spice',
                'host': '2001:db8::7',
                'port': str(self.port),
                'password': TOKEN,
                'title': 'Console at 2001:db8::7',
                'delete-this-file': '1',
            },
            self.values(),
        )


class DisabledTest(ProxyTest):
    def test_there_are_no_files(self) -> None:
        answer = requests.get(
            f'http://127.0.0.1:{self.proxy.port}/nova?token={TOKEN}',
            timeout=process.PATIENCE,
        )
        self.assertEqual(404, answer.status_code)
