# SPDX-License-Identifier: Apache-2.0

import copy
import os
from collections.abc import Mapping
from typing import Any, ClassVar

import testtools
from oslo_policy import policy as oslo_policy

from console_svc import exception, policy
from console_svc.context import RequestContext
from console_svc.policies import console_auth_tokens as policies
from console_svc.tests.fixtures import Configuration


class Counted(oslo_policy.Check):
    """Allows what its match says, and counts its evaluations."""

    callers: ClassVar[list[str]] = []

    def __call__(
        self,
        target: Mapping[str, Any],
        creds: Mapping[str, Any],
        enforcer: oslo_policy.Enforcer,
        current_rule: str | None = None,
    ) -> bool:
        self.callers.append(creds['user_id'])
        if self.match == 'unknown':
            raise RuntimeError('no answer')
        return bool(self.match == 'allowed')


class RememberedDecisionsTest(testtools.TestCase):
    """A caller's decision without another's project is evaluated once."""

    def setUp(self) -> None:
        super().setUp()
        oslo_policy.register('counted', Counted)
        self.addCleanup(oslo_policy._checks.registered_checks.pop, 'counted')
        self.addCleanup(Counted.callers.clear)
        configuration = self.useFixture(Configuration())
        self.file = configuration.policy
        self.written_at = 0
        self.write('allowed')
        self.policy = policy.Policy(configuration.conf)

    def write(self, match: str) -> None:
        self.file.write_text(f'"{policies.SHOW}": "counted:{match}"')
        # A file that was written just now is read each time.
        self.written_at += 1
        os.utime(self.file, (self.written_at, self.written_at))

    def can_show(
        self, context: RequestContext, project_id: str | None = None
    ) -> bool:
        try:
            self.policy.authorize(context, policies.SHOW, project_id)
        except exception.Forbidden:
            return False
        return True

    def test_once_for_the_requests_of_a_caller(self) -> None:
        caller = RequestContext(user_id='ann')
        for _ in range(3):
            self.assertTrue(self.can_show(copy.copy(caller)))
        self.assertEqual(['ann'], Counted.callers)

    def test_each_caller_has_its_own(self) -> None:
        for name in ('ann', 'bob'):
            self.assertTrue(self.can_show(RequestContext(user_id=name)))
        self.assertEqual(['ann', 'bob'], Counted.callers)

    def test_again_when_the_rules_have_changed(self) -> None:
        caller = RequestContext(user_id='ann')
        self.assertTrue(self.can_show(caller))
        self.write('denied')
        self.assertFalse(self.can_show(copy.copy(caller)))

    def test_again_after_one_that_could_not_be_made(self) -> None:
        self.write('unknown')
        caller = RequestContext(user_id='ann')
        for _ in range(2):
            self.assertFalse(self.can_show(copy.copy(caller)))
        self.assertEqual(['ann', 'ann'], Counted.callers)

    def test_once_for_the_own_project(self) -> None:
        caller = RequestContext(user_id='ann', project_id='one')
        for project_id in ('one', None, 'one', None):
            self.assertTrue(self.can_show(copy.copy(caller), project_id))
        self.assertEqual(['ann', 'ann'], Counted.callers)

    def test_each_time_for_another_project(self) -> None:
        caller = RequestContext(user_id='ann', project_id='one')
        for _ in range(2):
            self.assertTrue(self.can_show(caller, 'two'))
        self.assertEqual(['ann', 'ann'], Counted.callers)
        self.assertEqual({}, caller.decisions)
