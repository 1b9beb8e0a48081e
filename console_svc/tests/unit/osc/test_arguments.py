# SPDX-License-Identifier: Apache-2.0

import argparse
import io
import logging
from unittest import mock

import testtools

from console_svc.osc.arguments import console_token


class ConsoleTokenTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.output = io.StringIO()
        handler = logging.StreamHandler(self.output)
        handler.setFormatter(logging.Formatter('%(name)s %(message)s'))
        root = logging.getLogger()
        root.addHandler(handler)
        self.addCleanup(root.removeHandler, handler)
        # Restore the formatters that console_token() wraps.
        for other in root.handlers:
            self.addCleanup(other.setFormatter, other.formatter)

    def logged(self) -> str:
        return self.output.getvalue()

    def test_a_token_is_masked_in_all_log_output(self) -> None:
        log = logging.getLogger('urllib3')
        self.assertEqual('the/token', console_token('the/token'))
        log.warning('GET %s', '/v2.1/os-console-auth-tokens/the%2Ftoken')
        log.error(argparse.Namespace(token='the/token'))
        try:
            raise ValueError('the/token')
        except ValueError:
            log.exception('failed')
        self.assertIn(
            'urllib3 GET /v2.1/os-console-auth-tokens/***\n', self.logged()
        )
        self.assertIn("urllib3 Namespace(token='***')\n", self.logged())
        self.assertIn('ValueError: ***\n', self.logged())

    def test_several_tokens_are_masked(self) -> None:
        for token in ('one-token', 'another'):
            console_token(token)
        logging.getLogger().error('one-token, another')
        self.assertEqual('root ***, ***\n', self.logged())

    def test_a_dash_reads_standard_input(self) -> None:
        with mock.patch('sys.stdin', io.StringIO('first\nsecond\n')):
            self.assertEqual('first', console_token('-'))
            self.assertEqual('second', console_token('-'))
            self.assertRaises(argparse.ArgumentTypeError, console_token, '-')

    def test_an_empty_token_is_refused(self) -> None:
        self.assertRaises(argparse.ArgumentTypeError, console_token, '')
        logging.getLogger().error('unchanged')
        self.assertEqual('root unchanged\n', self.logged())
