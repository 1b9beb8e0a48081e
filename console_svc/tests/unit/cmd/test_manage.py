# SPDX-License-Identifier: Apache-2.0

import io
import json
import os
import pwd
import stat
import sys
from contextlib import redirect_stderr, redirect_stdout
from unittest import mock

import sqlalchemy as sa
import testtools

from console_svc.cmd import api, listener, manage, proxy, status
from console_svc.db import migration, tables
from console_svc.tests import fixtures


class CommandTest(testtools.TestCase):
    """The commands, in process; integration tests run the installed ones."""

    def setUp(self) -> None:
        super().setUp()
        self.configuration = self.useFixture(fixtures.Configuration())

    def run_(self, command, *args: str) -> tuple[int, str, str]:
        argv = ['x', '--config-file', str(self.configuration.file), *args]
        # A recording is bytes.
        out = io.TextIOWrapper(io.BytesIO(), 'utf-8', newline='')
        err = io.StringIO()
        with (
            mock.patch.object(sys, 'argv', argv),
            # argparse breaks lines at dashes.
            mock.patch.dict(os.environ, COLUMNS='400'),
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            try:
                code = command()
            except SystemExit as end:
                code = end.code
        out.seek(0)
        out.reconfigure(errors='surrogateescape')
        return code, out.read(), err.getvalue()

    def manage(self, *args: str) -> tuple[int, str, str]:
        return self.run_(manage.main, *args)

    def set_version(self, version: str) -> None:
        with self.configuration.database.writing() as connection:
            connection.execute(
                sa.text(
                    f"UPDATE alembic_version SET version_num = '{version}'"
                )
            )


class ManageTest(CommandTest):
    def test_db_sync_and_version(self) -> None:
        self.assertEqual(
            (0, f'{migration.head()}\n', ''), self.manage('db', 'version')
        )
        self.assertEqual(0, self.manage('db', 'sync')[0])
        self.assertEqual(0, self.manage('db', 'sync', 'head')[0])

    def test_db_version_says_that_the_schema_is_old(self) -> None:
        self.set_version('005')
        code, out, err = self.manage('db', 'version')
        self.assertEqual((0, '005\n'), (code, out))
        self.assertIn('run "console-svc-manage db sync"', err)
        self.set_version('999')
        self.assertEqual((0, '999\n', ''), self.manage('db', 'version'))

    def test_commands_name_db_sync_if_the_schema_is_missing(self) -> None:
        for path in self.configuration.folder.glob('*.sqlite*'):
            path.unlink()
        code, out, err = self.manage('db', 'purge-tokens')
        self.assertEqual((1, ''), (code, out))
        self.assertIn('run "console-svc-manage db sync"', err)
        self.assertEqual(1, len(err.splitlines()), err)

    def test_db_sync_refuses_an_unknown_version(self) -> None:
        code, out, err = self.manage('db', 'sync', '999')
        self.assertEqual((1, ''), (code, out))
        self.assertIn('999', err)

    def test_db_sync_creates_keys_for_an_empty_database(self) -> None:
        self.configuration.key_file.unlink()
        for path in self.configuration.folder.glob('*.sqlite*'):
            path.unlink()
        code, _, _ = self.manage('db', 'sync')
        self.assertEqual(0, code)
        mode = self.configuration.key_file.stat().st_mode
        self.assertEqual(0o600, stat.S_IMODE(mode))

    def test_db_sync_creates_files_for_the_owner_of_the_folder(self) -> None:
        folder = self.configuration.folder
        self.configuration.key_file.unlink()
        for path in folder.glob('*.sqlite*'):
            path.unlink()
        owner = os.getuid()
        if owner == 0:
            # As root in the folder of the service's user.
            owner = 12345
            os.chown(folder, owner, owner)
        code, out, _ = self.manage('db', 'sync')
        self.assertEqual(0, code)
        for path in (self.configuration.key_file, *folder.glob('*.sqlite*')):
            self.assertEqual(owner, path.stat().st_uid, path)
        self.assertIn(f'console-keys of the user {_name(owner)}:', out)

    def test_db_sync_creates_no_keys_for_a_database_in_use(self) -> None:
        self.configuration.key_file.unlink()
        code, _, err = self.manage('db', 'sync')
        self.assertEqual(0, code)
        self.assertIn('keys create', err)
        self.assertFalse(self.configuration.key_file.exists())

    def test_db_sync_succeeds_if_it_cannot_create_keys(self) -> None:
        self.configuration.key_file.unlink()
        for path in self.configuration.folder.glob('*.sqlite*'):
            path.unlink()
        file = self.configuration.file
        file.write_text(
            f'{file.read_text()}[consoles]\nkey_file = /proc/nosuch/keys\n'
        )
        code, out, err = self.manage('db', 'sync')
        self.assertEqual(
            (0, f'The schema is {migration.head()}.\n'), (code, out)
        )
        self.assertIn('keys create', err)

    def test_keys_are_created_once_and_rotated(self) -> None:
        self.configuration.key_file.unlink()
        self.assertEqual(0, self.manage('keys', 'create')[0])
        self.assertEqual(1, self.manage('keys', 'create')[0])
        self.assertEqual(0, self.manage('keys', 'rotate')[0])
        keys = self.configuration.key_file.read_text().split()
        self.assertEqual(2, len(keys))

    def test_token_issue_prints_the_token_alone(self) -> None:
        code, out, _ = self.manage(
            'token', 'issue', '--server', fixtures.SERVER, '--type', 'novnc'
        )
        self.assertEqual(0, code)
        self.assertThat(
            out, testtools.matchers.MatchesRegex(r'\A[\w-]{43}\n\Z')
        )

    def test_token_issue_refuses_servers_without_the_console(self) -> None:
        for server, console_type in (
            (fixtures.UNKNOWN, 'novnc'),
            (fixtures.BARE, 'novnc'),
            (fixtures.STOPPED, 'novnc'),
        ):
            code, out, err = self.manage(
                'token', 'issue', '--server', server, '--type', console_type
            )
            self.assertEqual((1, ''), (code, out))
            self.assertIn('console-svc-manage: ', err)

    def test_purge_tokens_prints_what_it_has_deleted(self) -> None:
        for _ in range(2):
            self.manage(
                *('token', 'issue', '--server', fixtures.SERVER),
                *('--type', 'novnc'),
            )
        with self.configuration.database.writing() as connection:
            connection.execute(
                tables.console_auth_tokens.update().values(expires=1)
            )
        code, out, _ = self.manage('db', 'purge-tokens', '--batch', '1')
        self.assertEqual(
            (
                0,
                '2 tokens, 0 sessions, 0 consoles, 0 sessions of the history '
                'purged\n',
            ),
            (code, out),
        )

    def test_invalid_arguments_exit(self) -> None:
        for args in (
            ('db',),
            ('db', 'purge-tokens', '--batch', '0'),
            ('token', 'issue', '--server', 'x', '--type', 'x11'),
        ):
            self.assertEqual(2, self.manage(*args)[0])


class AllCommandsTest(CommandTest):
    def test_version_has_those_of_the_api_and_the_schema(self) -> None:
        for command in (api.main, listener.main, manage.main, status.main):
            code, out, _ = self.run_(command, '--version')
            self.assertEqual(0, code)
            self.assertRegex(
                out,
                r'^\d+\.\d+\.\d+\S* \(compute API 2\.1 to 2\.\d+, '
                rf'schema {migration.head()}\)\n$',
            )

    def test_the_proxy_has_neither_api_nor_schema(self) -> None:
        code, out, _ = self.run_(proxy.main, '--version')
        self.assertEqual(0, code)
        self.assertRegex(out, r'^\d+\.\d+\.\d+\S*\n$')

    def test_help_names_the_default_file(self) -> None:
        for command in (
            *(api.main, listener.main, manage.main),
            *(proxy.main, status.main),
        ):
            _, out, _ = self.run_(command, '--help')
            self.assertIn('Default: /etc/console-svc/console-svc.conf,', out)
            self.assertNotIn('Defaults to None', out)

    def test_an_invalid_file_is_one_line(self) -> None:
        self.configuration.file.write_text('[api\n')
        for command in (
            *(api.main, listener.main, manage.main),
            *(proxy.main, status.main),
        ):
            code, _, _ = self.run_(command)
            self.assertRegex(code, r'^x: Failed to parse .+\n?.*$')


def _name(owner: int) -> str:
    try:
        return pwd.getpwuid(owner).pw_name
    except KeyError:
        return str(owner)


class StatusTest(CommandTest):
    def test_upgrade_check_succeeds(self) -> None:
        code, out, _ = self.run_(status.main, 'upgrade', 'check')
        self.assertEqual((0, 5), (code, out.count('Success')), out)

    def test_upgrade_check_lists_names_that_nothing_reads(self) -> None:
        file = self.configuration.file
        file.write_text(
            f'{file.read_text()}[consoleath]\ntoken_ttl = 60\n'
            '[api]\nmax_bodysize = 1\n'
        )
        code, out, _ = self.run_(status.main, 'upgrade', 'check', '--json')
        (details,) = [
            check['details']
            for check in json.loads(out)['checks']
            if check['result']
        ]
        self.assertEqual(1, code)
        self.assertIn('section [consoleath] (consoleauth?)', details)
        self.assertIn('[api] max_bodysize', details)

    def test_upgrade_check_accepts_a_newer_schema(self) -> None:
        self.set_version('999')
        code, out, _ = self.run_(status.main, 'upgrade', 'check')
        self.assertEqual((0, 5), (code, out.count('Success')), out)

    def test_upgrade_check_refuses_an_older_schema(self) -> None:
        self.set_version('005')
        code, out, _ = self.run_(status.main, 'upgrade', 'check')
        self.assertEqual(2, code, out)
        self.assertIn('The schema is 005, not ', out)

    def test_upgrade_check_names_what_is_missing(self) -> None:
        self.configuration.key_file.unlink()
        self.configuration.inventory.unlink()
        for path in self.configuration.folder.glob('*.sqlite*'):
            path.unlink()
        code, out, _ = self.run_(status.main, 'upgrade', 'check', '--json')
        details = {
            check['check']: str(check['details'])
            for check in json.loads(out)['checks']
            if check['result']
        }
        self.assertEqual((2, 3), (code, len(details)), out)
        self.assertIn('db sync', details['Database schema'])
        self.assertIn('console-keys', details['Password keys'])
        self.assertIn('servers.yaml', details['Compute driver'])
