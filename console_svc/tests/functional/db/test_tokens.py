# SPDX-License-Identifier: Apache-2.0

"""Queries of console tokens."""

import testtools
from oslo_db import exception as db_exception

from console_svc.db import tables
from console_svc.objects import NATIVE_TYPE, ConnectInfo
from console_svc.tests.functional.db.base import (
    ENDING,
    NOW,
    OnSQLite,
    Queries,
    ids,
    token,
)


class Tokens(Queries):
    def setUp(self) -> None:
        super().setUp()
        self.queries = self.database.tokens

    def test_a_token_is_found_until_it_expires(self) -> None:
        stored = token(
            'a' * 64,
            connect_info=ConnectInfo('192.0.2.1', 5900, 5901, 'a-path'),
            client_address='2001:db8::1',
            encrypted_ticket='a-ticket',
            # Needs more than 32 bits.
            expires=2**33,
        )
        self.queries.create(stored, NOW)
        self.assertEqual(stored, self.queries.get('a' * 64, 2**33 - 1))
        self.assertIsNone(self.queries.get('a' * 64, 2**33))
        self.assertIsNone(self.queries.get('b' * 64, NOW))
        self.assertEqual(
            [NOW], self.column(tables.console_auth_tokens.c.created_at)
        )

    def test_the_ticket_itself_is_not_stored(self) -> None:
        info = ConnectInfo('192.0.2.1', 5900, ticket='a-ticket')
        self.create_token('hash', connect_info=info)
        self.assertEqual(token('hash'), self.queries.get('hash', NOW))

    def test_the_project_of_a_token_is_found_after_its_expiry(self) -> None:
        self.create_token('hash', expires=0)
        self.assertIsNone(self.queries.get('hash', NOW))
        self.assertEqual('demo', self.queries.get_project('hash'))
        self.assertIsNone(self.queries.get_project('unknown'))

    def test_duplicate_token_hashes_are_refused(self) -> None:
        self.create_token('hash')
        self.assertRaises(
            db_exception.DBDuplicateEntry, self.create_token, 'hash'
        )

    def test_a_token_beyond_the_limit_replaces_the_oldest_unused_one(
        self,
    ) -> None:
        def create(token_hash: str, **values: object) -> None:
            self.queries.create(token(token_hash, **values), NOW, 2)

        create('used')
        self.open_session('a', token_hash='used')
        # None of these counts for the user and the server.
        create('of another user', user_id='jane')
        create('of another server', server_id='other')
        create('of nobody', user_id=None)
        create('of a native console', console_type=NATIVE_TYPE)
        others = self.hashes()
        for token_hash in ('first', 'second', 'third', 'fourth'):
            create(token_hash)
        self.assertEqual(sorted([*others, 'third', 'fourth']), self.hashes())

    def test_without_a_limit_no_token_is_replaced(self) -> None:
        for number in range(5):
            self.create_token(str(number))
        self.assertEqual(5, len(self.hashes()))

    def test_surplus_tokens_are_deleted_in_batches(self) -> None:
        for number in range(150):
            self.create_token(f'{number:03}')
        self.queries.create(token('new'), NOW, 1)
        # 100 of the 150 older ones, from the newest.
        self.assertEqual(51, len(self.hashes()))
        self.queries.create(token('newer'), NOW, 1)
        self.assertEqual(['newer'], self.hashes())

    def test_purge_deletes_expired_tokens_in_batches(self) -> None:
        for number in range(5):
            self.create_token(str(number), expires=NOW + number)
        self.assertEqual(2, self.queries.purge(NOW + 3, 2))
        self.assertEqual(['2', '3', '4'], self.hashes())
        self.assertEqual(2, self.queries.purge(NOW + 3, 3))
        self.assertEqual(['4'], self.hashes())
        self.assertEqual(0, self.queries.purge(NOW + 3, 3))
        self.assertEqual(['4'], self.hashes())

    def test_purge_of_more_tokens_than_sql_parameters(self) -> None:
        number = 33_000
        with self.database.engine.begin() as connection:
            connection.execute(
                tables.console_auth_tokens.insert(),
                [
                    {
                        'token_hash': str(it),
                        'server_id': 'server',
                        'project_id': 'demo',
                        'console_type': 'novnc',
                        'host': '192.0.2.1',
                        'port': 5900,
                        'created_at': NOW,
                        'expires': NOW,
                    }
                    for it in range(number)
                ],
            )
        self.assertEqual(number, self.queries.purge(NOW, 10 * number))
        self.assertEqual([], self.hashes())

    def test_tokens_are_deleted_with_their_sessions(self) -> None:
        for name, server in (('a', 's'), ('b', 's'), ('c', 't')):
            self.create_token(name, server_id=server)
            self.open_session(name, token_hash=name, server_id=server)
        self.assertEqual(['a'], ids(self.queries.delete('a', ENDING)))
        self.assertEqual(['b', 'c'], self.hashes())
        self.assertEqual([], self.queries.delete('a', ENDING))
        self.assertEqual(
            ['b'], ids(self.queries.delete_of_server('s', ENDING))
        )
        self.assertEqual(['c'], self.hashes())
        self.assertEqual([], self.list_sessions('s'))
        self.assertEqual(['c'], self.list_sessions('t'))

    def test_comparisons_are_case_and_accent_sensitive(self) -> None:
        # These are not duplicates.
        self.create_token('abc')
        self.create_token('ABC')
        for name in ('Abc', '\u00e4bc'):
            self.assertIsNone(self.queries.get(name, NOW))
            self.assertIsNone(self.queries.get_project(name))
            self.assertEqual([], self.queries.delete(name, ENDING))
        for name in ('Server', 's\u00e9rver'):
            self.assertEqual([], self.queries.delete_of_server(name, ENDING))
        self.assertEqual(['ABC', 'abc'], self.hashes())


class SQLiteTokens(OnSQLite, Tokens, testtools.TestCase):
    pass
