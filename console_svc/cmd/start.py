# SPDX-License-Identifier: Apache-2.0

"""What the commands have in common at their start."""

import contextlib
import pathlib
import sys
from collections.abc import Iterator, Sequence
from typing import NoReturn

from keystoneauth1 import exceptions as keystone_exceptions
from oslo_config import cfg
from oslo_log import log

from console_svc import conf as configuration


def load(
    commands: Sequence[cfg.Opt] = (), versions: str | None = None
) -> cfg.ConfigOpts:
    """Read the configuration and set up logging.

    For parameters, see :func:`console_svc.conf.load`.

    :raises SystemExit: an error in the configuration, with its message
    """
    try:
        conf = configuration.load(
            sys.argv[1:], commands=commands, versions=versions
        )
        configuration.setup_logging(conf)
    except (cfg.Error, log.LogConfigError) as error:
        fail(error)
    return conf


@contextlib.contextmanager
def errors_reported() -> Iterator[None]:
    """Fail if the configuration cannot be used."""
    try:
        yield
    except (
        OSError,
        ValueError,
        cfg.Error,
        keystone_exceptions.ClientException,
    ) as error:
        fail(error)


def fail(error: Exception) -> NoReturn:
    """End the command with status 1 and one line on standard error."""
    sys.exit(f'{pathlib.Path(sys.argv[0]).name}: {error}')
