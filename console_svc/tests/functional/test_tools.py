# SPDX-License-Identifier: Apache-2.0

"""oslo's command line tools, through this package's entry points."""

import pathlib
import re
import subprocess
import sys

import testtools
import yaml

from console_svc import policies
from console_svc.tests import fixtures

BIN = pathlib.Path(sys.executable).parent
ROOT = pathlib.Path(__file__).parents[3]
NAMESPACE = ('--namespace', 'console-svc')


class ToolsTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.configuration = self.useFixture(fixtures.Configuration())

    def run_(self, name: str, *args: object) -> tuple[int, str]:
        done = subprocess.run(
            [BIN / name, *map(str, args)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=ROOT,
        )
        return done.returncode, done.stdout

    def policy_tool(self, name: str, policy: str) -> tuple[int, str]:
        self.configuration.policy.write_text(policy)
        return self.run_(
            name, *NAMESPACE, '--config-file', self.configuration.file
        )

    def test_the_policy_sample_has_every_rule(self) -> None:
        status, sample = self.run_('oslopolicy-sample-generator', *NAMESPACE)
        self.assertEqual(0, status)
        for rule in policies.list_rules():
            self.assertIn(f'#"{rule.name}": "{rule.check_str}"', sample)
        self.assertIn(
            '# GET  /os-console-auth-tokens/{console_token}\n', sample
        )

    def test_redundant_rules_are_found(self) -> None:
        status, found = self.policy_tool(
            'oslopolicy-list-redundant',
            '"os_compute_api:os-consoles:index": "role:admin"\n'
            '"os_compute_api:os-consoles:show": '
            '"rule:project_member_or_admin"\n',
        )
        self.assertEqual(0, status)
        self.assertIn('os-consoles:show', found)
        self.assertNotIn('os-consoles:index', found)

    def test_a_good_policy_is_valid(self) -> None:
        status, _ = self.policy_tool(
            'oslopolicy-validator',
            '"os_compute_api:os-consoles:index": "role:admin"\n',
        )
        self.assertEqual(0, status)

    def test_an_unknown_rule_is_invalid(self) -> None:
        status, said = self.policy_tool(
            'oslopolicy-validator',
            '"os_compute_api:os-consoles:nosuch": "role:admin"\n',
        )
        self.assertEqual(1, status)
        self.assertIn('os-consoles:nosuch', said)

    def test_the_configuration_sample_has_our_options(self) -> None:
        status, sample = self.run_(
            'oslo-config-generator',
            '--config-file',
            'etc/console_svc/console-svc-config-generator.conf',
            '--output-file',
            '/dev/stdout',
        )
        self.assertEqual(0, status)
        for line in (
            '#connection = sqlite:///$state_path/console-svc.sqlite',
            '#inventory = /etc/console-svc/servers.yaml',
            '#token_ttl = 600',
            '[keystone_authtoken]',
        ):
            self.assertIn(f'\n{line}\n', sample)


class UWSGITest(testtools.TestCase):
    def test_bursts_of_connections_are_queued(self) -> None:
        settings = (ROOT / 'etc/console_svc/uwsgi.ini').read_text()
        (length,) = re.findall(r'^listen = (\d+)$', settings, re.M)
        self.assertGreaterEqual(int(length), 1024)


class WorkersTest(testtools.TestCase):
    """The workers of the integration tests."""

    folder = ROOT / 'console_svc/tests/integration'

    def setUp(self) -> None:
        super().setUp()
        self.patterns = [
            re.compile(pattern)
            for worker in yaml.safe_load(
                (self.folder / 'workers.yaml').read_text()
            )
            for pattern in worker['worker']
        ]

    def test_each_module_has_exactly_one(self) -> None:
        for module in self.folder.glob('test_*.py'):
            test = f'console_svc.tests.integration.{module.stem}.Test.test_it'
            matching = [it for it in self.patterns if it.search(test)]
            self.assertEqual(1, len(matching), module.stem)

    def test_modules_that_are_named_exist(self) -> None:
        for pattern in self.patterns:
            (names,) = re.findall(r'\(([a-z_|]+)\)', pattern.pattern)
            for name in names.split('|'):
                module = self.folder / f'test_{name}.py'
                self.assertTrue(module.exists(), module.name)
