# SPDX-License-Identifier: Apache-2.0

"""oslo's command line tools, through this package's entry points."""

import configparser
import fcntl
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys

import fixtures as fixtures_
import testtools
import yaml

from console_svc import policies
from console_svc.tests import fixtures
from console_svc.tests.programs import process

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


class QuickstartTest(testtools.TestCase):
    """tools/quickstart.sh, up to the installation."""

    def setUp(self) -> None:
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures_.TempDir()).path)
        shutil.copytree(ROOT / 'tools', self.folder / 'tools')
        shutil.copy(ROOT / 'setup.cfg', self.folder)

    def run_(
        self, *arguments: str, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.folder / 'tools/quickstart.sh', *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, 'PYTHON': sys.executable, **environment},
        )

    def test_help(self) -> None:
        done = self.run_('--help')
        self.assertEqual((0, ''), (done.returncode, done.stderr))
        self.assertIn('tools/quickstart.sh --once', done.stdout)
        self.assertEqual(
            'proxy. The defaults are 8775 and 6080, or a free port if they '
            'are in use.',
            done.stdout.splitlines()[-1],
        )

    def test_unknown_arguments_are_refused(self) -> None:
        done = self.run_('--twice')
        self.assertEqual((2, ''), (done.returncode, done.stdout))
        self.assertIn('Unknown argument: --twice', done.stderr)

    def test_a_bad_port_is_refused(self) -> None:
        for port in ('http', '0', '65536', '-1', '8775 8776', '\u0663'):
            done = self.run_('--once', PORT=port)
            self.assertEqual((1, ''), (done.returncode, done.stdout))
            self.assertIn('PORT must be a number from 1 to', done.stderr)

    def test_a_taken_port_is_reported(self) -> None:
        port = process.free_port()
        with socket.create_server(('127.0.0.1', port)):
            for argument in ('--once', '--with-console'):
                done = self.run_(argument, PORT=str(port))
                self.assertEqual((1, ''), (done.returncode, done.stdout))
                self.assertEqual(
                    f'Port {port} cannot be used: Address already in use.\n',
                    done.stderr,
                )
            # A default port is replaced.
            done = subprocess.run(
                [
                    *(sys.executable, ROOT / 'tools/port.py'),
                    *(f'default:{port}', '2'),
                ],
                capture_output=True,
                text=True,
            )
        self.assertIn(f'Port {port} cannot be used', done.stderr)
        self.assertEqual(2, len({*done.stdout.split()} - {str(port)}))

    def test_a_second_run_is_refused(self) -> None:
        (self.folder / '.quickstart').mkdir()
        with open(self.folder / '.quickstart/lock', 'w') as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for argument in ('--once', '--with-console'):
                done = self.run_(argument)
                self.assertEqual((1, ''), (done.returncode, done.stdout))
                self.assertIn('already runs in this folder', done.stderr)

    def test_a_copy_without_git_has_the_next_version(self) -> None:
        done = subprocess.run(
            ['bash', '-c', '. tools/python.sh; echo $PBR_VERSION'],
            check=True,
            capture_output=True,
            text=True,
            cwd=self.folder,
            env={
                name: value
                for name, value in os.environ.items()
                if name != 'PBR_VERSION'
            },
        )
        setup = configparser.ConfigParser(interpolation=None)
        setup.read(ROOT / 'setup.cfg')
        self.assertEqual(setup['metadata']['version'], done.stdout.strip())

    def test_a_copy_without_git_has_all_files_in_its_package(self) -> None:
        (line,) = (ROOT / 'MANIFEST.in').read_text().splitlines()
        kind, folder, *patterns = line.split()
        self.assertEqual(('recursive-include', 'console_svc'), (kind, folder))
        for path in (ROOT / 'console_svc').rglob('*.*'):
            if path.suffix not in ('.py', '.pyc', '.typed'):
                self.assertIn(f'*{path.suffix}', patterns, path)


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
