# SPDX-License-Identifier: Apache-2.0

from typing import Any

import testtools

from console_svc import exception
from console_svc.api.middleware import context
from console_svc.api.request import CALLER


class ContextTest(testtools.TestCase):
    def caller(self, **environ: Any) -> Any:
        """The caller that middleware makes of what auth_token has set."""
        found = {'HTTP_X_IDENTITY_STATUS': 'Confirmed', **environ}
        context.Context(lambda *_: [])(found, lambda *_: lambda _: None)
        return found[CALLER]

    def test_a_caller_that_is_not_confirmed_is_refused(self) -> None:
        self.assertRaises(
            exception.NotAuthenticated,
            self.caller,
            HTTP_X_IDENTITY_STATUS='Invalid',
            HTTP_X_PROJECT_ID='demo',
        )

    def test_a_token_without_a_scope_is_refused(self) -> None:
        self.assertRaises(context.Unscoped, self.caller, HTTP_X_USER_ID='ann')
        for scope in (
            {'HTTP_X_PROJECT_ID': 'demo'},
            {'HTTP_X_DOMAIN_ID': 'default'},
            {'HTTP_OPENSTACK_SYSTEM_SCOPE': 'all'},
        ):
            self.assertTrue(self.caller(**scope).has_scope)

    def test_access_rules_are_those_of_the_token(self) -> None:
        for credential, expected in (
            (None, False),
            ({}, False),
            ({'access_rules': None}, False),
            ({'access_rules': []}, True),
            ({'access_rules': [{'path': '/v2.1/servers'}]}, True),
        ):
            token = {'application_credential': credential}
            caller = self.caller(
                HTTP_X_PROJECT_ID='demo',
                **{'keystone.token_info': {'token': token}},
            )
            self.assertEqual(expected, caller.has_access_rules)
