# SPDX-License-Identifier: Apache-2.0

"""The API behind HAProxy, with the configuration of the installation guide."""

import pathlib
import re
import textwrap

import requests
import sqlalchemy as sa
import testtools

from console_svc.db import tables
from console_svc.tests import fixtures
from console_svc.tests.integration.service import Service, gunicorn, uwsgi
from console_svc.tests.programs import process

PAGE = pathlib.Path(__file__).parents[3] / 'doc/source/install.rst'
TIMEOUTS = """\
defaults
    timeout connect 30s
    timeout client 60s
    timeout server 60s
"""

#: What a client can send to choose its address, in several spellings.
FORGED = {
    'Forwarded': 'for=192.0.2.66;proto=http;host=evil.test',
    'X-Forwarded-For': '192.0.2.66',
    'X_Forwarded_For': '192.0.2.66',
    'x-forwarded_FOR': '192.0.2.66',
    'X-Forwarded-Proto': 'http',
    'X_Forwarded_Proto': 'http',
    'X-Forwarded-Host': 'evil.test',
    'X_Forwarded_Host': 'evil.test',
    'X-Forwarded-Prefix': '/evil',
}


class LoadBalancerTest(testtools.TestCase):
    def serve(self, server) -> tuple[Service, str]:
        """Start the API behind HAProxy; return HAProxy's URL, too."""
        service = self.useFixture(
            Service(
                server,
                oslo_middleware={'enable_proxy_headers_parsing': 'true'},
                # Only HAProxy can keep these away from the API.
                api={
                    'forwarding_headers': 'X-Forwarded-For, '
                    'X-Forwarded-Proto, X-Forwarded-Host, X-Forwarded-Prefix'
                },
            )
        )
        port = process.free_port()
        file = service.folder / 'haproxy.cfg'
        file.write_text(TIMEOUTS + self.sample(port, service.port))
        balancer = self.useFixture(
            process.Program(
                ['haproxy', '-db', '-f', str(file)],
                service.folder / 'haproxy.log',
            )
        )
        balancer.wait_for(lambda: process.listens(port), 'HAProxy')
        return service, f'http://127.0.0.1:{port}'

    def sample(self, port: int, target: int) -> str:
        """The sample of the page, without TLS, and with these ports."""
        found = re.search(
            r'\n( +frontend console-api\n(?: +.*\n|\n)+)', PAGE.read_text()
        )
        assert found is not None
        sample = textwrap.dedent(found[1])
        for pattern, text in (
            (r'bind :8443 ssl crt \S+', f'bind 127.0.0.1:{port}'),
            (r'(server api1) \S+ check', rf'\1 127.0.0.1:{target}'),
        ):
            sample, count = re.subn(pattern, text, sample)
            self.assertEqual(1, count)
        return sample

    def check(self, server) -> None:
        service, url = self.serve(server)
        headers = {'X-Auth-Token': fixtures.MEMBER, **FORGED}
        answer = requests.get(
            f'{url}/v2.1', headers=headers, timeout=process.PATIENCE
        )
        (link,) = answer.json()['version']['links']
        self.assertEqual(
            f'{url.replace("http", "https", 1)}/v2.1/', link['href']
        )
        answer = requests.post(
            f'{url}/v2.1/servers/{fixtures.SERVER}/remote-consoles',
            headers={**headers, 'OpenStack-API-Version': 'compute 2.6'},
            json={'remote_console': {'protocol': 'vnc', 'type': 'novnc'}},
            timeout=process.PATIENCE,
        )
        self.assertEqual(200, answer.status_code, answer.text)
        column = tables.console_auth_tokens.c.client_address
        with service.database.engine.connect() as connection:
            stored = connection.execute(sa.select(column)).scalars().all()
        self.assertEqual(['127.0.0.1'], stored)

    def test_forged_headers_change_nothing_with_uwsgi(self) -> None:
        self.check(uwsgi)

    def test_forged_headers_change_nothing_with_gunicorn(self) -> None:
        self.check(gunicorn)
