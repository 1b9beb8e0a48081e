# SPDX-License-Identifier: Apache-2.0

import testtools

from console_svc.api.bodies import sessions


class SecondsLeftTest(testtools.TestCase):
    def test_whole_seconds_until_the_expiry(self) -> None:
        """By the API's clock; never too many."""
        kept = sessions.kept({'a': 1000, 'b': 900, 'c': None}, 900.5)
        self.assertEqual(
            [('a', 1000, 99), ('b', 900, 0), ('c', None, None)],
            [
                (it['id'], it['expires'], it['expires_in'])
                for it in kept['console_sessions']
            ],
        )
