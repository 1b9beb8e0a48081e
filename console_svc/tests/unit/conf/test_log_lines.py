# SPDX-License-Identifier: Apache-2.0

"""Log lines are those of oslo.log."""

import logging
import sys
from typing import Any
from unittest import mock

import testtools
from oslo_context import context as oslo_context
from oslo_context import fixture
from oslo_log import formatters

from console_svc import conf as configuration
from console_svc.conf import log_lines
from console_svc.context import RequestContext

_DATE = '%Y-%m-%d %H:%M:%S'
_CALLER = {
    'user_id': 'jo%(e)s',
    'project_id': 'Ж',
    'domain_id': 'd',
    'user_domain_id': 'default',
    'project_domain_id': 'other',
    'global_request_id': 'req-0',
}


def record(**values: Any) -> logging.LogRecord:
    return logging.makeLogRecord(
        {
            'name': 'a.name',
            'levelno': logging.INFO,
            'levelname': 'INFO',
            'msg': '%s is 100%%\n',
            'args': ('it',),
            **values,
        }
    )


class FormatterTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.useFixture(fixture.ClearRequestContext())
        self.conf = configuration.load(files=['/dev/null'])

    def formatter(
        self, kind: type[formatters.ContextFormatter], datefmt: str | None
    ) -> formatters.ContextFormatter:
        return kind(datefmt=datefmt, config=self.conf, project='a', version=1)

    def check(self, datefmt: str | None = _DATE, **values: Any) -> str:
        """Check that a line is that of oslo.log, and return it."""
        values = {'created': 1790000000.25, 'msecs': 250.0, **values}
        theirs, ours = (
            self.formatter(kind, datefmt).format(record(**values))
            for kind in (formatters.ContextFormatter, log_lines.Formatter)
        )
        self.assertEqual(theirs, ours)
        return ours

    def check_all(self) -> None:
        """Check records of all kinds."""
        self.check()
        self.check(msecs=7.9)
        self.check(args=())
        self.check(datefmt=None)
        self.check(levelno=logging.DEBUG)
        self.check(levelno=logging.WARNING)
        self.check(instance_uuid='uuid')
        self.check(stack_info='where')
        self.check(exc_text='what')
        try:
            raise KeyError('a')
        except KeyError:
            self.check(exc_info=sys.exc_info())
            self.check(levelno=logging.ERROR)

    def test_lines_without_a_request(self) -> None:
        self.check_all()

    def test_lines_of_a_request(self) -> None:
        for caller in ({}, _CALLER, {**_CALLER, 'system_scope': 'all'}):
            RequestContext(**caller)
            self.check_all()
        self.assertIn('[req-0 req-', self.check())

    def test_lines_about_a_resource(self) -> None:
        RequestContext(**_CALLER, resource_uuid='uuid')
        self.check_all()

    def test_lines_with_an_explicit_context(self) -> None:
        RequestContext(**_CALLER)
        other = oslo_context.RequestContext(user_id='a', overwrite=False)
        self.assertIn(other.request_id, self.check(context=other))

    def test_other_formats(self) -> None:
        RequestContext(**_CALLER)
        for name, text in (
            ('logging_context_format_string', '%(isotime)s %(message)s'),
            ('logging_context_format_string', '%(request_id)s %(message)s'),
            ('logging_user_identity_format', '%(user_name)s %(project)s'),
            ('logging_user_identity_format', '%(user)s'),
        ):
            self.conf.set_override(name, text)
            self.check_all()
            self.conf.clear_override(name)

    def test_each_second_has_its_own_time(self) -> None:
        RequestContext(**_CALLER)
        formatter = self.formatter(log_lines.Formatter, _DATE)
        times = [
            formatter.format(record(created=1790000000 + seconds))[17:19]
            for seconds in (0, 0.5, 1, 61)
        ]
        self.assertEqual(['20', '20', '21', '21'], times)

    def test_usual_lines_are_not_left_to_oslo_log(self) -> None:
        RequestContext(**_CALLER)
        formatter = self.formatter(log_lines.Formatter, _DATE)
        with mock.patch.object(formatters.ContextFormatter, 'format') as slow:
            formatter.format(record())
        slow.assert_not_called()


class HandlersTest(testtools.TestCase):
    def test_other_formatters_stay(self) -> None:
        conf = configuration.load(files=['/dev/null'])
        theirs = (
            formatters.JSONFormatter(),
            log_lines.Formatter(config=conf),
            logging.Formatter(),
        )
        handlers = [logging.NullHandler() for _ in range(4)]
        for handler, formatter in zip(handlers, theirs, strict=False):
            handler.setFormatter(formatter)
        replaced = formatters.ContextFormatter(
            datefmt=_DATE, project='a', version='1', config=conf
        )
        handlers[3].setFormatter(replaced)
        with mock.patch.object(logging.root, 'handlers', handlers):
            log_lines.use_formatter()
        self.assertEqual(theirs, tuple(it.formatter for it in handlers[:3]))
        ours = handlers[3].formatter
        self.assertIsInstance(ours, log_lines.Formatter)
        self.assertEqual(_DATE, ours.datefmt)
        self.assertEqual('a', ours.project)
        self.assertIs(conf, ours.conf)
