# SPDX-License-Identifier: Apache-2.0

"""Pages of a history of 100,000 sessions."""

import pathlib
import re
import uuid
from collections.abc import Sequence
from typing import Any

import testtools

from console_svc.db import tables
from console_svc.endings import EndedSession, SessionQuery
from console_svc.tests.functional.db.base import NOW
from console_svc.tests.functional.db.test_plans import (
    Explained,
    OnSQLiteExplained,
)

SESSIONS = 100_000
PAGE = 1000

#: The page of the documentation that shows the plans.
DOCUMENT = pathlib.Path(__file__).parents[4] / 'doc/source/admin/history.rst'

#: The index of all sessions.
EVERY = 'ix_ended_sessions_ended_at_id'

#: A server, a project and a user with many sessions among others.
BUSY = 'busy'


class LargeHistory(Explained):
    #: The section of the documentation with the plans; None: it has none.
    SECTION: str | None = None

    def setUp(self) -> None:
        super().setUp()
        # Several end in each second.
        self.rows = [
            {
                'session_id': str(uuid.UUID(int=number)),
                'main_id': str(uuid.UUID(int=number)),
                'is_main': True,
                'server_id': BUSY if number % 10 == 0 else f's-{number % 997}',
                'project_id': BUSY if number % 7 == 0 else f'p-{number % 97}',
                'user_id': BUSY if number % 9 == 0 else f'u-{number % 89}',
                'console_type': 'novnc',
                'mode': 'control',
                'ended_at': NOW + number // 3,
                'end_reason': 'closed',
                'received': number,
                'sent': number,
            }
            for number in range(SESSIONS)
        ]
        for start in range(0, SESSIONS, 10_000):
            self.insert(
                tables.ended_sessions, self.rows[start : start + 10_000]
            )
        self.analyze()

    def page(self, **query: Any) -> Sequence[EndedSession]:
        return self.database.session_lists.ended(
            SessionQuery(limit=PAGE, **query)
        )

    def test_every_page_is_found_by_an_index(self) -> None:
        for filters, name in (
            ({}, ''),
            ({'server_id': BUSY}, 'server_id_'),
            ({'project_id': BUSY}, 'project_id_'),
            ({'user_id': BUSY}, 'user_id_'),
        ):
            index = f'ix_ended_sessions_{name}ended_at_id'
            found: list[str] = []
            marker: str | None = None
            while True:
                query = {**filters, 'marker': marker}
                page: list[EndedSession] = []
                plans = self.plans(
                    lambda query=query, page=page: page.extend(
                        self.page(**query)
                    )
                )
                *markers, plan = plans
                self.assertEqual(0 if marker is None else 1, len(markers))
                for each in markers:
                    self.assertTrue(
                        self.uses(each, 'ix_ended_sessions_main_id'), each
                    )
                self.check_plan(plan, index)
                if not filters and len(page) == PAGE:
                    self.assertIsNone(
                        re.search('(?i)sort|temp b-tree', plan), plan
                    )
                found += [it.session.id for it in page]
                if len(page) < PAGE:
                    break
                marker = page[-1].session.id
            expected = [
                row['session_id']
                for row in reversed(self.rows)
                if all(row[key] == value for key, value in filters.items())
            ]
            self.assertEqual(expected, found)

    def check_plan(self, plan: str, index: str) -> None:
        """Check that a list uses an index that the documentation names.

        If many rows match, that of all sessions is as good.
        """
        used = [it for it in (index, EVERY) if self.uses(plan, it)]
        self.assertNotEqual([], used, plan)
        self.assertNotIn('filesort', plan)
        if self.SECTION is not None:
            _, _, text = DOCUMENT.read_text().partition(f'{self.SECTION}::')
            self.assertIn(used[0], text)


class SQLiteLargeHistory(OnSQLiteExplained, LargeHistory, testtools.TestCase):
    pass
