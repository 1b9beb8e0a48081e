# SPDX-License-Identifier: Apache-2.0

from typing import Any

import testtools

from console_svc import exception
from console_svc.consoles import server_list
from console_svc.consoles.server_list import ServerQuery
from console_svc.objects import Server


def server(number: int, **more: Any) -> Server:
    values = {
        'id': str(number),
        'project_id': 'demo',
        'name': f'web-{number}',
        'instance_name': f'instance-{number}',
        'host': 'compute-1',
        **more,
    }
    return Server(**values)


OLD, NEW, STOPPED = SERVERS = (
    server(1, created=100),
    server(2, created=200),
    server(3, created=100, status='SHUTOFF'),
)


class PageTest(testtools.TestCase):
    def page(self, **query: Any) -> list[Server]:
        query = {'project_id': 'demo', 'limit': 10, **query}
        return server_list.page(SERVERS, ServerQuery(**query))

    def test_the_newest_server_is_the_first(self) -> None:
        self.assertEqual([NEW, STOPPED, OLD], self.page())

    def test_sort_keys_count_in_their_order(self) -> None:
        self.assertEqual(
            [OLD, STOPPED, NEW],
            self.page(sort=(('created_at', False), ('uuid', False))),
        )
        self.assertEqual(
            [STOPPED, NEW, OLD],
            self.page(sort=(('vm_state', True), ('created_at', True))),
        )

    def test_other_keys_have_no_effect(self) -> None:
        self.assertEqual([*SERVERS], self.page(sort=(('key_name', True),)))

    def test_all_filters_must_pass(self) -> None:
        filters = [
            lambda it: it.created == 100,
            lambda it: it.status == 'ACTIVE',
        ]
        self.assertEqual([OLD], self.page(filters=filters))

    def test_a_page_has_the_first_servers_that_pass(self) -> None:
        filters = [lambda it: it is not NEW]
        self.assertEqual([STOPPED], self.page(filters=filters, limit=1))
        self.assertEqual([], self.page(limit=0))

    def test_the_next_page_follows_the_marker(self) -> None:
        self.assertEqual([STOPPED, OLD], self.page(marker='2'))
        self.assertEqual([], self.page(marker='1'))
        filters = [lambda it: it is OLD]
        self.assertEqual([OLD], self.page(marker='3', filters=filters))

    def test_an_unknown_marker(self) -> None:
        error = self.assertRaises(
            exception.MarkerNotFound, self.page, marker='4'
        )
        self.assertEqual('marker [4] not found', str(error))


class StatusTest(testtools.TestCase):
    def test_statuses_and_states_are_novas(self) -> None:
        for status, found in (
            ('ACTIVE', ('ACTIVE', 'active', 1)),
            ('shutoff', ('SHUTOFF', 'stopped', 4)),
            ('RESCUE', ('RESCUE', 'rescued', 1)),
            ('anything', ('UNKNOWN', None, 0)),
        ):
            it = server(1, status=status)
            self.assertEqual(
                found,
                (
                    server_list.status(it),
                    server_list.vm_state(it),
                    server_list.power_state(it),
                ),
            )
