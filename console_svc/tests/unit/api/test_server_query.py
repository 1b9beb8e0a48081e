# SPDX-License-Identifier: Apache-2.0

import testtools

from console_svc.api.bodies import server_query


class SortTest(testtools.TestCase):
    def test_a_repeated_key_is_sorted_by_once(self) -> None:
        keys = ['display_name', 'uuid'] * 1000
        self.assertEqual(
            [('display_name', False), ('uuid', True), ('created_at', False)],
            server_query.sort(
                {'sort_key': keys, 'sort_dir': ['asc', 'desc', 'desc']}, False
            ),
        )
