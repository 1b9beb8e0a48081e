# SPDX-License-Identifier: Apache-2.0

"""What all commands, as installed, have in common."""

import os
import pathlib
import socket
import subprocess
import sys

import testtools

from console_svc.tests import fixtures

BIN = pathlib.Path(sys.executable).parent
PROGRAMS = {
    'console-svc-api': (),
    'console-svc-listener': (),
    'console-svc-manage': ('db', 'version'),
    'console-svc-proxy': (),
    'console-svc-status': ('upgrade', 'check'),
}
#: Runs a program as a user who may not read everything, even as root.
UNPRIVILEGED = (
    ('setpriv', '--bounding-set=-dac_override,-dac_read_search')
    if os.geteuid() == 0
    else ()
)


class CommandsTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.configuration = self.useFixture(fixtures.Configuration())

    def run_(
        self, *command: object, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*map(str, command)],
            capture_output=True,
            text=True,
            timeout=60,
            cwd=self.configuration.folder,
            env={**os.environ, **environment},
        )

    def test_a_file_without_permission_is_an_error(self) -> None:
        file = self.configuration.file
        file.chmod(0)
        for program, arguments in PROGRAMS.items():
            done = self.run_(
                *(*UNPRIVILEGED, BIN / program),
                *('--config-file', file, *arguments),
            )
            self.assertEqual((1, ''), (done.returncode, done.stdout))
            # Libraries may warn above it.
            self.assertEqual(
                f'{program}: cannot read {file}: Permission denied',
                done.stderr.splitlines()[-1],
            )
            self.assertNotIn('Traceback', done.stderr)

    def test_what_the_start_cannot_use_is_one_line(self) -> None:
        policy = self.configuration.folder / 'odd.yaml'
        policy.write_text('[1]')
        used = socket.create_server(('127.0.0.1', 0))
        self.addCleanup(used.close)
        port = str(used.getsockname()[1])
        driver = '[database]\nconnection = mysql+asyncmy://joe@[::1]/d\n'
        for program, text, arguments, reason in (
            ('api', '[compute]\ndriver = x\n', (), 'x is not a compute'),
            ('api', f'[oslo_policy]\npolicy_file = {policy}\n', (), 'rules'),
            ('api', '[api]\nmax_limit = x\n', (), 'option max_limit'),
            ('api', '', ('--port', port), 'Address already in use'),
            ('api', driver, (), 'the driver asyncmy'),
            ('listener', driver, (), 'the driver asyncmy'),
            ('manage', driver, ('db', 'version'), 'the driver asyncmy'),
            ('listener', '[compute]\ndriver = x\n', (), 'x is not a compute'),
        ):
            file = self.configuration.folder / 'odd.conf'
            file.write_text(text)
            done = self.run_(
                BIN / f'console-svc-{program}',
                *('--config-file', self.configuration.file),
                *('--config-file', file, *arguments),
            )
            self.assertEqual(1, done.returncode)
            *_, line = done.stderr.splitlines()
            self.assertTrue(line.startswith(f'console-svc-{program}: '), line)
            self.assertIn(reason, line)
            self.assertNotIn('Traceback', done.stderr)

    def test_the_wsgi_module_needs_its_files(self) -> None:
        file = self.configuration.file
        folder = self.configuration.folder / 'conf.d'
        folder.mkdir(mode=0)
        file.chmod(0)
        for variable, path in (
            ('OS_CONSOLE_SVC_CONFIG_FILES', file),
            ('OS_CONSOLE_SVC_CONFIG_DIR', folder),
        ):
            done = self.run_(
                *(*UNPRIVILEGED, sys.executable, '-c'),
                'from console_svc.wsgi import api',
                **{variable: str(path)},
            )
            self.assertEqual(1, done.returncode)
            self.assertIn(
                f'cannot read {path}: Permission denied', done.stderr
            )
        # Nor is an empty database made instead.
        self.assertEqual([], list(folder.parent.glob('*/*.sqlite')))
