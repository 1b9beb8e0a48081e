# SPDX-License-Identifier: Apache-2.0

"""Several API hosts with a Galera cluster of three nodes."""

import dataclasses
import pathlib
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent import futures
from typing import Any, ClassVar

import fixtures as fixtures_
import requests
import testtools

from console_svc.consoles import vault
from console_svc.consoles.tokens import hash_of
from console_svc.tests import fixtures
from console_svc.tests.integration.galera import DATABASE, Galera
from console_svc.tests.integration.service import Service
from console_svc.tests.programs import process

TOKENS = '/v2.1/os-console-auth-tokens'
WANTED = {'remote_console': {'protocol': 'vnc', 'type': 'novnc'}}
SERVERS = [str(uuid.UUID(int=number)) for number in range(1, 401)]

# Seconds after the end of a node in which requests may fail: HAProxy must
# detect it, the other nodes must agree on it, and connections are re-created.
FAIL_OVER = 15


@dataclasses.dataclass(frozen=True)
class Event:
    """The outcome of a request that writes."""

    what: str
    at: float
    status: int
    #: The server of a console, the token, or the id of a session.
    name: str | None = None


def inventory() -> dict[str, Any]:
    """Return an inventory of many identical servers."""
    one = fixtures.inventory()['servers'][0]
    return {
        'servers': [
            one,
            *({**one, 'id': server, 'name': server} for server in SERVERS),
        ]
    }


