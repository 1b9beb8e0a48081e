# SPDX-License-Identifier: Apache-2.0

"""The metrics of the API, and who may read them."""

import json
import pathlib
import re
import subprocess
import sys
from typing import Any

import testtools
from prometheus_client import parser
from prometheus_client.metrics import MetricWrapperBase

from console_svc import audit
from console_svc.api import metrics as api_metrics
from console_svc.api import routes
from console_svc.api.controllers.root import RootController
from console_svc.proxy import monitoring
from console_svc.tests import fixtures
from console_svc.tests.functional import api_ref

CONSOLES = f'/v2.1/servers/{fixtures.SERVER}/consoles'
REMOTE = f'/v2.1/servers/{fixtures.SERVER}/remote-consoles'
TOKENS = '/v2.1/os-console-auth-tokens'
LOCAL = '127.0.0.1'
DASHBOARD = (
    pathlib.Path(__file__).parents[3] / 'doc/source/grafana/console-svc.json'
)

# prometheus_client chooses its storage when it is imported, so each test runs
# a process. It reads requests and prints responses. {token} in a path is the
# token that was issued last.
_PROCESS = """
import json, re, sys, webob
from console_svc import conf
from console_svc.api import app

api = app.build(conf.load(files=[sys.argv[1]]))
token = None
answers = []
for path, method, headers, environ, body in json.load(sys.stdin):
    request = webob.Request.blank(path.replace('{token}', str(token)), environ)
    request.method = method
    request.headers.update(headers)
    if body:
        request.json_body = body
    answer = request.get_response(api)
    found = re.search('token(?:=|%3D)([^"]+)', answer.text)
    token = found[1] if found else token
    answers.append((answer.status_int, answer.text, token))
json.dump(answers, sys.stdout)
"""

# Prints the metric after each text of the policy file.
_POLICIES = """
import pathlib, sys
from console_svc import conf
from console_svc.api import app
from console_svc.tests import fixtures
import webob

loaded = conf.load(files=[sys.argv[1]])
api = app.build(loaded)
page = {'REMOTE_ADDR': '127.0.0.1'}
for text in ('{}', '', '- a list', 'a: true', '# none'):
    pathlib.Path(loaded.oslo_policy.policy_file).write_text(text)
    for path in (sys.argv[2], '/metrics'):
        request = webob.Request.blank(path, page)
        request.headers['X-Auth-Token'] = fixtures.MEMBER
        answer = request.get_response(api)
    (line,) = [
        line
        for line in answer.text.splitlines()
        if line.startswith('console_svc_api_policy_files_unusable')
    ]
    print(line.split()[1])
"""


def request(
    path: str = '/metrics',
    method: str = 'GET',
    token: str | None = None,
    address: str = LOCAL,
    body: Any = None,
    **headers: str,
) -> tuple[Any, ...]:
    """A request for _PROCESS."""
    if token:
        headers |= {
            'X-Auth-Token': token,
            'OpenStack-API-Version': 'compute 2.31',
        }
    named = {name.replace('_', '-'): value for name, value in headers.items()}
    return path, method, named, {'REMOTE_ADDR': address}, body


def issue() -> tuple[Any, ...]:
    wanted = {'protocol': 'vnc', 'type': 'novnc'}
    return request(
        REMOTE, 'POST', fixtures.MEMBER, body={'remote_console': wanted}
    )


