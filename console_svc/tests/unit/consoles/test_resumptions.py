# SPDX-License-Identifier: Apache-2.0

import uuid

import fixtures as fixtures_
import sqlalchemy as sa
import testtools

from console_svc import exception
from console_svc.consoles.tokens import hash_of
from console_svc.db import tables
from console_svc.objects import ConsoleSession
from console_svc.tests import fixtures
from console_svc.tests.unit.consoles.fakes import CONTEXT
from console_svc.tests.unit.consoles.test_sessions import (
    ID,
    LAPSE,
    START,
    TTL,
    Service,
)

RESUME = 60
ADDRESS = '198.51.100.7'


class Client:
    """A browser with the URL of one console.

    :param kind: the console's type
    """

    def __init__(self, service: Service, kind: str = 'novnc') -> None:
        self.service = service
        self.token = service.issue(kind)
        self.address = ADDRESS
        self.secret: str | None = None
        #: Of the session that the last one has resumed.
        self.previous_id: str | None = None

    def open(
        self, session_id: str | None = None, secret: str | None = None
    ) -> ConsoleSession:
        """Open a session, with the secret of the last one if there was one.

        :param secret: the one to send instead
        """
        new = uuid.uuid4().hex
        session, _, self.previous_id = self.service.sessions.open_by_token(
            CONTEXT,
            self.token,
            self.address,
            session_id,
            new,
            secret or self.secret,
        )
        self.secret = new
        return session


