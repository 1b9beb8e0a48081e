# SPDX-License-Identifier: Apache-2.0

"""The options, rules, commands, files and routes in the docs exist."""

import argparse
import contextlib
import io
import pathlib
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata

import testtools
from keystoneauth1 import loading

from console_svc import policies
from console_svc.cmd import manage
from console_svc.conf import opts
from console_svc.tests.functional import api_ref

ROOT = pathlib.Path(__file__).parents[3]
PAGES = [
    ROOT / 'README.rst',
    ROOT / 'CONTRIBUTING.rst',
    *sorted((ROOT / 'doc/source').rglob('*.rst')),
    *sorted((ROOT / 'etc/console_svc/systemd').iterdir()),
]

#: Paths of a whole service: with nova, they are nova's.
_NOT_SENT = (
    '/',
    '/v2.1',
    '/openapi.json',
    '/servers',
    '/servers/detail',
    '/servers/ID',
)

_BIN = pathlib.Path(sys.executable).parent

#: Paths that stay with nova.
_OF_NOVA = [
    '/v2.1',
    '/v2.1/',
    '/v2.1/servers',
    '/v2.1/servers/detail',
    '/v2.1/servers/ID',
    '/v2.1/PROJECT/servers/ID',
    '/v2.1/servers/ID/action',
    '/v2.1/servers/ID/os-interface',
    '/v2.1/servers/ID/consoles-of-others',
    '/v2.1/os-keypairs/consoles',
    '/v2.0/servers/ID/consoles',
    '/metrics',
    '/healthcheck',
]


def mentions(text: str) -> Iterator[tuple[str, str]]:
    """The options that a page names or sets: group and name."""
    yield from re.findall(r'``\[(\w+)\]\s+(\w+)``', text)
    group = None
    for line in text.splitlines():
        if found := re.fullmatch(r'\s+\[(\w+)\]', line):
            group = found[1]
        elif line and not line.startswith(' '):
            group = None
        elif group and (found := re.match(r'\s+([a-z_]+) = ', line)):
            yield group, found[1]


class DocsTest(testtools.TestCase):
    def everywhere(self, pattern: str) -> set[str]:
        """The matches of a pattern in all pages."""
        return {
            found
            for page in PAGES
            for found in re.findall(pattern, page.read_text())
        }

    def test_named_options_exist(self) -> None:
        sample = subprocess.run(
            [
                *(_BIN / 'oslo-config-generator', '--config-file'),
                'etc/console_svc/console-svc-config-generator.conf',
                *('--output-file', '/dev/stdout'),
            ],
            check=True,
            capture_output=True,
            text=True,
            cwd=ROOT,
        ).stdout
        known: dict[str, set[str]] = {}
        for line in sample.splitlines():
            if line.startswith('['):
                names = known.setdefault(line.strip('[]'), set())
            elif found := re.match(r'#([a-z_]+) = ?', line):
                names.add(found[1])
        # Options of a plugin are not in the samples of other libraries.
        for group in 'keystone_authtoken', 'oslo_limit':
            known[group] |= {
                option.dest
                for option in (
                    *loading.get_auth_common_conf_options(),
                    *loading.get_auth_plugin_conf_options('password'),
                )
            }
        for page in PAGES:
            for group, name in mentions(page.read_text()):
                # Other groups belong to other programs.
                if group in known:
                    self.assertIn(name, known[group], (page.name, group))

    def test_each_option_and_rule_has_a_help_text(self) -> None:
        for group, options in opts.list_opts():
            for option in options:
                self.assertTrue(option.help, (group, option.name))
        for rule in policies.list_rules():
            self.assertTrue(rule.description, rule.name)

    def test_each_rule_guards_operations_that_exist(self) -> None:
        existing = {
            (operation.method, operation.path) for operation in api_ref.read()
        }
        for rule in policies.list_rules():
            for guarded in getattr(rule, 'operations', ()):
                # An action's name follows the path.
                path = guarded['path'].partition(' ')[0]
                self.assertIn((guarded['method'], path), existing, rule.name)

    def test_named_commands_exist(self) -> None:
        scripts = {
            script.name
            for script in metadata.entry_points(group='console_scripts')
        }
        named = self.everywhere(r'/opt/[\w-]+/bin/(console-svc-\w+)')
        named |= self.everywhere(r'``(console-svc-(?!api\.)\w+)``')
        self.assertEqual(set(), named - scripts)
        parser = argparse.ArgumentParser()
        manage.add_commands(parser.add_subparsers())
        for text in self.everywhere(
            r'console-svc-manage ((?:db|keys|token)\s[a-z-]+)'
        ):
            with contextlib.redirect_stdout(io.StringIO()) as said:
                self.assertRaises(
                    SystemExit, parser.parse_args, [*text.split(), '--help']
                )
            self.assertIn('usage', said.getvalue(), text)

    def test_named_files_exist(self) -> None:
        named = self.everywhere(
            r'``((?:api-ref|benchmarks|console_svc|doc|etc|tools)/[\w/.-]+)'
        )
        named |= {
            f'console_svc/{name}'
            for name in self.everywhere(r'``([a-z]\w*(?:/\w+)*\.py)``')
            if not name.startswith('console_svc/')
        }
        missing = {name for name in named if not (ROOT / name).exists()}
        self.assertEqual(set(), missing)

    def test_the_rule_for_haproxy_matches_exactly_our_paths(self) -> None:
        # The same everywhere.
        (rule,) = self.everywhere(r'acl console path,url_dec -m reg (\S+)')
        for operation in api_ref.read():
            path = re.sub(r'{\w+}', 'ID', operation.path)
            if path in _NOT_SENT or path.endswith('/action'):
                continue
            for prefix in ('/v2.1', '/v2.1/PROJECT'):
                self.assertTrue(re.search(rule, prefix + path), path)
                doubled = (prefix + path).replace('/', '//')
                self.assertTrue(re.search(rule, doubled), doubled)
        for path in _OF_NOVA:
            self.assertFalse(re.search(rule, path), path)
