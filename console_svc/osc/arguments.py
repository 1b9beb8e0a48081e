# SPDX-License-Identifier: Apache-2.0

"""Arguments that nobody else should read."""

import argparse
import getpass
import logging
import sys
from urllib import parse


class _Masking(logging.Formatter):
    """Formats as another does, without a word.

    Tracebacks too, and what the libraries below log: urllib3 has each path.
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
    """A console token, which no log shows from now on.

    :param argument: the token, or ``-``: standard input has it, so that it
        is in no list of processes and no shell's history
    :raises argparse.ArgumentTypeError: it is empty
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