class Resumptions(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.audit = self.useFixture(fixtures_.FakeLogger('console_svc.audit'))

    def client(self, kind: str = 'novnc', **options: object) -> Client:
        options = {
            'token_ttl': TTL,
            'session_lapse': LAPSE,
            'resume_time': RESUME,
            'max_uses': 1,
            **options,
        }
        configuration = self.useFixture(
            fixtures.Configuration(consoleauth=options)
        )
        self.conf = configuration.conf
        return Client(Service(configuration), kind)

    def check_refused(self, client: Client, secret: str | None = None) -> None:
        """Check that the token is used instead, which it cannot be."""
        self.assertRaises(exception.TokenUsedUp, client.open, secret=secret)

    def ends(self, reason: str) -> int:
        """The number of sessions that have ended for a reason."""
        lines = self.audit.output.splitlines()
        return sum(
            f'"reason": "{reason}"' in line
            and '"name": "console_session.end"' in line
            for line in lines
        )


class ResumptionTest(Resumptions):
    def test_open_session_is_replaced(self) -> None:
        client = self.client()
        first = client.open()
        self.assertIsNone(client.previous_id)
        second = client.open()
        self.assertEqual(first.id, client.previous_id)
        self.assertEqual([second.id], client.service.ids())
        self.assertEqual({}, client.service.keep(first.id))
        self.assertEqual(1, self.ends('resumed'))
        self.assertFalse(client.service.close(first.id))

    def test_closed_session_is_resumed_in_time(self) -> None:
        client = self.client()
        for _ in range(3):
            client.service.close(client.open().id)
            client.service.now += RESUME - 1
        client.service.now += 1
        self.check_refused(client)
        self.assertEqual((0, 3), (self.ends('resumed'), self.ends('closed')))

    def test_lapsed_session_is_resumed_in_time(self) -> None:
        for purges in (False, True):
            client = self.client()
            client.open()
            client.service.now += RESUME - 1
            if purges:
                self.assertEqual((0, 0, 0, 0), client.service.purge.run())
            client.open()
            client.service.now += RESUME
            self.check_refused(client)
            self.assertEqual((0, 1, 0, 0), client.service.purge.run())

    def test_purge_waits_for_a_long_time_to_resume(self) -> None:
        client = self.client(resume_time=1000, token_ttl=5000)
        client.open()
        client.service.now += 999
        self.assertEqual((0, 0, 0, 0), client.service.purge.run())
        client.service.close(client.open().id)
        client.service.now += 999
        client.service.purge.run()
        client.open()

    def test_secret_of_another_token_is_worth_nothing(self) -> None:
        client = self.client()
        client.open()
        other = Client(client.service)
        other.open()
        self.check_refused(other, client.secret)

    def test_other_addresses_are_refused(self) -> None:
        for closes in (False, True):
            client = self.client()
            session = client.open()
            if closes:
                client.service.close(session.id)
            for address in '198.51.100.8', '2001:db8::1':
                client.address = address
                self.check_refused(client)
            client.address = ADDRESS
            client.open()

    def test_unknown_address_is_refused(self) -> None:
        client = self.client()
        client.address = None
        client.open()
        self.check_refused(client)

    def test_wrong_secret_is_refused(self) -> None:
        client = self.client()
        client.open()
        self.check_refused(client, 'x' * 43)
        self.check_refused(client, hash_of(client.secret))

    def test_each_secret_is_for_one_time(self) -> None:
        client = self.client()
        client.open()
        first = client.secret
        second = client.open()
        self.check_refused(client, first)
        client.service.close(second.id)
        self.check_refused(client, first)
        client.open()
        self.check_refused(client, first)

    def test_ended_session_is_not_resumed(self) -> None:
        client = self.client()
        session = client.open()
        client.service.sessions.end(
            CONTEXT, client.service.driver.server, session.id
        )
        self.check_refused(client)
        # Its proxy closes it, too.
        client.service.close(session.id)
        self.check_refused(client)

    def test_session_that_ends_after_its_close_is_not_resumed(self) -> None:
        client = self.client()
        session = client.open()
        client.service.close(session.id)
        end = client.service.sessions.end
        server = client.service.driver.server
        end(CONTEXT, server, session.id)
        self.assertEqual(1, self.ends('ended'))
        self.check_refused(client)
        self.assertRaises(
            exception.SessionNotFound, end, CONTEXT, server, session.id
        )

    def test_replaced_session_is_not_resumed(self) -> None:
        client = self.client(
            max_sessions_per_server=1, when_sessions_are_full='replace'
        )
        session = client.open()
        Client(client.service).open()
        client.service.close(session.id)
        self.check_refused(client)

    def test_session_of_a_revoked_token_is_not_resumed(self) -> None:
        for closes in (False, True):
            client = self.client()
            session = client.open()
            if closes:
                client.service.close(session.id)
            client.service.tokens.revoke(CONTEXT, client.token)
            self.assertRaises(exception.TokenNotFound, client.open)
            client.service.close(session.id)
            self.assertRaises(exception.TokenNotFound, client.open)

    def test_session_outlives_its_token(self) -> None:
        client = self.client()
        session = client.open()
        while client.service.now <= START + TTL:
            client.service.now += LAPSE - 1
            client.service.keep(session.id)
        # The token stays for it.
        self.assertEqual((0, 0, 0, 0), client.service.purge.run())
        client.service.close(session.id)
        client.service.now += RESUME - 1
        self.assertEqual((0, 0, 0, 0), client.service.purge.run())
        last = client.open()
        client.service.close(last.id)
        # It can still be revoked.
        client.service.tokens.get_project(client.token)
        client.service.now += 600
        self.assertEqual((1, 0, 0, 0), client.service.purge.run())
        self.assertRaises(exception.TokenNotFound, client.open)

    def test_expiry_remains(self) -> None:
        client = self.client(enforce_session_timeout=True)
        first = client.open()
        client.service.now += TTL - 1
        client.service.keep(first.id)
        second = client.open()
        self.assertEqual(first.expires, second.expires)
        self.assertEqual([second.id], client.service.ids())
        client.service.now += 1
        self.assertEqual([], client.service.ids())
        self.assertRaises(exception.TokenNotFound, client.open)

    def test_a_full_server_has_room_for_it(self) -> None:
        client = self.client(max_sessions_per_server=1)
        client.open()
        client.open()
        self.assertEqual(1, len(client.service.ids()))

    def test_an_open_session_has_its_place_when_the_limit_is_lowered(
        self,
    ) -> None:
        client = self.client(max_sessions_per_server=3)
        client.open()
        for _ in range(2):
            Client(client.service).open()
        self.conf.set_override('max_sessions_per_server', 1, 'consoleauth')
        client.open()
        self.assertEqual(3, len(client.service.ids()))

    def test_a_place_that_is_taken_is_not_given_back(self) -> None:
        client = self.client(max_sessions_per_server=1)
        client.service.close(client.open().id)
        other = Client(client.service)
        taken = other.open()
        self.assertRaises(exception.TooManySessions, client.open)
        other.service.close(taken.id)
        # The refusal did not use the secret.
        client.open()

    def test_lapsed_session_has_no_place(self) -> None:
        client = self.client(max_sessions_per_server=1)
        client.open()
        client.service.now += LAPSE
        taken = Client(client.service).open()
        self.assertRaises(exception.TooManySessions, client.open)
        client.service.close(taken.id)
        client.open()

    def test_the_newest_sessions_replace_the_oldest(self) -> None:
        client = self.client(
            max_sessions_per_server=1, when_sessions_are_full='replace'
        )
        client.service.close(client.open().id)
        Client(client.service).open()
        session = client.open()
        self.assertEqual([session.id], client.service.ids())
        self.assertEqual(1, self.ends('replaced'))

    def test_two_tabs_keep_their_sessions_where_nothing_is_limited(
        self,
    ) -> None:
        client = self.client(max_uses=0)
        sessions = [client.open().id for _ in range(2)]
        self.assertEqual(sessions, client.service.ids())
        self.assertIsNone(client.previous_id)
        # Nor does a second use count where it is not one.
        client.service.now += TTL
        client.service.close(sessions[1])
        client.open()
        self.assertEqual(sessions[1], client.previous_id)

    def test_no_session_is_resumed_where_that_is_off(self) -> None:
        client = self.client(resume_time=0)
        client.open()
        self.check_refused(client)
        database = client.service.database
        self.assertEqual(
            [None],
            [
                row['secret_hash']
                for row in database.read(sa.select(tables.console_sessions))
            ],
        )

    def test_repeated_request_gets_the_same_session(self) -> None:
        for passes in (0, TTL):
            client = self.client()
            session = client.open()
            client.service.now += passes
            client.service.keep(session.id)
            secret = client.secret
            session = client.open(ID)
            self.assertEqual(session, client.open(ID, secret))
            self.assertEqual([ID], client.service.ids())

    def test_request_that_is_late_does_not_use_the_secret(self) -> None:
        client = self.client()
        first = client.open()
        client.service.close(ID)
        self.assertRaises(exception.SessionIdUsed, client.open, ID)
        self.assertEqual([first.id], client.service.ids())
        client.open()

    def test_secrets_are_stored_as_hashes(self) -> None:
        client = self.client()
        client.service.close(client.open().id)
        stored = client.service.database.read(
            sa.select(tables.console_sessions)
        )
        self.assertEqual(hash_of(client.secret), stored[0]['secret_hash'])
        client.open()
        self.assertNotIn(client.secret, self.audit.output)
        self.assertNotIn(hash_of(client.secret), self.audit.output)

    def test_nothing_is_kept_of_a_session_that_was_resumed(self) -> None:
        client = self.client()
        client.service.close(client.open(ID).id)
        client.open()
        stored = client.service.database.read(
            sa.select(tables.console_sessions).where(
                tables.console_sessions.c.session_id == ID
            )
        )
        self.assertEqual(
            ('', None, None),
            (
                stored[0]['token_hash'],
                stored[0]['client_address'],
                stored[0]['secret_hash'],
            ),
        )
        # The id cannot be used again.
        self.assertRaises(exception.SessionIdUsed, client.open, ID)


class ChannelTest(Resumptions):
    """A SPICE page opens several sessions with one cookie."""

    def test_channels_are_resumed_together(self) -> None:
        client = self.client('spice-html5', max_sessions_per_server=4)
        opened = [client.open().id for _ in range(4)]
        client.service.now += TTL
        client.service.keep(*opened)
        for session_id in opened:
            client.service.close(session_id)
        client.service.now += RESUME - 1
        secret = client.secret
        again = [client.open(secret=secret).id for _ in range(4)]
        self.assertEqual(again, client.service.ids())
        self.assertRaises(exception.TooManySessions, client.open)

    def test_channel_does_not_end_another_one(self) -> None:
        client = self.client('spice-html5')
        opened = [client.open().id for _ in range(4)]
        client.service.now += LAPSE - 1
        client.service.keep(*opened)
        again = client.open().id
        self.assertEqual([*opened, again], client.service.ids())

    def test_repeated_request_gets_the_same_channel(self) -> None:
        client = self.client('spice-html5', max_sessions_per_server=2)
        client.open()
        secret = client.secret
        session = client.open(ID)
        self.assertEqual(session, client.open(ID, secret))
        # Even where others have taken the last places.
        self.conf.set_override('max_sessions_per_server', 1, 'consoleauth')
        self.assertEqual(session, client.open(ID, secret))
        self.assertEqual(2, len(client.service.ids()))

    def test_late_channels_are_refused(self) -> None:
        client = self.client('spice-html5', resume_time=20)
        client.service.close(client.open().id)
        client.service.now += 30
        self.check_refused(client)
        self.assertRaises(exception.TokenUsedUp, client.open)
