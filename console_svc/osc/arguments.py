# SPDX-License-Identifier: Apache-2.0

"""Console tokens as command line arguments."""

import argparse
import getpass
import logging
import sys
from urllib import parse


class _Masking(logging.Formatter):
    """Formats like another formatter, and masks a secret.

    This covers tracebacks and the log records of libraries: urllib3 logs the
    path of each request.
    """

    def __init__(self, formatter: logging.Formatter, secret: str) -> None:
        super().__init__()
        self._formatter = formatter
        self._forms = (secret, parse.quote(secret, safe=''))

    def format(self, record: logging.LogRecord) -> str:
        line = self._formatter.format(record)
        for form in self._forms:
            line = line.replace(form, '***')
        return line


def console_token(argument: str) -> str:
    """Parse a console token, and mask it in all log output from now on.

    :param argument: the token, or ``-`` to read it from standard input, which
        keeps it out of the process list and the shell's history
    :raises argparse.ArgumentTypeError: the token is empty
    """
    token = _read() if argument == '-' else argument
    if not token:
        raise argparse.ArgumentTypeError('the token is empty')
    for handler in logging.getLogger().handlers:
        handler.setFormatter(
            _Masking(handler.formatter or logging.Formatter(), token)
        )
    return token


def _read() -> str:
    if sys.stdin.isatty():
        return getpass.getpass('Token: ')
    return sys.stdin.readline().strip()
