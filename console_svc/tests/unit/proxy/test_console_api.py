# SPDX-License-Identifier: Apache-2.0

"""The proxy's client of the API, with an API and a keystone that are odd."""

import json
import time
from typing import Any

from console_svc import exception, over_limit
from console_svc.proxy import api_answers
from console_svc.proxy.api_answers import OpenedSession
from console_svc.proxy.console_api import ConsoleApi
from console_svc.proxy.errors import (
    ApiUnavailable,
    Conflict,
    NoPlace,
    Refused,
    TryAgainLater,
)
from console_svc.proxy.keep_alive_answers import KeptProcess
from console_svc.tests.integration.stub import Answer
from console_svc.tests.unit.proxy.api import (
    ADDRESS,
    KEPT,
    OPENED,
    TOKEN,
    ApiTest,
    keystone,
)

#: JSON that is not the object that it should be.
ODD = [[], None, 17, 'text', b'<html>', b'[' * 100_000, {'x': 1}]


class ConsoleApiTest(ApiTest):
    def setUp(self) -> None:
        self.answer = Answer(200, {'console_sessions': [KEPT]})
        super().setUp()

    def respond(self, method: str, path: str) -> Answer:
        if self.is_close(method) or path.startswith('/v3'):
            return super().respond(method, path)
        return self.answer

    def keep(self) -> Any:
        return self.run_(self.api.keep([KEPT['id']]))

    def open(self, **session: Any) -> OpenedSession:
        """Open a session; the API answers with other values."""
        if session:
            self.answer = Answer(201, {'session': {**OPENED, **session}})
        return self.run_(self.api.open(TOKEN, ADDRESS))

    def is_available(self, api: ConsoleApi) -> bool:
        """Send a keep-alive; any other exception fails the test."""
        try:
            kept = self.run_(api.keep([OPENED['id']]))
        except ApiUnavailable as error:
            self.assertNotEqual('', str(error))
            return False
        self.assertEqual({OPENED['id']: None}, kept)
        return True

    def test_odd_answers_of_keystone_pass(self) -> None:
        """They are outages, and end with the odd answers."""
        for odd in (
            Answer(201, keystone().body),
            *(Answer(201, it) for it in ODD),
            *(
                Answer(201, it, headers=keystone().headers)
                for it in ODD
                if it != {'x': 1}
            ),
        ):
            self.keystone = odd
            api = self.client()
            self.assertFalse(self.is_available(api), odd)
            self.keystone = keystone()
            self.assertTrue(self.is_available(api), odd)
            self.assertTrue(self.is_available(api), odd)

    def test_odd_answers_to_a_keep_alive(self) -> None:
        for odd in (
            *ODD,
            *({'console_sessions': it} for it in (None, {}, 'text', [[]])),
            *(
                {'console_sessions': [{**KEPT, name: value}]}
                for name, value in (
                    ('id', None),
                    ('id', []),
                    ('expires_in', 'soon'),
                    ('expires_in', True),
                    ('expires_in', 1.5),
                    ('expires_in', 10**400),
                )
            ),
            {'console_sessions': [{'id': KEPT['id'], 'expires': 'soon'}]},
            {'console_sessions': [{'id': KEPT['id']}]},
        ):
            self.answer = Answer(200, odd)
            error = self.assertRaises(ApiUnavailable, self.keep)
            self.assertNotEqual('', str(error))

    def test_odd_answers_to_the_keep_alive_of_a_process(self) -> None:
        process = {'session_count': 1, 'ended_session_ids': [KEPT['id']]}
        kept = {'console_sessions': [KEPT], 'console_proxy': process}
        for odd in (
            *ODD,
            {'console_sessions': [KEPT]},
            {**kept, 'console_sessions': None},
            {**kept, 'console_proxy': []},
            *(
                {**kept, 'console_proxy': {**process, name: value}}
                for name, value in (
                    ('session_count', None),
                    ('session_count', True),
                    ('session_count', '1'),
                    ('ended_session_ids', None),
                    ('ended_session_ids', {}),
                    ('ended_session_ids', [17]),
                    ('ended_session_ids', [[]]),
                    ('ended', []),
                    ('ended', {KEPT['id']: 17}),
                    ('modes', []),
                    ('modes', {KEPT['id']: 'root'}),
                    ('modes', {KEPT['id']: []}),
                )
            ),
        ):
            self.answer = Answer(200, odd)
            error = self.assertRaises(
                ApiUnavailable, self.run_, self.api.keep_process([])
            )
            self.assertNotEqual('', str(error))
        self.answer = Answer(200, kept)
        self.assertEqual(
            KeptProcess({KEPT['id']: None}, [KEPT['id']], 1),
            self.run_(self.api.keep_process([KEPT['id']])),
        )

    def test_older_api_does_not_know_processes(self) -> None:
        fault = {'code': 400, 'message': 'Additional properties'}
        self.answer = Answer(400, {'badRequest': fault})
        self.assertIsNone(self.run_(self.api.keep_process([])))

    def test_each_process_has_its_own_id(self) -> None:
        for api in (self.api, self.api, self.client()):
            self.answer = Answer(400, {'badRequest': {'code': 400}})
            self.run_(api.keep_process([KEPT['id']]))
        bodies = [
            json.loads(body)['console_sessions']
            for (_, path, _), body in zip(
                self.stub.requests, self.stub.bodies, strict=True
            )
            if not path.startswith('/v3')
        ]
        self.assertEqual([[KEPT['id']]] * 3, [it['ids'] for it in bodies])
        first, second, other = (it['proxy_id'] for it in bodies)
        self.assertEqual(first, second)
        self.assertNotEqual(first, other)

    def test_odd_answers_to_an_open(self) -> None:
        for odd in (*ODD, *({'session': it} for it in ODD[:4])):
            self.answer = Answer(201, odd)
            self.assertRaises(TryAgainLater, self.open)
        for name, value in (
            ('id', None),
            ('host', 17),
            ('port', '5901'),
            ('port', 0),
            ('port', 65536),
            ('console_type', []),
            ('internal_access_path', {}),
            ('expires_in', 'soon'),
            ('mode', 'root'),
            ('mode', None),
        ):
            self.assertRaises(TryAgainLater, self.open, **{name: value})
        self.assertNotIn(TOKEN, self.log.output)

    def test_refusal_of_the_credential_is_an_outage(self) -> None:
        for message in (
            str(exception.Forbidden(rule='os_compute_api:sessions:create')),
            'Forbidden',
        ):
            fault = {'code': 403, 'message': message}
            self.answer = Answer(403, {'forbidden': fault})
            self.assertRaises(TryAgainLater, self.open)
            self.assertRaises(
                TryAgainLater,
                self.run_,
                self.api.log_in({'port': 5900}, b'', b'', ADDRESS),
            )
            self.assertIn(f'HTTP 403: {message}', self.log.output)

    def test_refusal_of_the_address_is_the_users(self) -> None:
        message = str(exception.WrongAddress())
        self.assertEqual(api_answers.WRONG_ADDRESS, message)
        fault = {'code': 403, 'message': message}
        self.answer = Answer(403, {'forbidden': fault})
        error = self.assertRaises(Refused, self.open)
        self.assertEqual(f'{message}.', error.reason)

    def test_refusal_because_of_a_limit_is_the_users(self) -> None:
        for error, reason in (
            (
                over_limit.UserOverLimit(5),
                'The user has as many console sessions as a user may.',
            ),
            (
                over_limit.ProjectOverLimit('demo', 'console_sessions', 5, 5),
                'The project has as many console sessions as it may.',
            ),
        ):
            fault = {'code': 403, 'message': f'{error}', **error.details}
            self.answer = Answer(403, {'forbidden': fault})
            for request in (
                self.open,
                lambda: self.run_(
                    self.api.log_in({'port': 5900}, b'', b'', ADDRESS)
                ),
            ):
                refusal = self.assertRaises(Conflict, request)
                self.assertEqual(reason, refusal.reason)
            self.assertIn(str(error), self.log.output)
            # A limit that this proxy does not know, and other statuses.
            for status, limit in (403, 'domain'), (403, []), (500, 'user'):
                fault = {'code': status, 'message': '', 'limit_of': limit}
                self.answer = Answer(status, {'fault': fault})
                self.assertRaises(TryAgainLater, self.open)

    def test_holders_of_a_console_are_named(self) -> None:
        holder = {
            'user_id': 'f' * 64,
            'client_address': ADDRESS,
            'created_at': 1_800_000_000,
            'mode': 'control',
        }
        user = 'user ' + 'f' * 64
        for holders, reason in (
            ([], 'Full.'),
            ([holder], f'Used by {user} since 2027-01-15 08:00 UTC.'),
            (
                [{**holder, 'user_id': None}] * 2,
                'Used by another user since 2027-01-15 08:00 UTC, and by 1 '
                'other.',
            ),
            (
                [holder] * 10,
                f'Used by {user} since 2027-01-15 08:00 UTC, and by 9 others.',
            ),
        ):
            # It fits into a close frame.
            self.assertLessEqual(len(reason), 123)
            for takeover in {}, {'takeover': 'allowed'}:
                error = self.refusal(holders=holders, **takeover)
                self.assertEqual(reason, error.reason)
                if takeover or holders:
                    assert isinstance(error, NoPlace)
                    self.assertEqual(bool(takeover), error.can_take_over)
                    self.assertEqual(len(holders), len(error.holders))
        for odd in (
            *ODD,
            *({**holder, name: []} for name in holder),
            {**holder, 'created_at': -1},
            {**holder, 'created_at': 2**41},
        ):
            self.assertRaises(TryAgainLater, self.refusal, holders=[odd])
        self.assertRaises(TryAgainLater, self.refusal, holders=holder)

    def refusal(self, **members: Any) -> Conflict:
        """The error of a refusal with these members."""
        fault = {'code': 409, 'message': 'Full', **members}
        self.answer = Answer(409, {'conflictingRequest': fault})
        return self.assertRaises(Conflict, self.open)

    def test_seconds_left_are_counted_from_the_request(self) -> None:
        """Whatever time it is at either end."""
        before = time.monotonic()
        deadline = self.open(expires=17, expires_in=100).deadline
        self.assertIsNotNone(deadline)
        assert deadline is not None
        self.assertLessEqual(before + 100, deadline)
        self.assertLessEqual(deadline, time.monotonic() + 100)
        self.answer = Answer(
            200, {'console_sessions': [{**KEPT, 'expires_in': 50}]}
        )
        (deadline,) = self.keep().values()
        self.assertLessEqual(before + 50, deadline)
        self.assertLessEqual(deadline, time.monotonic() + 50)

    def test_older_api_is_asked_for_its_clock(self) -> None:
        session = {**OPENED, 'expires': 1_000_000_100}
        del session['expires_in']
        self.answer = Answer(
            201,
            {'session': session},
            headers={'Date': 'Sun, 09 Sep 2001 01:46:40 GMT'},
        )
        before = time.monotonic()
        deadline = self.open().deadline
        assert deadline is not None
        self.assertLessEqual(before + 100, deadline)
        self.assertLessEqual(deadline, time.monotonic() + 100)
