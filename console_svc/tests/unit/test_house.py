# SPDX-License-Identifier: Apache-2.0

"""The structure of the source tree: which room imports which."""

import ast
import graphlib
import pathlib
from collections.abc import Iterator

import testtools

import console_svc

ROOT = pathlib.Path(console_svc.__file__).parent

#: Room -> the rooms that it may import. CONTRIBUTING describes the rooms.
IMPORTS: dict[str, set[str]] = {
    'addresses': set(),
    'background': set(),
    'context': set(),
    'drivers': set(),
    'endings': {'objects'},
    'exception': {'objects'},
    'objects': set(),
    'origins': set(),
    'policies': set(),
    'prometheus': set(),
    'recorded': set(),
    'protocols': set(),
    'version': set(),
    'watched_file': set(),
    'conf': {'origins', 'version'},
    'forwarded': {'addresses'},
    'over_limit': {'exception'},
    'rest_client': {'conf'},
    'unified_limits': {'exception', 'objects', 'rest_client'},
    'audit': {'context', 'exception', 'objects'},
    'audit_notifications': {'audit', 'background', 'context'},
    'policy': {'conf', 'context', 'exception', 'policies', 'watched_file'},
    'db': {'endings', 'exception', 'objects', 'over_limit', 'recorded'},
    'compute': {
        'background',
        'conf',
        'context',
        'drivers',
        'exception',
        'objects',
        'protocols',
        'rest_client',
        'watched_file',
    },
    'consoles': {
        'addresses',
        'audit',
        'background',
        'compute',
        'conf',
        'context',
        'db',
        'endings',
        'exception',
        'objects',
        'policy',
        'protocols',
        'recorded',
        'recordings',
        'watched_file',
    },
    'recordings': {
        'conf',
        'drivers',
        'protocols',
        'rest_client',
        'watched_file',
    },
    'services': {
        'audit',
        'audit_notifications',
        'background',
        'compute',
        'consoles',
        'context',
        'db',
        'policies',
        'policy',
        'unified_limits',
    },
    'nova_notifications': {'consoles', 'context'},
    'api': {
        'addresses',
        'background',
        'consoles',
        'context',
        'db',
        'endings',
        'exception',
        'forwarded',
        'objects',
        'over_limit',
        'policies',
        'prometheus',
        'recorded',
        'recordings',
        'rest_client',
        'services',
    },
    'proxy': {
        'addresses',
        'conf',
        'forwarded',
        'origins',
        'prometheus',
        'protocols',
        'recordings',
        'rest_client',
    },
    'osc': set(),
    'wsgi': {'api', 'conf'},
    'cmd': {
        'api',
        'compute',
        'conf',
        'consoles',
        'context',
        'db',
        'exception',
        'nova_notifications',
        'objects',
        'prometheus',
        'proxy',
        'recordings',
        'services',
        'version',
    },
}


def modules() -> Iterator[tuple[str, pathlib.Path]]:
    """Each module outside of the tests, with its room."""
    for path in ROOT.rglob('*.py'):
        parts = path.relative_to(ROOT).with_suffix('').parts
        if parts[0] not in ('tests', '__init__') and 'alembic' not in parts:
            yield parts[0], path


def imported(path: pathlib.Path) -> Iterator[str]:
    """The dotted names that a module imports, at any level."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f'{node.module}.{it.name}' for it in node.names)


class HouseTest(testtools.TestCase):
    def test_each_room_imports_those_below_it_alone(self) -> None:
        wrong = []
        for room, path in modules():
            for name in imported(path):
                package, _, rest = name.partition('.')
                other = rest.partition('.')[0]
                if package != 'console_svc' or other == room:
                    continue
                if other not in IMPORTS[room]:
                    wrong.append(f'{path.relative_to(ROOT)} imports {other}')
        self.assertEqual([], wrong)

    def test_rooms_have_an_order(self) -> None:
        tuple(graphlib.TopologicalSorter(IMPORTS).static_order())

    def test_the_database_room_alone_imports_sqlalchemy(self) -> None:
        # The command that migrates reads a database URL.
        allowed = {'db/', 'cmd/manage.py'}
        found = {
            str(path.relative_to(ROOT))
            for _, path in modules()
            if any(name.startswith('sqlalchemy') for name in imported(path))
        }
        self.assertEqual(
            set(), {it for it in found if not it.startswith(tuple(allowed))}
        )

    def test_modules_are_short(self) -> None:
        long = {
            str(path.relative_to(ROOT)): lines
            for _, path in modules()
            if (lines := len(path.read_text().splitlines())) > 300
        }
        self.assertEqual({}, long)
