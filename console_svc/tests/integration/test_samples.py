# SPDX-License-Identifier: Apache-2.0

"""The samples in the docs, checked by the programs that they are for."""

import pathlib
import re
import subprocess
import textwrap

import fixtures as fixtures_
import requests
import testtools

from console_svc.tests.integration.stub import Answer, Stub
from console_svc.tests.programs import certificates, process

_DOCS = pathlib.Path(__file__).parents[3] / 'doc/source'
# Sections of haproxy.cfg in a code block.
_SECTIONS = re.compile(
    r'^( +)(?:frontend|backend|listen) .*\n(?:\1.*\n|\s*\n)*', re.MULTILINE
)

# What Debian's file has above the samples.
_DEFAULTS = """\
defaults
    timeout connect 5s
    timeout client 50s
    timeout server 50s
"""


def samples(page: str) -> str:
    """The sections of haproxy.cfg on a page of the docs."""
    found = _SECTIONS.finditer((_DOCS / page).read_text())
    return '\n'.join(textwrap.dedent(it[0]) for it in found)


class HAProxyTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures_.TempDir()).path)
        certificates.write(self.folder)
        self.pem = self.folder / 'both.pem'
        self.pem.write_text(
            (self.folder / 'server-cert.pem').read_text()
            + (self.folder / 'server-key.pem').read_text()
        )

    def write(self, *parts: str) -> str:
        """Write a file of these parts."""
        text = _DEFAULTS + '\n'.join(parts)
        file = self.folder / 'haproxy.cfg'
        file.write_text(re.sub(r'crt \S+', f'crt {self.pem}', text))
        return str(file)

    def check(self, *parts: str) -> subprocess.CompletedProcess[str]:
        """Check a file of these parts, without serving."""
        return subprocess.run(
            [process.program('haproxy'), '-c', '-f', self.write(*parts)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def test_each_sample_is_valid(self) -> None:
        pages = {
            str(page.relative_to(_DOCS))
            for page in _DOCS.rglob('*.rst')
            if _SECTIONS.search(page.read_text())
        }
        self.assertLessEqual(
            {
                *('install.rst', 'install/nova.rst'),
                *('admin/databases.rst', 'admin/proxy.rst'),
            },
            pages,
        )
        for page in pages - {'install/nova.rst'}:
            done = self.check(samples(page))
            self.assertEqual(0, done.returncode, (page, done.stdout))

    def test_the_pages_about_the_api_fit_together(self) -> None:
        api, nova = samples('install.rst'), samples('install/nova.rst')
        proxy = samples('admin/proxy.rst')
        done = self.check(api, nova, proxy)
        self.assertEqual(0, done.returncode, done.stdout)
        # Without the frontend that nova's replaces.
        backend = api[api.index('\nbackend console-svc') :]
        done = self.check(backend, nova)
        self.assertEqual(0, done.returncode, done.stdout)

    def test_requests_go_to_the_service_that_answers_them(self) -> None:
        service = self.useFixture(Stub(lambda *_: Answer(body={'is': 'ours'})))
        nova = self.useFixture(Stub(lambda *_: Answer(body={'is': "nova's"})))
        api = samples('install.rst')
        port = process.free_port()
        text = api[api.index('\nbackend console-svc') :] + samples(
            'install/nova.rst'
        )
        for sample, ours in (
            ('bind :8774', f'bind 127.0.0.1:{port}'),
            ('127.0.0.1:8775', service.url.removeprefix('http://')),
            ('127.0.0.1:18774', nova.url.removeprefix('http://')),
        ):
            self.assertIn(sample, text)
            text = text.replace(sample, ours)
        balancer = self.useFixture(
            process.Program(
                ['haproxy', '-db', '-f', self.write(text)],
                self.folder / 'log',
            )
        )
        balancer.wait_for(lambda: process.listens(port), 'HAProxy')

        def request(path: str, **more: object) -> requests.Response:
            return requests.post(
                f'https://127.0.0.1:{port}{path}',
                verify=self.folder / 'ca-cert.pem',
                timeout=process.PATIENCE,
                **more,
            )

        # The health check of HAProxy may not have ended.
        balancer.wait_for(
            lambda: request('/v2.1/console-sessions').status_code == 200,
            'a server that is up',
        )
        for path in (
            '/v2.1/servers/ID/remote-consoles',
            '/v2.1/servers/ID/remote%2Dconsoles',
            '/v2.1//servers//ID//consoles',
            '//v2%2e1/PROJECT/%73ervers/ID/consoles/1',
        ):
            self.assertEqual({'is': 'ours'}, request(path).json(), path)
        for path in ('/v2.1/servers/ID', '/v2.1/servers/ID/action'):
            self.assertEqual({'is': "nova's"}, request(path).json(), path)
        for path in ('/metrics', '//metrics', '/%6detrics', '/metrics/'):
            self.assertEqual(403, request(path).status_code, path)
        chunked = request(
            '/v2.1/servers/ID/remote-consoles', data=iter([b'{}'])
        )
        self.assertEqual(411, chunked.status_code)
