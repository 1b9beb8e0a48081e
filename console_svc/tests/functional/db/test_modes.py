# SPDX-License-Identifier: Apache-2.0

"""Queries of the modes of sessions, and of take-overs."""

from collections.abc import Mapping, Sequence

import sqlalchemy as sa
import testtools

from console_svc import exception
from console_svc.db import tables
from console_svc.endings import EndReason, SessionQuery
from console_svc.objects import ConsoleSession, SessionMode
from console_svc.tests.functional.db.base import (
    ENDING,
    NOW,
    OnSQLite,
    Queries,
    console,
    ids,
    session,
    token,
)

VIEW, CONTROL = SessionMode.VIEW, SessionMode.CONTROL
LAPSE = 30
VNC = ('novnc', 'vnc')


class Modes(Queries):
    def setUp(self) -> None:
        super().setUp()
        self.queries = self.database.modes
        self.create_token('hash')

    def change(
        self, session_id: str, mode: SessionMode, now: int = NOW
    ) -> Sequence[ConsoleSession]:
        return self.queries.change(session(session_id), mode, now)

    def keep(
        self, *session_ids: str, proxy_id: str = 'proxy', **modes: SessionMode
    ) -> Mapping[str, SessionMode]:
        """Keep a process alive; return the modes in its answer."""
        until = NOW + LAPSE
        kept = self.database.proxies.keep(
            proxy_id, session_ids, NOW, until, until, modes
        )
        return kept.modes

    def enforced(self) -> Mapping[str, tuple[SessionMode, SessionMode]]:
        """The mode and the enforced one of each session of the server."""
        return {
            it.id: (it.mode, it.enforced_mode)
            for it in self.database.session_lists.live(
                SessionQuery(server_id='server', limit=1000), NOW
            )
        }

    def test_process_learns_a_change_until_it_confirms_it(self) -> None:
        self.open_session('a')
        self.open_session('b')
        self.assertEqual({}, self.keep('a', 'b'))
        (changed,) = self.change('a', VIEW)
        self.assertEqual(
            (VIEW, CONTROL), (changed.mode, changed.enforced_mode)
        )
        for _ in range(2):
            self.assertEqual({'a': VIEW}, self.keep())
        self.assertEqual(
            {'a': (VIEW, CONTROL), 'b': (CONTROL, CONTROL)}, self.enforced()
        )
        self.assertEqual({}, self.keep(a=VIEW))
        self.assertEqual((VIEW, VIEW), self.enforced()['a'])
        self.assertEqual({}, self.keep())
        self.assertEqual([0], self.changes())
        # And back.
        self.change('a', CONTROL)
        self.assertEqual({'a': CONTROL}, self.keep())

    def changes(self) -> Sequence[int]:
        """The number of changes that processes have not confirmed."""
        column = tables.console_proxies.c.mode_changes
        with self.database.engine.connect() as connection:
            return connection.scalars(sa.select(column)).all()

    def test_late_confirmation_does_not_hide_a_newer_change(self) -> None:
        self.open_session('a')
        self.keep('a')
        self.change('a', VIEW)
        self.assertEqual({'a': VIEW}, self.keep())
        self.change('a', CONTROL)
        self.assertEqual({'a': CONTROL}, self.keep(a=VIEW))
        self.assertEqual({}, self.keep(a=CONTROL))

    def test_change_that_is_taken_back_needs_nothing(self) -> None:
        self.open_session('a')
        self.keep('a')
        self.change('a', VIEW)
        self.change('a', CONTROL)
        self.assertEqual({}, self.keep())
        self.assertEqual([0], self.changes())

    def test_change_to_the_same_mode_is_none(self) -> None:
        self.open_session('a')
        self.keep('a')
        self.assertEqual(['a'], ids(self.change('a', CONTROL)))
        self.assertEqual([0], self.changes())

    def test_change_before_the_first_keep_alive_is_learned(self) -> None:
        self.open_session('a')
        self.change('a', VIEW)
        self.assertEqual({'a': VIEW}, self.keep('a'))
        # Also without its name.
        self.assertEqual({'a': VIEW}, self.keep())
        self.assertEqual({}, self.keep(a=VIEW))

    def test_another_process_cannot_confirm(self) -> None:
        self.open_session('a')
        self.keep('a')
        self.change('a', VIEW)
        self.assertEqual({}, self.keep(proxy_id='other', a=VIEW))
        self.assertEqual((VIEW, CONTROL), self.enforced()['a'])
        self.assertEqual({'a': VIEW}, self.keep())

    def test_session_of_the_previous_version_has_control(self) -> None:
        self.open_session('a', enforced_mode=None)
        self.keep('a')
        self.assertEqual((CONTROL, CONTROL), self.enforced()['a'])
        self.change('a', VIEW)
        self.assertEqual({'a': VIEW}, self.keep())

    def test_sessions_that_have_ended_keep_their_modes(self) -> None:
        for name in 'abc':
            self.open_session(name)
        self.keep('a', 'b')
        self.change('a', VIEW)
        self.database.sessions.end('a', ENDING)
        self.assertEqual([], self.change('a', CONTROL))
        self.assertEqual({}, self.keep(a=VIEW))
        self.database.closed_sessions.add('b', NOW)
        self.assertEqual([], self.change('b', VIEW))
        # It has lapsed.
        self.assertEqual([], self.change('c', VIEW, NOW + LAPSE))
        self.assertEqual([], self.change('unknown', VIEW))

    def test_channels_of_a_page_have_one_mode(self) -> None:
        channel = {'console_type': 'spice-html5', 'in_channels': True}
        self.create_token('other')
        self.open_session('a', **channel)
        self.open_session('b', **channel)
        self.open_session('elsewhere', client_address='192.0.2.1', **channel)
        self.open_session('another', token_hash='other', **channel)
        self.keep('a')
        self.keep('b', proxy_id='second')
        changed = self.queries.change_channels(session('a'), VIEW, NOW)
        self.assertEqual(['a', 'b'], ids(changed))
        self.assertEqual({'a': VIEW}, self.keep())
        self.assertEqual({'b': VIEW}, self.keep(proxy_id='second'))
        # As are those that are opened next.
        self.open_session('c', **channel)
        self.assertEqual(
            {
                'a': VIEW,
                'b': VIEW,
                'c': VIEW,
                'elsewhere': CONTROL,
                'another': CONTROL,
            },
            self.queries.get(['a', 'b', 'c', 'elsewhere', 'another', 'none']),
        )
        self.assertEqual((VIEW, VIEW), self.enforced()['c'])
        self.assertEqual({}, self.queries.get([]))

    def test_new_sessions_of_a_token_have_the_mode(self) -> None:
        self.open_session('a')
        self.assertEqual(CONTROL, self.mode())
        self.change('a', VIEW)
        self.assertEqual(VIEW, self.mode())
        # So do requests that have read the token before.
        self.assertRaises(exception.TokenUsedUp, self.open_session, 'b')
        self.open_session('b', mode=VIEW)
        self.change('b', CONTROL)
        self.assertEqual(CONTROL, self.mode())
        self.open_session('c')

    def mode(self) -> SessionMode:
        """The mode of new sessions."""
        found = self.database.tokens.get('hash', NOW)
        assert found is not None
        return found.mode

    def test_token_to_view_never_gives_control(self) -> None:
        self.create_token('view', mode=VIEW)
        self.open_session('a', token_hash='view', mode=VIEW)
        for mode in CONTROL, VIEW, CONTROL:
            self.queries.change(session('a', token_hash='view'), mode, NOW)
            found = self.database.tokens.get('view', NOW)
            assert found is not None
            self.assertEqual(VIEW, found.mode)

    def test_log_ins_to_a_native_console_have_the_mode(self) -> None:
        consoles = self.database.native_consoles
        consoles.create_on_gateway(
            console(token_hash='native', gateway_port=5901),
            token('native'),
            NOW,
        )
        for mode in VIEW, CONTROL:
            self.queries.change(session('a', token_hash='native'), mode, NOW)
            found = consoles.find_by_port(5901, NOW)
            assert found is not None
            self.assertEqual(mode, found.mode)

    def test_resumed_session_keeps_its_mode(self) -> None:
        for close in (lambda: None, self.close):
            self.change('none', CONTROL)
            self.open_session('a', secret_hash='one')
            self.change('a', VIEW)
            close()
            outcome = self.database.resumptions.resume(
                session('b'),
                NOW + LAPSE,
                'one',
                closed_after=NOW - 60,
                alive_after=NOW - 60,
                max_sessions=0,
                replace=False,
            )
            self.assertEqual(VIEW, outcome.session.mode)
            self.assertEqual({'b': (VIEW, VIEW)}, self.enforced())
            self.database.sessions.end('b', ENDING)
            self.database.closed_sessions.purge(NOW + LAPSE, 10)

    def close(self) -> None:
        self.database.closed_sessions.add('a', NOW)