class GaleraTest(testtools.TestCase):
    cluster: ClassVar[Galera]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.cluster = Galera()
        cls.cluster.setUp()
        cls.addClassCleanup(cls.cluster.cleanUp)

    def setUp(self) -> None:
        super().setUp()
        # All API hosts have the same keys.
        folder = self.useFixture(fixtures_.TempDir()).path
        self.key_file = pathlib.Path(folder) / 'console-keys'
        vault.create_key_file(self.key_file)

    def service(self, url: str, **consoleauth: object) -> Service:
        """Start an API host.

        :param url: of the database: the cluster, or one of its nodes
        """
        service = self.useFixture(
            Service(
                consoleauth=consoleauth,
                consoles={'key_file': self.key_file},
                # SELECT, UPDATE and DELETE wait for the commits of all nodes.
                database={'connection': url, 'mysql_wsrep_sync_wait': 3},
            )
        )
        service.write_inventory(inventory())
        process.wait_for(
            lambda: self.listing(service, SERVERS[-1]).status_code == 200,
            'the inventory',
        )
        return service

    def listing(self, service: Service, server: str) -> requests.Response:
        return service.request(
            'GET', f'/v2.1/servers/{server}/consoles', fixtures.MEMBER
        )

    def issue(self, service: Service) -> requests.Response:
        return service.request(
            'POST',
            f'/v2.1/servers/{fixtures.SERVER}/remote-consoles',
            fixtures.MEMBER,
            '2.6',
            json=WANTED,
        )

    def open(self, service: Service, token: str) -> requests.Response:
        return service.request(
            'POST', f'{TOKENS}/{token}/sessions', fixtures.SERVICE
        )

    def look_up(self, service: Service, token: str) -> requests.Response:
        return service.request(
            'GET', f'{TOKENS}/{token}', fixtures.SERVICE, '2.31'
        )

    def concurrently(
        self, calls: Iterable[Callable[[], requests.Response]]
    ) -> list[requests.Response]:
        """Send requests concurrently; return their answers."""
        calls = list(calls)
        barrier = threading.Barrier(len(calls))

        def call(each: Callable[[], requests.Response]) -> requests.Response:
            barrier.wait()
            return each()

        with futures.ThreadPoolExecutor(len(calls)) as pool:
            return list(pool.map(call, calls))

    def conflicts(self) -> int:
        """Return the number of transactions lost to conflicts."""
        return sum(
            int(node.status(name))
            for node in self.cluster.nodes
            for name in ('wsrep_local_cert_failures', 'wsrep_local_bf_aborts')
        )

    def rows(self, node: Any, query: str) -> list[Any]:
        return [row[0] for row in node.sql(query.format(database=DATABASE))]

    def test_requests_fail_with_a_503_without_quorum(self) -> None:
        host = self.service(self.cluster.url())
        first, second, third = self.cluster.nodes
        for node in (first, second):
            node.kill()
        process.wait_for(
            lambda: third.status('wsrep_cluster_status') != 'Primary',
            'the loss of quorum',
        )
        # The node still accepts connections and answers SELECT 1.
        health = host.request('GET', '/healthcheck')
        self.assertEqual(503, health.status_code)
        for answer in (self.issue(host), self.listing(host, SERVERS[0])):
            self.assertEqual(503, answer.status_code)
        third.sql("SET GLOBAL wsrep_provider_options = 'pc.bootstrap=YES'")
        third.wait_until_in_sync()
        process.wait_for(
            lambda: self.issue(host).status_code == 200, 'the service'
        )
        for node in (first, second):
            node.rejoin()
        self.assertEqual(200, self.issue(host).status_code)

    def test_writes_to_all_nodes_concurrently(self) -> None:
        hosts = [
            self.service(self.cluster.url(node.port), max_uses=1)
            for node in self.cluster.nodes
        ]
        before = self.conflicts()
        for server in SERVERS[:25]:
            path = f'/v2.1/servers/{server}/consoles'
            answers = self.concurrently(
                lambda host=host, path=path: host.request(
                    'POST', path, fixtures.MEMBER
                )
                for host in hosts * 2
            )
            self.assertEqual({200}, {it.status_code for it in answers})
            for host in hosts:
                listed = self.listing(host, server).json()['consoles']
                self.assertEqual(1, len(listed))
        for _ in range(25):
            token = token_in(self.issue(hosts[0]))
            for host in hosts:
                # Read-after-write on another node.
                self.assertEqual(200, self.look_up(host, token).status_code)
            answers = self.concurrently(
                lambda host=host, token=token: self.open(host, token)
                for host in hosts * 2
            )
            statuses = Counter(it.status_code for it in answers)
            self.assertEqual({201: 1, 409: 5}, statuses)
        # Without conflicts, the test would show nothing.
        self.assertGreater(self.conflicts(), before)

    def test_limits_of_sessions_hold_on_all_nodes(self) -> None:
        for limit, status in (
            ('max_sessions_per_server', 409),
            ('max_sessions_per_user', 403),
        ):
            self.check_limit(limit, status)

    def check_limit(self, limit: str, status: int) -> None:
        """Check that three hosts race for two places, and get them.

        :param status: of a refusal
        """
        hosts = [
            self.service(self.cluster.url(node.port), **{limit: 2})
            for node in self.cluster.nodes
        ]
        before = self.conflicts()
        for _ in range(10):
            tokens = [token_in(self.issue(hosts[0])) for _ in range(6)]
            answers = self.concurrently(
                lambda host=host, token=token: self.open(host, token)
                for host, token in zip(hosts * 2, tokens, strict=True)
            )
            statuses = Counter(it.status_code for it in answers)
            self.assertEqual({201: 2, status: 4}, statuses)
            for answer in answers:
                if answer.status_code == 201:
                    session_id = answer.json()['session']['id']
                    hosts[0].request(
                        'DELETE',
                        f'/v2.1/console-sessions/{session_id}',
                        fixtures.SERVICE,
                    )
        self.assertGreater(self.conflicts(), before)

    def test_no_write_is_lost_when_a_node_fails_and_rejoins(self) -> None:
        hosts = [self.service(self.cluster.url()) for _ in range(2)]
        events: list[Event] = []
        done = threading.Event()
        with futures.ThreadPoolExecutor(8) as pool:
            writers = [
                pool.submit(self.write, hosts[number % 2], part, events, done)
                for number, part in enumerate(parts(SERVERS, 6))
            ]
            try:
                killed = self.disturb(events)
            finally:
                done.set()
            for writer in writers:
                writer.result()
        failed = [event for event in events if event.status not in (200, 201)]
        self.assertLessEqual({it.status for it in failed}, {503})
        late = [
            (event.what, event.at - killed)
            for event in failed
            if not killed <= event.at <= killed + FAIL_OVER
        ]
        self.assertEqual([], late)
        self.check_nothing_is_lost(hosts, events)

    def disturb(self, events: list[Event]) -> float:
        """Kill a node under load and let it rejoin.

        :returns: when it was killed
        """

        def more(number: int) -> None:
            target = len(events) + number
            process.wait_for(lambda: len(events) >= target, 'load')

        more(100)
        killed = time.monotonic()
        self.cluster.nodes[0].kill()
        more(100)
        time.sleep(max(0, killed + FAIL_OVER - time.monotonic()))
        self.cluster.nodes[0].rejoin()
        more(100)
        return killed

    def write(
        self,
        host: Service,
        servers: list[str],
        events: list[Event],
        done: threading.Event,
    ) -> None:
        """Create consoles, tokens and sessions until ``done`` is set."""
        waiting = list(servers)
        while not done.is_set():
            if waiting:
                server = waiting.pop()
                path = f'/v2.1/servers/{server}/consoles'
                answer = host.request('POST', path, fixtures.MEMBER)
                events.append(event('console', answer, server))
            answer = self.issue(host)
            issued = event('token', answer)
            if answer.status_code == 200:
                token = token_in(answer)
                issued = event('token', answer, token)
                answer = self.open(host, token)
                opened = event('session', answer)
                if answer.status_code == 201:
                    session_id = answer.json()['session']['id']
                    opened = event('session', answer, session_id)
                events.append(opened)
            events.append(issued)

    def check_nothing_is_lost(
        self, hosts: list[Service], events: list[Event]
    ) -> None:
        """Check that each accepted write is on each node exactly once."""
        accepted = {
            what: [it.name for it in events if it.what == what and it.name]
            for what in ('console', 'token', 'session')
        }
        for names in accepted.values():
            self.assertGreater(len(names), 20)
        expected = {
            'SELECT server_id FROM {database}.consoles': {
                it.name
                for it in events
                if it.what == 'console' and it.status == 200
            },
            'SELECT token_hash FROM {database}.console_auth_tokens': {
                hash_of(token) for token in accepted['token']
            },
            'SELECT session_id FROM {database}.console_sessions': set(
                accepted['session']
            ),
        }
        for node in self.cluster.nodes:
            node.wait_until_in_sync()
            for query, wanted in expected.items():
                found = self.rows(node, query)
                self.assertEqual(len(found), len(set(found)))
                self.assertEqual(set(), wanted - set(found))
        for token in accepted['token'][:100]:
            for host in hosts:
                self.assertEqual(200, self.look_up(host, token).status_code)


def event(
    what: str, answer: requests.Response, name: str | None = None
) -> Event:
    return Event(what, time.monotonic(), answer.status_code, name)


def token_in(answer: requests.Response) -> str:
    url: str = answer.json()['remote_console']['url']
    return url.rpartition('token%3D')[2]


def parts(names: list[str], number: int) -> list[list[str]]:
    return [names[start::number] for start in range(number)]
