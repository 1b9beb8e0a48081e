# SPDX-License-Identifier: Apache-2.0

"""console-svc-manage: the commands of operators."""

import argparse
import os
import pathlib
import sys
from collections.abc import Callable
from typing import Any

import alembic.util
import sqlalchemy
from oslo_config import cfg
from oslo_db import exception as db_exception

from console_svc import exception
from console_svc.cmd import recordings, start, versions
from console_svc.consoles import vault
from console_svc.context import admin_context
from console_svc.db import migration
from console_svc.db.database import Database
from console_svc.db.errors import SchemaMismatch, describe
from console_svc.objects import ConsoleType
from console_svc.services import Services

Command = Callable[[cfg.ConfigOpts], None]


def db_sync(conf: cfg.ConfigOpts) -> None:
    """Migrate the database to the newest schema, or to the given version.

    For an empty database, also create the key file, if there is none.
    """
    _make_sqlite_file(conf)
    database = Database(conf)
    is_empty = migration.version(database) is None
    migration.sync(database, conf.command.version or 'head')
    print(f'The schema is {migration.version(database)}.')
    key_file = pathlib.Path(conf.consoles.key_file)
    if key_file.exists():
        return
    reason = 'the database is in use'
    if is_empty:
        try:
            vault.create_key_file(key_file)
        except OSError as error:
            # The schema is current all the same.
            reason = str(error)
        else:
            print(
                f'Created the key file {key_file} of the user '
                f'{_owner(key_file)}: every API host needs it.'
            )
            return
    print(
        f'There is no key file {key_file}, and none was created ({reason}): '
        'copy it from another API host, or create one with '
        '"console-svc-manage keys create".',
        file=sys.stderr,
    )


def _owner(path: pathlib.Path) -> str:
    try:
        return path.owner()
    except KeyError:
        # The user has no name.
        return str(path.stat().st_uid)


def _make_sqlite_file(conf: cfg.ConfigOpts) -> None:
    """Create the file of an SQLite database for the owner of its folder.

    Otherwise root would create it for itself, and the service could not
    write to it.
    """
    url = sqlalchemy.make_url(conf.database.connection)
    if url.get_backend_name() != 'sqlite':
        return
    if url.database in (None, '', ':memory:'):
        return
    path = pathlib.Path(url.database)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.exists():
        return
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW
    descriptor = os.open(path, flags, 0o600)
    try:
        if os.geteuid() == 0:
            folder = path.parent.stat()
            os.fchown(descriptor, folder.st_uid, folder.st_gid)
    finally:
        os.close(descriptor)


def db_version(conf: cfg.ConfigOpts) -> None:
    """Print the schema's version.

    On standard error, also say what to do if it is too old.
    """
    found = migration.version(Database(conf))
    print(found or 'empty')
    if migration.is_old(found):
        print(
            f'This version of console-svc has the schema {migration.head()}: '
            'run "console-svc-manage db sync".',
            file=sys.stderr,
        )


def db_purge_tokens(conf: cfg.ConfigOpts) -> None:
    """Delete expired tokens, lapsed sessions, old history and stale consoles.

    The history is as old as [consoleauth] history_days. Stale consoles have
    expired, or their server was deleted or has moved.
    """
    purged = Services(conf).purge.run(
        conf.command.batch, conf.command.max_seconds
    )
    print(
        f'{purged.tokens} tokens, {purged.sessions} sessions, '
        f'{purged.consoles} consoles, {purged.history} sessions of the '
        'history purged'
    )


def keys_create(conf: cfg.ConfigOpts) -> None:
    """Create the key file, which encrypts console passwords."""
    vault.create_key_file(_key_file(conf))


def keys_rotate(conf: cfg.ConfigOpts) -> None:
    """Put a new key first in the key file; the old ones still decrypt."""
    vault.rotate_key_file(_key_file(conf))


def _key_file(conf: cfg.ConfigOpts) -> pathlib.Path:
    options = conf.recording if conf.command.of_recordings else conf.consoles
    return pathlib.Path(options.key_file)


def token_issue(conf: cfg.ConfigOpts) -> None:
    """Issue a console token and print it."""
    services = Services(conf)
    context = admin_context()
    server = services.driver.get_server(context, conf.command.server)
    print(
        services.tokens.issue(
            context, server, conf.command.type, conf.command.ttl
        )
    )


def positive(text: str) -> int:
    """Parse an argument that is a positive number."""
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def add_commands(groups: Any) -> None:
    """Add the subcommands to the command line parser."""

    def add(
        group: Any, name: str, command: Command
    ) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = group.add_parser(
            name, help=command.__doc__, description=command.__doc__
        )
        parser.set_defaults(run=command)
        return parser

    def add_group(name: str, text: str) -> Any:
        parser = groups.add_parser(name, help=text)
        return parser.add_subparsers(required=True, metavar='COMMAND')

    database = add_group('db', 'manage the database')
    sync = add(database, 'sync', db_sync)
    sync.add_argument('version', nargs='?', metavar='VERSION')
    add(database, 'version', db_version)
    purge = add(database, 'purge-tokens', db_purge_tokens)
    purge.add_argument(
        '--batch',
        type=positive,
        default=1000,
        metavar='N',
        help='rows that one statement deletes (default: %(default)s)',
    )
    purge.add_argument(
        '--max-seconds',
        type=positive,
        metavar='S',
        help='start no further statement after this time',
    )

    keys = add_group('keys', 'manage the keys of the console passwords')
    for command in (
        add(keys, 'create', keys_create),
        add(keys, 'rotate', keys_rotate),
    ):
        command.add_argument(
            '--recording',
            dest='of_recordings',
            action='store_true',
            help='the key file of recordings instead',
        )

    token = add_group('token', 'manage console tokens')
    issue = add(token, 'issue', token_issue)
    issue.add_argument('--server', required=True, metavar='ID')
    issue.add_argument('--type', required=True, choices=[*ConsoleType])
    issue.add_argument('--ttl', type=positive, metavar='SECONDS')

    recording = add_group('recording', 'read recordings of sessions')
    add(recording, 'list', recordings.recording_list)
    add(recording, 'index', recordings.recording_index)
    check = add(recording, 'check', recordings.recording_check)
    check.add_argument('ids', nargs='*', metavar='ID')
    export = add(recording, 'export', recordings.recording_export)
    export.add_argument('id', metavar='ID')
    export.add_argument(
        '--input',
        action='store_true',
        help='what the client has sent, if it was recorded',
    )


def main() -> int:
    """Run a command; an error is one line on standard error, status 1."""
    conf = start.load(
        [cfg.SubCommandOpt('command', title='commands', handler=add_commands)],
        versions.text(),
    )
    try:
        conf.command.run(conf)
    except SchemaMismatch as error:
        print(
            'console-svc-manage: the schema of the database is missing or too '
            f'old: run "console-svc-manage db sync" ({describe(error)})',
            file=sys.stderr,
        )
        return 1
    except (
        OSError,
        ValueError,
        alembic.util.CommandError,
        cfg.Error,
        db_exception.DBError,
        exception.ConsoleSvcError,
    ) as error:
        print(f'console-svc-manage: {error}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
