# SPDX-License-Identifier: Apache-2.0

"""The build of the console pages, and their modules without a browser."""

import json
import os
import pathlib
import posixpath
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from typing import ClassVar

import testtools

from console_svc.tests.programs import process

ROOT = pathlib.Path(__file__).parents[3]
WEB = 'console_svc/web'

# What a build reads.
_SOURCES = (
    'LICENSE',
    'MANIFEST.in',
    'README.rst',
    'pyproject.toml',
    'requirements.txt',
    'setup.cfg',
    'setup.py',
)

_IMPORTED = re.compile(
    r"""^import\b[^'"`;]*["'](\.[^"']+)["']|import\(["'](\.[^"']+)["']\)"""
    r"""|^export\b[^'"`;]*\bfrom\s*["'](\.[^"']+)["']""",
    re.MULTILINE,
)
_LINKED = re.compile(r'(?:href|src)="([^"]+)"')


class WheelTest(testtools.TestCase):
    """A wheel, built from a copy without .git."""

    wheel: ClassVar[zipfile.ZipFile]
    names: ClassVar[set[str]]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        folder = pathlib.Path(
            cls.enterClassContext(tempfile.TemporaryDirectory())
        )
        source = folder / 'source'
        shutil.copytree(
            ROOT / 'console_svc',
            source / 'console_svc',
            ignore=shutil.ignore_patterns('__pycache__', 'tests'),
        )
        for name in _SOURCES:
            shutil.copy(ROOT / name, source)
        shutil.copytree(ROOT / 'etc', source / 'etc')
        subprocess.run(
            [
                *(sys.executable, '-m', 'pip', 'wheel', '--quiet'),
                *('--no-deps', '--no-build-isolation'),
                *('--wheel-dir', str(folder), str(source)),
            ],
            check=True,
            env={**os.environ, 'PBR_VERSION': '1.0.0'},
            stderr=subprocess.DEVNULL,
        )
        (wheel,) = folder.glob('*.whl')
        cls.wheel = cls.enterClassContext(zipfile.ZipFile(wheel))
        cls.names = set(cls.wheel.namelist())

    def test_pages_have_all_that_they_load(self) -> None:
        reached = set(self.reached())
        self.assertEqual(set(), reached - self.names)
        for name in (
            'asciinema-player/asciinema-player.css',
            'asciinema-player/asciinema-player.js',
            'iron-remote-desktop/iron-remote-desktop.js',
            'iron-remote-desktop/iron-remote-desktop-rdp.js',
            'novnc/core/rfb.js',
            'novnc/vendor/pako/lib/zlib/inflate.js',
            'spice-client/index.js',
            'xterm/addon-fit.mjs',
            'xterm/xterm.css',
            'xterm/xterm.mjs',
        ):
            self.assertIn(f'{WEB}/console/vendor/{name}', reached)
        # No import, but a URL.
        self.assertIn(
            f'{WEB}/console/vendor/iron-remote-desktop/'
            'iron-remote-desktop-rdp.wasm',
            self.names,
        )

    def reached(self) -> Iterator[str]:
        """The files to which the pages lead, and those to which these do."""
        open_ = [it for it in self.names if re.fullmatch(f'{WEB}/.*html', it)]
        self.assertLessEqual(5, len(open_))
        seen = set(open_)
        while open_:
            name = open_.pop()
            yield name
            if name not in self.names:
                continue
            pattern = _LINKED if name.endswith('.html') else _IMPORTED
            for found in pattern.finditer(self.wheel.read(name).decode()):
                (target,) = filter(None, found.groups())
                target = posixpath.normpath(
                    posixpath.join(posixpath.dirname(name), target)
                )
                if target not in seen:
                    seen.add(target)
                    open_.append(target)

    def test_libraries_have_their_licences(self) -> None:
        for folder in (
            'asciinema-player',
            'iron-remote-desktop',
            'novnc',
            'novnc/vendor/pako',
            'spice-client',
            'xterm',
        ):
            name = f'{WEB}/console/vendor/{folder}/LICENSE.txt'
            self.assertIn(name, self.names)

    def test_nothing_else_is_packaged(self) -> None:
        self.assertEqual(
            [],
            [
                it
                for it in self.names
                if 'node_modules' in it or it.endswith(('.map', '.npmrc'))
            ],
        )


class LockFileTest(testtools.TestCase):
    def test_versions_are_exact_and_no_registry_is_named(self) -> None:
        wanted = json.loads((ROOT / 'package.json').read_text())
        lock = json.loads((ROOT / 'package-lock.json').read_text())
        self.assertEqual(
            wanted['dependencies'], lock['packages']['']['dependencies']
        )
        for name, package in lock['packages'].items():
            self.assertNotIn('resolved', package)
            if name:
                self.assertIn('integrity', package)
        for name, version in wanted['dependencies'].items():
            package = lock['packages'][f'node_modules/{name}']
            self.assertEqual(version, package['version'])


class ModulesTest(testtools.TestCase):
    """The tests of the modules, in console_svc/tests/web."""

    def test_modules(self) -> None:
        tests = sorted((ROOT / 'console_svc/tests/web').glob('*.test.js'))
        self.assertNotEqual([], tests)
        done = subprocess.run(
            [process.program('node'), '--test', *map(str, tests)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.assertEqual(0, done.returncode, done.stdout)
        passed = re.search(r'^\S+ pass (\d+)$', done.stdout, re.MULTILINE)
        assert passed, done.stdout
        self.assertLess(len(tests), int(passed[1]))
