# SPDX-License-Identifier: Apache-2.0

"""Which sessions a process names to the API, and when."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import testtools

from console_svc.proxy.errors import ApiUnavailable
from console_svc.proxy.keep_alive_answers import KeptProcess, Others
from console_svc.proxy.keep_alives import KeepAlives


class Api:
    """An API, which knows the open sessions of one process."""

    def __init__(self) -> None:
        self.open: set[str] = set()
        self.counted: set[str] = set()
        self.ended: set[str] = set()
        #: What each request has named; with True: one by one.
        self.requests: list[Any] = []
        #: Whether each of the next hosts knows processes; then all do.
        self.hosts: list[bool] = []
        #: Why sessions have ended, and their new modes.
        self.reasons: dict[str, str] = {}
        self.modes: dict[str, str] = {}
        #: Modes that requests have confirmed.
        self.confirmed: list[Mapping[str, str]] = []
        #: The other sessions on the consoles, and how often they changed;
        #: None: the API does not know them.
        self.others: dict[str, Others] = {}
        self.others_changes: int | None = 0
        #: Called while a request is on its way.
        self.meanwhile: Callable[[], None] = lambda: None

    def end(self, session_id: str, is_named: bool = True) -> None:
        self.open.discard(session_id)
        if session_id in self.counted:
            self.counted.remove(session_id)
            if is_named:
                self.ended.add(session_id)

    async def keep_process(
        self,
        ids: Sequence[str],
        modes: Mapping[str, str],
        asks_for_others: bool = False,
    ) -> KeptProcess | None:
        self.requests.append('others' if asks_for_others else [*ids])
        if self.hosts and not self.hosts.pop(0):
            return None
        if modes:
            self.confirmed.append({**modes})
        kept = self.open.intersection(ids)
        self.counted |= kept
        answer = KeptProcess(
            dict.fromkeys(kept, 17),
            [*self.ended],
            len(self.counted),
            self.reasons,
            self.modes,
            self.others_changes,
            {**self.others} if asks_for_others else {},
        )
        self.meanwhile()
        return answer

    async def keep(self, ids: Sequence[str]) -> Mapping[str, float | None]:
        self.requests.append((True, [*ids]))
        self.meanwhile()
        return dict.fromkeys(self.open.intersection(ids), 17)


class KeepAlivesTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.now = 0.0
        self.api = Api()
        self.sessions: dict[str, float | None] = {}
        self.ended: list[str] = []
        self.reasons: list[str | None] = []
        self.modes: list[tuple[str, str]] = []
        #: The others that pages got to know.
        self.shown: list[Mapping[str, Others]] = []
        self.has_pages = False
        self.keep_alives = KeepAlives(
            self.api,  # type: ignore[arg-type]
            self.sessions.keys(),
            self.sessions.__setitem__,
            self.end,
            lambda *change: self.modes.append(change),
            self.shown.append,
            lambda: self.has_pages,
            lambda: self.now,
        )

    def end(self, session_id: str, reason: str | None) -> None:
        self.ended.append(session_id)
        self.reasons.append(reason)

    def open(self, *session_ids: str) -> None:
        for session_id in session_ids:
            self.api.open.add(session_id)
            self.sessions[session_id] = None
            self.keep_alives.opened(session_id)

    def leave(self, *session_ids: str) -> None:
        """The client of a session leaves; the API does not know it yet."""
        for session_id in session_ids:
            del self.sessions[session_id]
            self.keep_alives.closed(session_id)

    def close(self, *session_ids: str) -> None:
        self.leave(*session_ids)
        for session_id in session_ids:
            self.api.end(session_id, is_named=False)
            self.api.ended.discard(session_id)

    def send(self) -> list[Any]:
        """Send a keep-alive; return what its requests have named."""
        self.api.requests.clear()
        asyncio.run(self.keep_alives.send())
        return [
            sorted(it) if isinstance(it, list) else it
            for it in self.api.requests
        ]

    def test_nothing_is_sent_without_sessions(self) -> None:
        self.assertEqual([], self.send())
        self.open('a')
        self.assertEqual([['a']], self.send())
        self.close('a')
        self.assertEqual([], self.send())

    def test_only_new_sessions_are_named(self) -> None:
        self.open('a', 'b')
        self.assertEqual([['a', 'b']], self.send())
        self.assertEqual({'a': 17, 'b': 17}, self.sessions)
        self.assertEqual([[]], self.send())
        self.open('c', 'd')
        self.close('d')
        self.assertEqual([['c']], self.send())
        self.close('a')
        self.assertEqual([[]], self.send())
        self.assertEqual([], self.ended)

    def test_sessions_that_have_ended_end(self) -> None:
        self.open('a', 'b')
        self.send()
        self.api.end('b')
        self.open('c')
        self.api.end('c')
        self.assertEqual([['c']], self.send())
        self.assertEqual(['c', 'b'], self.ended)
        # As long as their connections are not closed.
        self.assertEqual([['b', 'c']], self.send())
        self.close('b', 'c')
        self.assertEqual([[]], self.send())

    def test_reasons_come_with_the_sessions_that_have_ended(self) -> None:
        self.open('a', 'b')
        self.send()
        for session_id in 'ab':
            self.api.end(session_id)
        self.api.reasons = {'b': 'Taken over.'}
        self.send()
        self.assertEqual(
            {'a': None, 'b': 'Taken over.'},
            dict(zip(self.ended, self.reasons, strict=True)),
        )

    def test_modes_are_obeyed_and_confirmed(self) -> None:
        self.open('a', 'b')
        self.api.modes = {'a': 'view', 'left': 'view'}
        self.send()
        self.assertEqual([('a', 'view')], self.modes)
        self.assertEqual([], self.api.confirmed)
        self.api.modes = {}
        self.send()
        self.assertEqual([{'a': 'view'}], self.api.confirmed)
        self.send()
        self.assertEqual([{'a': 'view'}], self.api.confirmed)

    def test_modes_are_confirmed_until_the_api_knows_them(self) -> None:
        self.open('a')
        self.api.modes = {'a': 'view'}
        self.send()
        # An older host does not take it.
        self.api.hosts = [False]
        self.send()
        self.assertEqual([], self.api.confirmed)
        self.send()
        self.assertEqual([{'a': 'view'}], self.api.confirmed)

    def test_sessions_that_have_left_do_not_end(self) -> None:
        self.open('a', 'b')
        self.send()
        self.api.end('b')
        self.leave('b')
        self.assertEqual([[]], self.send())
        self.assertEqual([], self.ended)

    def test_all_are_named_if_some_are_missing(self) -> None:
        self.open('a', 'b')
        self.send()
        self.api.end('b', is_named=False)
        self.open('c')
        self.assertEqual([['c'], ['a', 'b', 'c']], self.send())
        self.assertEqual(['b'], self.ended)
        self.assertEqual([['b']], self.send())

    def test_process_that_the_api_has_forgotten_names_all(self) -> None:
        self.open('a', 'b')
        self.send()
        self.api.counted.clear()
        self.assertEqual([[], ['a', 'b']], self.send())
        self.assertEqual([[]], self.send())
        self.assertEqual([], self.ended)

    def test_all_are_named_once_a_minute(self) -> None:
        self.open('a', 'b')
        for now in range(0, 300, 3):
            self.now = now
            if now % 60 == 0:
                self.assertEqual([['a', 'b']], self.send())
            else:
                self.assertEqual([[]], self.send())

    def test_sessions_that_come_and_go_meanwhile_are_not_missing(
        self,
    ) -> None:
        self.open('a', 'b', 'c')
        self.send()

        def change() -> None:
            self.close('a')
            self.open('d')

        self.api.meanwhile = change
        # Before the API has counted, and after.
        self.api.end('b', is_named=False)
        self.leave('b')
        self.assertEqual([[]], self.send())
        self.api.meanwhile = lambda: None
        self.assertEqual([['d']], self.send())
        self.assertEqual([], self.ended)

    def test_many_sessions_are_named_in_batches(self) -> None:
        names = [f'{number:04}' for number in range(2500)]
        self.open(*names)
        self.api.end('2100')
        self.assertEqual(
            [names[:1000], names[1000:2000], names[2000:]], self.send()
        )
        self.assertEqual(['2100'], self.ended)
        self.close('2100')
        self.assertEqual([[]], self.send())

    def test_older_api_keeps_each_session(self) -> None:
        self.open('a', 'b')
        self.api.hosts = [False] * 10
        self.assertEqual([['a', 'b'], (True, ['a', 'b'])], self.send())
        self.assertEqual({'a': 17, 'b': 17}, self.sessions)
        for self.now in (1, 59):
            self.assertEqual([(True, ['a', 'b'])], self.send())
        # It may have been upgraded since.
        self.now = 60
        self.assertEqual([['a', 'b'], (True, ['a', 'b'])], self.send())
        self.api.end('b')
        self.assertEqual([(True, ['a', 'b'])], self.send())
        self.assertEqual(['b'], self.ended)
        self.now = 120
        self.api.hosts.clear()
        self.assertEqual([['a', 'b']], self.send())
        self.assertEqual([['b']], self.send())

    def test_hosts_of_different_versions(self) -> None:
        self.open('a', 'b')
        self.send()
        # Once one has known the process, each is asked at once.
        self.api.hosts = [False, False]
        for _ in range(2):
            [first, *_] = self.send()
            self.assertIn(first, ([], ['a', 'b']))
            self.assertEqual((True, ['a', 'b']), self.api.requests[-1])
        self.assertEqual([['a', 'b']], self.send())
        self.assertEqual([[]], self.send())
        # Also while all are named.
        self.api.end('a', is_named=False)
        self.api.hosts = [True, False]
        self.assertEqual([[], ['a', 'b'], (True, ['a', 'b'])], self.send())
        self.assertEqual(['a'], self.ended)

    def test_unavailable_api_ends_nothing(self) -> None:
        self.open('a')
        self.send()
        self.open('b')

        def fail() -> None:
            raise ApiUnavailable('')

        self.api.meanwhile = fail
        for self.now in (3, 60):
            self.assertRaises(ApiUnavailable, self.send)
        self.api.meanwhile = lambda: None
        self.assertEqual([['a', 'b']], self.send())
        self.assertEqual([], self.ended)

    def test_others_are_asked_for_when_they_change(self) -> None:
        self.has_pages = True
        self.open('a')
        self.assertEqual([['a'], 'others'], self.send())
        self.assertEqual([{}], self.shown)
        self.assertEqual([[]], self.send())
        self.api.others = {'a': Others(view=1)}
        self.api.others_changes = 1
        self.assertEqual([[], 'others'], self.send())
        self.assertEqual([{}, {'a': Others(view=1)}], self.shown)
        self.assertEqual([[]], self.send())

    def test_change_during_the_request_is_asked_for_next(self) -> None:
        self.has_pages = True
        self.open('a')
        self.send()
        self.api.others_changes = 1

        def change() -> None:
            self.api.others_changes = 2

        self.api.meanwhile = change
        self.assertEqual([[], 'others'], self.send())
        self.api.meanwhile = lambda: None
        self.assertEqual([[]], self.send())

    def test_others_are_asked_for_once_a_minute(self) -> None:
        self.has_pages = True
        self.open('a')
        self.send()
        self.now = 59
        self.assertEqual([[]], self.send())
        self.now = 60
        self.assertEqual([['a'], 'others'], self.send())

    def test_nothing_is_asked_where_no_page_shows_it(self) -> None:
        self.open('a')
        self.assertEqual([['a']], self.send())
        self.api.others_changes = 1
        self.assertEqual([[]], self.send())
        self.has_pages = True
        self.assertEqual([[], 'others'], self.send())

    def test_older_api_is_not_asked(self) -> None:
        self.has_pages = True
        self.api.others_changes = None
        self.open('a')
        self.assertEqual([['a']], self.send())

    def test_older_host_that_is_asked_changes_nothing(self) -> None:
        self.has_pages = True
        self.api.hosts = [True, False, True]
        self.open('a')
        self.assertEqual([['a'], 'others'], self.send())
        self.assertEqual([], self.shown)
        self.assertEqual([[], 'others'], self.send())
        self.assertEqual([{}], self.shown)