class TakeOvers(Queries):
    def setUp(self) -> None:
        super().setUp()
        for name in ('hash', 'other'):
            self.create_token(name)

    def take_over(self, session_id: str, **values: object) -> Sequence[str]:
        return self.open_session(
            session_id,
            token_hash='other',
            user_id='eve',
            takes_over=VNC,
            **values,
        )

    def test_those_in_control_end(self) -> None:
        self.open_session('a')
        self.open_session('native', console_type='vnc')
        self.open_session('watches', mode=VIEW)
        self.open_session('serial', console_type='serial')
        self.open_session('elsewhere', server_id='other-server')
        self.assertEqual(['a', 'native'], self.take_over('b'))
        self.assertEqual(['watches', 'serial', 'b'], self.list_sessions())
        # The client of a request whose answer was lost stays.
        self.assertRaises(exception.SessionIdUsed, self.take_over, 'b')
        self.assertEqual(['watches', 'serial', 'b'], self.list_sessions())

    def test_current_mode_counts(self) -> None:
        self.open_session('a')
        self.open_session('b', mode=VIEW)
        self.database.modes.change(session('a'), VIEW, NOW)
        self.database.modes.change(session('b'), CONTROL, NOW)
        self.assertEqual(['b'], self.take_over('c'))

    def test_lapsed_sessions_have_ended(self) -> None:
        self.open_session('a')
        self.assertEqual([], self.take_over('b', created_at=NOW + LAPSE))

    def test_own_channels_stay(self) -> None:
        for name in 'abc':
            ended = self.open_session(
                name,
                in_channels=True,
                takes_over=('spice-html5',),
                console_type='spice-html5',
            )
            self.assertEqual([], ended)
        ended = self.open_session(
            'd',
            in_channels=True,
            takes_over=('spice-html5',),
            console_type='spice-html5',
            client_address='192.0.2.1',
        )
        self.assertEqual(['a', 'b', 'c'], ended)

    def test_it_makes_room(self) -> None:
        self.open_session('a')
        self.assertEqual(['a'], self.take_over('b', max_sessions=1))
        # Those that watch have their places.
        self.database.modes.change(session('b'), VIEW, NOW)
        self.assertRaises(
            exception.TooManySessions, self.take_over, 'c', max_sessions=1
        )
        self.assertEqual(['b'], self.list_sessions())

    def test_nobody_ends_if_the_token_is_used_up(self) -> None:
        self.take_over('a')
        self.assertRaises(
            exception.TokenUsedUp, self.take_over, 'b', max_uses=1
        )
        self.assertEqual(['a'], self.list_sessions())

    def test_process_learns_by_whom(self) -> None:
        proxies = self.database.proxies
        self.open_session('a')
        self.open_session('b')
        proxies.keep('proxy', ['a', 'b'], NOW, NOW + 30, NOW + 30)
        self.take_over('c')
        self.take_over('d', max_sessions=1)
        kept = proxies.keep('proxy', [], NOW, NOW + 30, NOW + 30)
        taken_over = (EndReason.TAKEN_OVER, 'eve')
        self.assertEqual({'a': taken_over, 'b': taken_over}, kept.reasons)
        # A host of the previous version does not say why.
        self.execute(tables.console_sessions.update().values(end_reason=None))
        kept = proxies.keep('proxy', [], NOW, NOW + 30, NOW + 30)
        self.assertEqual({}, kept.reasons)
        self.assertEqual(['a', 'b'], sorted(kept.ended))

    def test_reason_is_known_before_the_first_keep_alive(self) -> None:
        self.open_session('a', token_hash='hash')
        self.assertEqual(['a'], self.take_over('b'))
        keep = self.database.proxies.keep
        for _ in range(2):
            kept = keep('proxy', ['a'], NOW, NOW + 30, NOW + 30)
            self.assertEqual(({}, []), (kept.kept, kept.ended))
            self.assertEqual(
                {'a': (EndReason.TAKEN_OVER, 'eve')}, kept.reasons
            )
        self.database.closed_sessions.add('a', NOW)
        kept = keep('proxy', ['a'], NOW, NOW + 30, NOW + 30)
        self.assertEqual({}, kept.reasons)

    def execute(self, statement: object) -> None:
        with self.database.engine.begin() as connection:
            connection.execute(statement)


class SQLiteModes(OnSQLite, Modes, testtools.TestCase):
    pass


class SQLiteTakeOvers(OnSQLite, TakeOvers, testtools.TestCase):
    pass
