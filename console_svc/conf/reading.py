# SPDX-License-Identifier: Apache-2.0

"""The configuration files: where they are, and errors in reading them."""

import glob
import os
import pathlib
import sys
from collections.abc import Iterator, Sequence
from typing import Final

from oslo_config import cfg

PROJECT: Final = 'console-svc'

#: Where an operator's files are; users can have their own in their home.
SYSTEM_FOLDERS: Final = (f'/etc/{PROJECT}', '/etc')

_HELP: Final = (
    'Path of a configuration file. Can be repeated; later files take '
    f'precedence. Default: {SYSTEM_FOLDERS[0]}/{PROJECT}.conf, or the file of '
    f'this name in ~/.{PROJECT}, ~ or {SYSTEM_FOLDERS[1]}. '
)


class Unreadable(cfg.Error):
    """A configuration file cannot be read.

    :param path: the file, or the folder
    :param reason: the reason, without a full stop
    """

    def __init__(self, path: object, reason: object) -> None:
        super().__init__(f'cannot read {path}: {reason}')


class ConfigOpts(cfg.ConfigOpts):
    """oslo.config's, with a help text that names the default file."""

    @staticmethod
    def _make_config_options(
        default_config_files: list[str], default_config_dirs: list[str]
    ) -> list[cfg.Opt]:
        made = cfg.ConfigOpts._make_config_options(
            default_config_files, default_config_dirs
        )
        for option in made:
            if option.name == 'config-file':
                option.help = _HELP
        return made


def read(
    conf: cfg.ConfigOpts,
    args: Sequence[str],
    version: str,
    files: Sequence[str] | None = None,
    folders: Sequence[str] | None = None,
) -> None:
    """Read the command line and the files that it, or the caller, names.

    oslo.config ignores default files that it cannot find. One that exists but
    cannot be read is an error here: with the defaults, the service would use
    an empty database.

    :raises Unreadable: a file or a folder exists but cannot be read
    :raises oslo_config.cfg.Error: a file cannot be parsed, or a value is
        invalid
    """
    if not files and not any(it.startswith('--config-file') for it in args):
        _check_defaults()
    try:
        conf(
            args=list(args),
            project=PROJECT,
            version=version,
            default_config_files=list(files) if files else None,
            default_config_dirs=list(folders) if folders else None,
        )
        for folder in _folders(conf):
            os.listdir(os.path.expanduser(folder))
    except cfg.ConfigFilesNotFoundError as error:
        raise Unreadable(
            ', '.join(error.config_files), 'No such file'
        ) from error
    except cfg.ConfigFilesPermissionDeniedError as error:
        raise Unreadable(
            ', '.join(error.config_files), 'Permission denied'
        ) from error
    except cfg.ConfigDirNotFoundError as error:
        raise Unreadable(error.config_dir, 'No such directory') from error
    except OSError as error:
        raise Unreadable(error.filename, error.strerror) from error
    except UnicodeDecodeError as error:
        raise Unreadable('the configuration files', error) from error
    _check_values(conf)


def _check_values(conf: cfg.ConfigOpts) -> None:
    """Read each option once.

    oslo.config parses a value when it is read, which can be in a request.

    :raises oslo_config.cfg.Error: a value is invalid
    """
    for name in conf:
        found = conf[name]
        if isinstance(found, cfg.ConfigOpts.GroupAttr):
            tuple(found.values())


def _check_defaults() -> None:
    """Check that default files which are not found do not exist.

    :raises Unreadable: a folder cannot be entered, or a link leads nowhere
    """
    program = pathlib.Path(sys.argv[0]).stem
    for name in (PROJECT, program):
        for find, extension in (
            (cfg.find_config_files, '.conf'),
            (cfg.find_config_dirs, '.conf.d'),
        ):
            if any(
                path.endswith(f'/{name}{extension}')
                for path in find(PROJECT, program)
            ):
                continue
            for folder in SYSTEM_FOLDERS:
                _check_missing(f'{folder}/{name}{extension}')


def _check_missing(path: str) -> None:
    try:
        os.stat(path)
    except FileNotFoundError as error:
        if os.path.islink(path):
            raise Unreadable(path, error.strerror) from error
    except OSError as error:
        raise Unreadable(path, error.strerror) from error


def _folders(conf: cfg.ConfigOpts) -> Sequence[str]:
    """The folders of configuration files that were read."""
    found: Sequence[str] = conf.config_dirs or conf.default_config_dirs or ()
    return found


def paths(conf: cfg.ConfigOpts) -> Iterator[str]:
    """The configuration files that were read, in this order."""
    yield from conf.config_file or ()
    for folder in _folders(conf):
        yield from sorted(
            glob.glob(os.path.join(os.path.expanduser(folder), '*.conf'))
        )