class MetricsTest(testtools.TestCase):
    def ask(
        self, *requests: tuple[Any, ...], **options: Any
    ) -> list[tuple[int, str, str]]:
        """Status, text and latest token of each response."""
        configured = self.useFixture(fixtures.Configuration())
        metrics = {'directory': configured.folder / 'metrics', **options}
        with open(configured.file, 'a') as file:
            file.write('[metrics]\n')
            file.writelines(f'{k} = {v}\n' for k, v in metrics.items() if v)
        done = subprocess.run(
            [sys.executable, '-c', _PROCESS, configured.file],
            input=json.dumps(requests),
            capture_output=True,
            text=True,
        )
        self.assertEqual(0, done.returncode, done.stderr)
        answers: list[tuple[int, str, str]] = json.loads(done.stdout)
        return answers

    def test_unusable_policy_files_are_shown(self) -> None:
        configured = self.useFixture(fixtures.Configuration())
        with open(configured.file, 'a') as file:
            file.write(f'[metrics]\ndirectory = {configured.folder}/metrics\n')
        done = subprocess.run(
            [sys.executable, '-c', _POLICIES, configured.file, CONSOLES],
            capture_output=True,
            text=True,
        )
        self.assertEqual(
            ['0.0', '1.0', '1.0', '1.0', '0.0'],
            done.stdout.split(),
            done.stderr,
        )

    def figures(self, text: str) -> dict[tuple[str, ...], float]:
        """The values by metric name and label values, in order of labels."""
        return {
            (
                sample.name,
                *(sample.labels[k] for k in sorted(sample.labels)),
            ): (sample.value)
            for family in parser.text_string_to_metric_families(text)
            for sample in family.samples
        }

    def test_requests_and_events_are_counted_without_secrets(self) -> None:
        *_, (status, text, token) = self.ask(
            request(CONSOLES, 'GET', fixtures.MEMBER),
            request(CONSOLES, 'HEAD', fixtures.MEMBER),
            request(f'{CONSOLES}/17', 'GET', fixtures.MEMBER),
            request(CONSOLES),
            issue(),
            request(f'{TOKENS}/{{token}}', 'GET', fixtures.SERVICE),
            request(f'{TOKENS}/nonsense', 'GET', fixtures.SERVICE),
            request(f'{TOKENS}/{{token}}/sessions', 'POST', fixtures.SERVICE),
            request(f'{TOKENS}/{{token}}', 'DELETE', fixtures.MEMBER),
            request(),
        )
        self.assertEqual(200, status)
        figures = self.figures(text)
        requests = 'console_svc_api_requests_total'
        consoles = '/servers/{server_id}/consoles'
        shown = '/os-console-auth-tokens/{console_token}'
        events = 'console_svc_api_events_total'
        for key, value in {
            (requests, 'GET', consoles, '200'): 2,
            (requests, 'GET', consoles + '/{console_id}', '404'): 1,
            (requests, 'GET', 'other', '401'): 1,
            (requests, 'GET', shown, '200'): 1,
            (requests, 'GET', shown, '404'): 1,
            (requests, 'DELETE', shown, '204'): 1,
            ('console_svc_api_request_seconds_count', 'GET', consoles): 2,
            (events, 'console_auth_token.issue', 'success'): 1,
            # Opening a session validates the token, too.
            (events, 'console_auth_token.validate', 'success'): 2,
            (events, 'console_auth_token.validate', 'failure'): 1,
            (events, 'console_auth_token.revoke', 'success'): 1,
            (events, 'console_session.open', 'success'): 1,
            (events, 'console_session.end', 'success'): 1,
        }.items():
            self.assertEqual(value, figures.get(key), key)
        for secret in (token, token[:8], fixtures.SERVER, 'joe', 'nonsense'):
            self.assertNotIn(secret, text)

    def test_unknown_paths_and_methods_share_a_label(self) -> None:
        *_, (_, text, _) = self.ask(
            *(request(f'/v2.1/x{number}') for number in range(5)),
            *(
                request(CONSOLES, f'X{number}', fixtures.MEMBER)
                for number in range(5)
            ),
            request(),
        )
        labels = {
            key[1:3]
            for key in self.figures(text)
            if key[0] == 'console_svc_api_requests_total'
        }
        self.assertEqual(
            {
                ('GET', 'other'),
                ('other', '/servers/{server_id}/consoles'),
            },
            labels,
        )

    def test_metrics_are_off_by_default(self) -> None:
        (answer,) = self.ask(request(), directory=None)
        self.assertEqual(401, answer[0])
        self.assertNotIn('console_svc', answer[1])

    def test_only_allowed_sources_read_metrics_directly(self) -> None:
        answers = self.ask(
            request(address='192.0.2.7'),
            request(address='198.51.100.1'),
            request(address='::ffff:192.0.2.1'),
            request(address=''),
            request(address='192.0.2.7', X_Forwarded_For='192.0.2.7'),
            request(address='192.0.2.7', X_Forwarded_Proto='https'),
            request(address='192.0.2.7', Forwarded='for=192.0.2.7'),
            request('/metrics/', address='192.0.2.7'),
            request(method='HEAD', address='192.0.2.7'),
            allowed_sources='192.0.2.0/28, 2001:db8::1',
        )
        self.assertEqual(
            [200, 401, 200, 401, 401, 401, 401, 401, 200],
            [status for status, _, _ in answers],
        )
        self.assertEqual('', answers[-1][1])

    def test_by_default_only_this_host_reads_metrics(self) -> None:
        answers = self.ask(
            request(), request(address='::1'), request(address='192.0.2.7')
        )
        self.assertEqual([200, 200, 401], [answer[0] for answer in answers])


class DashboardTest(testtools.TestCase):
    """The Grafana dashboard in the docs matches the code."""

    def setUp(self) -> None:
        super().setUp()
        self.targets = [
            target
            for panel in json.loads(DASHBOARD.read_text())['panels']
            for target in panel.get('targets', ())
        ]

    def found(self, pattern: str, key: str = 'expr') -> set[str]:
        return {
            match
            for target in self.targets
            for match in re.findall(pattern, target[key])
        }

    def test_the_metrics_in_the_dashboard_exist(self) -> None:
        named = self.found(r'console_svc_\w+')
        self.assertEqual(set(), named - self.series())

    def test_every_metric_is_in_the_dashboard(self) -> None:
        named = ' '.join(self.found(r'console_svc_\w+'))
        for collector in self.collectors():
            self.assertIn(collector._name, named)

    def test_every_event_is_in_the_dashboard(self) -> None:
        named = self.found(r'event="([^"]+)"')
        self.assertEqual(set(audit._ACTIONS), named)

    def test_the_labels_in_the_dashboard_exist(self) -> None:
        labels = self.found(r'{{(\w+)}}', 'legendFormat')
        known = {
            label
            for collector in self.collectors()
            for label in collector._labelnames
        }
        self.assertEqual(set(), labels - known - {'instance'})

    def collectors(self) -> set[Any]:
        found: set[Any] = set()
        for metrics in (api_metrics.Metrics(), monitoring.Metrics()):
            found |= {
                value
                for value in vars(metrics).values()
                if isinstance(value, MetricWrapperBase)
            }
        return found

    def series(self) -> set[str]:
        """The names of all time series."""
        names = set()
        for collector in self.collectors():
            name = collector._name
            names |= {
                'counter': {f'{name}_total'},
                'gauge': {name},
                'histogram': {
                    f'{name}_{part}' for part in ('bucket', 'count', 'sum')
                },
            }[collector._type]
        return names


class RouteTest(testtools.TestCase):
    def test_each_resource_of_the_api_ref_has_a_label(self) -> None:
        self.assertEqual(
            {operation.path for operation in api_ref.read()},
            set(routes.labels(RootController).values()),
        )
