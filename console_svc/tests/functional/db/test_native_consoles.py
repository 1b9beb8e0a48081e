# SPDX-License-Identifier: Apache-2.0

"""Queries of native consoles."""

import dataclasses
from typing import Any

import testtools
from oslo_db import exception as db_exception

from console_svc.db import tables
from console_svc.objects import GatewayConsole, GatewayPort
from console_svc.tests.functional.db.base import (
    ENDING,
    NOW,
    OnSQLite,
    Queries,
    console,
    token,
)


class NativeConsoles(Queries):
    def setUp(self) -> None:
        super().setUp()
        self.queries = self.database.native_consoles

    def create(self, server_id: str = 'server', **values: Any) -> None:
        """Store a console that the driver has opened."""
        self.queries.create(console(server_id, **values), NOW)

    def create_on_gateway(
        self, server_id: str, token_hash: str, **values: Any
    ) -> None:
        self.queries.create_on_gateway(
            console(server_id, token_hash=token_hash, **values),
            token(token_hash, server_id=server_id),
            NOW,
        )

    def test_consoles_are_created_listed_and_deleted(self) -> None:
        self.assertEqual([], self.queries.list('server'))
        self.create(server_host='b')
        self.create(server_host='a')
        self.create('other')
        first, second = self.queries.list('server')
        self.assertEqual(console(server_host='b', id=first.id), first)
        self.assertEqual('a', second.server_host)
        self.assertLess(first.id, second.id)
        self.assertTrue(self.queries.delete(first.id))
        self.assertFalse(self.queries.delete(first.id))
        self.assertEqual([second], self.queries.list('server'))
        self.assertEqual(1, len(self.queries.list('other')))

    def test_every_field_of_a_console_is_stored(self) -> None:
        stored = console(gateway_port=5901, token_hash='a', expires=2**33)
        self.queries.create_on_gateway(stored, token('a'), NOW)
        (found,) = self.queries.list('server')
        self.assertEqual(dataclasses.replace(stored, id=found.id), found)
        columns = tables.consoles.c
        self.assertEqual([NOW], self.column(columns.created_at))
        self.assertEqual([0], self.column(columns.failures))
        self.assertEqual([0], self.column(columns.locked_until))

    def test_duplicate_consoles_are_refused(self) -> None:
        self.create()
        self.assertRaises(
            db_exception.DBDuplicateEntry,
            self.create,
            encrypted_password='another',
        )
        (found,) = self.queries.list('server')
        self.assertEqual('secret', found.encrypted_password)

    def test_consoles_on_the_gateway_are_refused_with_their_tokens(
        self,
    ) -> None:
        self.create_on_gateway('server', 'a', gateway_port=5901)
        for server_id, port in (('server', 5902), ('other', 5901)):
            self.assertRaises(
                db_exception.DBDuplicateEntry,
                self.create_on_gateway,
                server_id,
                'b',
                gateway_port=port,
            )
        self.assertEqual(['a'], self.hashes())
        # Several consoles may have no port.
        self.create_on_gateway('other', 'b')
        self.create_on_gateway('third', 'c')
        self.assertEqual(['a', 'b', 'c'], self.hashes())

    def test_ports_of_the_gateway_are_listed(self) -> None:
        self.create_on_gateway(
            'server', 'a', gateway_port=5901, expires=NOW + 600
        )
        self.create_on_gateway('other', 'b', gateway_port=5902)
        self.create_on_gateway('third', 'c')
        self.create('by-driver')
        self.assertEqual(
            {
                GatewayPort(5901, 'a', NOW + 600),
                GatewayPort(5902, 'b', None),
            },
            set(self.queries.list_ports()),
        )

    def test_log_ins_find_consoles_on_the_gateway(self) -> None:
        self.create_on_gateway('server', 'a', gateway_port=5901)
        self.create_on_gateway('other', 'b')
        self.create_on_gateway('third', 'c')
        self.create('by-driver')
        (stored,) = self.queries.list('server')
        expected = GatewayConsole(
            id=stored.id,
            token_hash='a',
            server_id='server',
            project_id='demo',
            user_id='joe',
            console_type='vnc',
            expires=NOW + 600,
            lists_sessions=True,
            server_host='compute-1',
            encrypted_password='secret',
        )
        self.assertEqual(expected, self.queries.find_by_port(5901, NOW))
        self.assertIsNone(self.queries.find_by_port(5902, NOW))
        self.assertEqual(expected, self.queries.find_by_server('server', NOW))
        self.assertIsNone(self.queries.find_by_server('by-driver', NOW))
        # At most two are returned, the newest first.
        found = self.queries.find_by_instance_name('instance-00000001', NOW)
        self.assertEqual(['c', 'b'], [each.token_hash for each in found])
        self.assertEqual(
            [], self.queries.find_by_instance_name('Instance-00000001', NOW)
        )

    def test_log_ins_find_no_console_with_an_expired_token(self) -> None:
        self.create_on_gateway('server', 'a', gateway_port=5901)
        after = NOW + 600
        self.assertIsNotNone(self.queries.find_by_port(5901, after - 1))
        self.assertIsNone(self.queries.find_by_port(5901, after))
        self.assertIsNone(self.queries.find_by_server('server', after))
        self.assertEqual(
            [], self.queries.find_by_instance_name('instance-00000001', after)
        )

    def test_consoles_on_the_gateway_are_deleted_with_their_tokens(
        self,
    ) -> None:
        for name in ('a', 'b', 'c'):
            self.create_on_gateway(name, name)
            self.create(name, server_host='by-driver')

        def left() -> list[str]:
            return [
                name
                for name in ('a', 'b', 'c')
                if len(self.queries.list(name)) == 2
            ]

        self.database.tokens.delete('a', ENDING)
        self.assertEqual(['b', 'c'], left())
        self.database.tokens.delete_of_server('b', ENDING)
        self.assertEqual(['c'], left())
        self.assertEqual(1, self.database.tokens.purge(NOW + 600, 10))
        self.assertEqual([], left())
        for name in ('a', 'b', 'c'):
            self.assertEqual(1, len(self.queries.list(name)))

    def test_a_console_on_the_gateway_expires_when_used_up(self) -> None:
        self.create_on_gateway('a', 'a', gateway_port=5901)
        self.create_on_gateway('b', 'b', gateway_port=5902)
        for number in range(2):
            self.open_session(str(number), token_hash='a', max_uses=2)
            self.queries.expire_if_used_up('a', NOW + number, 2)
            self.queries.expire_if_used_up('b', NOW + number, 2)
        expired = {
            port.token_hash: port.expires for port in self.queries.list_ports()
        }
        self.assertEqual({'a': NOW + 1, 'b': None}, expired)
        # It is still found, so that a log-in can fail with the reason.
        found = self.queries.find_by_server('a', NOW + 2)
        self.assertEqual('a', found.token_hash)

    def test_deleting_a_console_on_the_gateway_keeps_its_sessions(
        self,
    ) -> None:
        for name in ('a', 'b'):
            self.create_on_gateway(name, name)
        self.open_session('0', token_hash='a')
        self.open_session('1', token_hash='a')
        self.queries.delete_on_gateway('a')
        self.assertEqual(['b'], self.hashes())
        self.assertEqual([], self.queries.list('a'))
        self.assertEqual(['0', '1'], self.list_sessions())

    def test_console_ids_are_not_reused(self) -> None:
        self.create()
        (stored,) = self.queries.list('server')
        self.queries.delete(stored.id)
        self.create()
        (again,) = self.queries.list('server')
        self.assertGreater(again.id, stored.id)

    def test_names_can_have_all_of_unicode(self) -> None:
        name = 'instance-\U0001f600'
        self.assertEqual([], self.queries.find_by_instance_name(name, NOW))
        self.create_on_gateway('server', 'a', instance_name=name)
        (found,) = self.queries.find_by_instance_name(name, NOW)
        self.assertEqual('server', found.server_id)
        self.assertEqual(
            [],
            self.queries.find_by_instance_name('instance-\U0001f601', NOW),
        )

    def test_servers_with_consoles_are_paginated(self) -> None:
        for server in ('a', 'b', 'c', 'd'):
            self.create(server)
        self.create('a', server_host='compute-2')
        last = ''
        for page in (['a', 'b'], ['c', 'd'], []):
            self.assertEqual(page, self.queries.list_servers(last, 2))
            last = page[-1] if page else ''

    def test_comparisons_are_case_and_accent_sensitive(self) -> None:
        # None of these is a duplicate.
        for host in ('compute-a', 'Compute-A', 'compute-\u00e4'):
            self.create(server_host=host)
        self.assertEqual(3, len(self.queries.list('server')))
        for name in ('Server', 's\u00e9rver'):
            self.assertEqual([], self.queries.list(name))


class SQLiteNativeConsoles(OnSQLite, NativeConsoles, testtools.TestCase):
    pass
