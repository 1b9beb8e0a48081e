# SPDX-License-Identifier: Apache-2.0

"""Recorded requests, sent to console-svc; it answers as nova 34 did.

They are raw WSGI requests: gabbi's client would correct the errors in some of
them. Each deliberate difference is in the table of a test. Any other
difference fails.
"""

import dataclasses
import json
import pathlib
import re
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import testtools
import webob

from console_svc.tests import fixtures

_DATA = pathlib.Path(__file__).parent / 'data'
_TOKEN = re.compile(r'(token(?:=|%3D))[\w-]+')


@dataclasses.dataclass(frozen=True)
class Differs:
    """The response of console-svc where it differs, and why."""

    why: str
    status: int
    answer: Any


def fault(name: str, code: int, message: str, **more: str) -> dict[str, Any]:
    return {name: {'code': code, 'message': message, **more}}


def load(name: str) -> list[dict[str, Any]]:
    """The records of a file."""
    records: list[dict[str, Any]] = json.loads((_DATA / name).read_text())
    return records


class ReplayTest(testtools.TestCase):
    """One test for each record, with the service in the recorded state."""

    DIFFERENCES: ClassVar[Mapping[str, Differs]] = {}

    def setUp(self) -> None:
        super().setUp()
        self.api = self.useFixture(fixtures.Api())

    @classmethod
    def add_tests(cls, records: Iterable[dict[str, Any]]) -> None:
        """Add a test for each record."""
        for number, record in enumerate(records, 1):

            def test(
                self: ReplayTest, record: dict[str, Any] = record
            ) -> None:
                self.replay(record)

            words = re.sub(r'\W', '_', record['name'])
            setattr(cls, f'test_{number:03}_{words}', test)

    def replay(self, record: dict[str, Any]) -> None:
        """Send the recorded request, and compare the response."""
        request = webob.Request.blank(
            record['path'],
            method=record['method'],
            headers=record['headers'],
            body=(record['body'] or '').encode(),
        )
        if 'Content-Type' not in record['headers']:
            request.environ.pop('CONTENT_TYPE', None)
        answer = request.get_response(self.api.app)

        difference = self.DIFFERENCES.get(record['name'])
        expected = difference or Differs(
            '', record['status'], record['answer']
        )
        got = answer.json if answer.body else ''
        self.assertEqual(
            (expected.status, _masked(expected.answer)),
            (answer.status_int, _masked(got)),
        )
        for name, value in record['answer_headers'].items():
            if name == 'has x-openstack-request-id':
                continue
            if name == 'content-type' and difference:
                value = 'application/json'
                if answer.status_int >= 400:
                    value += '; charset=UTF-8'
            self.assertEqual(value, answer.headers.get(name), name)
        # nova leaves these out of some responses; console-svc does not.
        for name in (
            'OpenStack-API-Version',
            'X-OpenStack-Nova-API-Version',
            'Vary',
            'X-OpenStack-Request-Id',
            'X-Compute-Request-Id',
        ):
            self.assertIn(name, answer.headers)


def _masked(answer: Any) -> Any:
    """A response body without its tokens, which are random."""
    return json.loads(_TOKEN.sub(r'\1*', json.dumps(answer)))
