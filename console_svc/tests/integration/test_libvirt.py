# SPDX-License-Identifier: Apache-2.0

"""The driver "libvirt", with a real libvirtd and QEMU."""

import asyncio
import contextlib
import signal
import socket
import subprocess
import sys
from typing import Any, ClassVar

import asyncvnc
import requests
import testtools
from oslo_context import context

from console_svc.compute.libvirt import listing
from console_svc.compute.libvirt.hosts import Hosts
from console_svc.tests import fixtures
from console_svc.tests.integration import libvirtd
from console_svc.tests.integration.libvirtd import Libvirtd
from console_svc.tests.integration.relay import Relay
from console_svc.tests.integration.service import Service
from console_svc.tests.programs import process

BARE = fixtures.BARE
MAPPED = '5f3d1f8e-9c8e-4a57-9a0c-4dd8e3f1c005'
WITHOUT_PROJECT = '5f3d1f8e-9c8e-4a57-9a0c-4dd8e3f1c006'


class LibvirtTest(testtools.TestCase):
    libvirtd: ClassVar[Libvirtd]
    service: ClassVar[Service]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        libvirtd.quiet()
        cls.libvirtd = Libvirtd()
        cls.libvirtd.setUp()
        cls.addClassCleanup(cls.libvirtd.cleanUp)
        cls.serial_port = process.free_port()
        for uuid, name, options in (
            (
                fixtures.SERVER,
                'instance-00000001',
                {'project': 'demo', 'serial_port': cls.serial_port},
            ),
            (
                fixtures.STOPPED,
                'instance-00000002',
                {'project': 'demo', 'started': False},
            ),
            (BARE, 'instance-00000003', {'project': 'demo', 'password': ''}),
            (fixtures.OTHERS, 'instance-00000004', {'project': 'other'}),
            (MAPPED, 'pet', {'spice': True}),
            (WITHOUT_PROJECT, 'stray', {}),
        ):
            cls.libvirtd.domain(uuid, name, **options)
        cls.service = cls.start(f'compute-1={cls.libvirtd.uri}')

    @classmethod
    def start(cls, hosts: str, timeout: int = 20) -> Service:
        service = Service(
            compute={'driver': 'libvirt'},
            libvirt={
                'hosts': hosts,
                'timeout': timeout,
                'projects': f'{MAPPED}:demo',
            },
        )
        service.setUp()
        cls.addClassCleanup(service.cleanUp)
        return service

    def consoles(
        self,
        method: str = 'GET',
        server: str = fixtures.SERVER,
        number: int | None = None,
        service: Service | None = None,
    ) -> requests.Response:
        path = f'/v2.1/servers/{server}/consoles'
        if number is not None:
            path += f'/{number}'
        service = service or self.service
        return service.request(method, path, fixtures.MEMBER)

    def remote(self, kind: str, server: str, protocol: str) -> Any:
        """Return where a new token leads, or the status of the refusal."""
        answer = self.service.request(
            'POST',
            f'/v2.1/servers/{server}/remote-consoles',
            fixtures.MEMBER,
            '2.6',
            json={'remote_console': {'protocol': protocol, 'type': kind}},
        )
        if answer.status_code != 200:
            return answer.status_code
        url = answer.json()['remote_console']['url']
        token = url.rpartition('token')[2].removeprefix('%3D').strip('=')
        return self.service.request(
            'GET',
            f'/v2.1/os-console-auth-tokens/{token}',
            fixtures.SERVICE,
            '2.31',
        ).json()['console']

    def live(self, server: str) -> str:
        """Return the live XML of a domain."""
        with self.libvirtd.connected() as connection:
            return connection.lookupByUUIDString(server).XMLDesc()

    def test_only_servers_of_the_project_are_found(self) -> None:
        for server, status in (
            (fixtures.SERVER, 200),
            (fixtures.STOPPED, 200),
            (MAPPED, 200),
            (fixtures.OTHERS, 404),
            (WITHOUT_PROJECT, 404),
            (fixtures.UNKNOWN, 404),
        ):
            self.assertEqual(
                status, self.consoles(server=server).status_code, server
            )

    def servers(
        self, query: str = '', user: str = fixtures.MEMBER
    ) -> dict[str, Any]:
        """Return the servers of a list, by id."""
        answer = self.service.request(
            'GET', f'/v2.1/servers/detail{query}', user, '2.47'
        )
        self.assertEqual(200, answer.status_code, answer.text)
        return {it['id']: it for it in answer.json()['servers']}

    def test_lists_have_the_servers_of_the_project(self) -> None:
        servers = self.servers()
        self.assertEqual(
            {fixtures.SERVER, fixtures.STOPPED, BARE, MAPPED}, set(servers)
        )
        self.assertEqual(
            ('web-1', 'ACTIVE', 'joe', '2026-07-01T12:00:00Z'),
            tuple(
                servers[fixtures.SERVER][name]
                for name in ('name', 'status', 'user_id', 'created')
            ),
        )
        self.assertEqual('SHUTOFF', servers[fixtures.STOPPED]['status'])
        self.assertEqual('pet', servers[MAPPED]['name'])
        self.assertEqual([MAPPED], [*self.servers('?name=PET')])
        # A domain without a project is not listed at all.
        self.assertEqual(
            {*servers, fixtures.OTHERS},
            set(self.servers('?all_tenants=1', fixtures.ADMIN)),
        )

    def test_a_server_on_two_hosts_is_listed_once(self) -> None:
        """As during a live migration."""
        service = self.start(
            f'compute-1={self.libvirtd.uri},'
            f'compute-2={self.libvirtd.remote_uri}'
        )
        answer = service.request('GET', '/v2.1/servers', fixtures.MEMBER)
        ids = [it['id'] for it in answer.json()['servers']]
        self.assertEqual(
            sorted((fixtures.SERVER, fixtures.STOPPED, BARE, MAPPED)),
            sorted(ids),
        )

    def test_openstack_finds_a_server_by_its_name(self) -> None:
        done = subprocess.run(
            [
                process.program('openstack'),
                *('--os-auth-type', 'admin_token'),
                *('--os-endpoint', f'{self.service.url}/v2.1'),
                *('--os-token', fixtures.MEMBER),
                *('console', 'url', 'show', '--spice', 'pet'),
                *('-f', 'value', '-c', 'url'),
            ],
            check=False,
            capture_output=True,
            text=True,
        )
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertIn('spice_auto.html?token=', done.stdout)

    def test_connect_info_of_each_console_type(self) -> None:
        info = self.remote('novnc', fixtures.SERVER, 'vnc')
        self.assertEqual('127.0.0.1', info['host'])
        self.assertIn(f"port='{info['port']}'", self.live(fixtures.SERVER))
        with socket.create_connection((info['host'], info['port'])) as vnc:
            self.assertEqual(b'RFB 003.', vnc.recv(8))
        info = self.remote('serial', fixtures.SERVER, 'serial')
        self.assertEqual(self.serial_port, info['port'])
        self.assertEqual(400, self.remote('serial', BARE, 'serial'))
        info = self.remote('spice-html5', MAPPED, 'spice')
        self.assertEqual('127.0.0.1', info['host'])
        self.assertIn(f"type='spice' port='{info['port']}'", self.live(MAPPED))
        self.assertEqual(
            400, self.remote('spice-html5', fixtures.SERVER, 'spice')
        )
        self.assertEqual(409, self.remote('novnc', fixtures.STOPPED, 'vnc'))

    def test_a_native_console_from_create_to_delete(self) -> None:
        self.assertEqual(200, self.consoles('POST').status_code)
        ((number),) = [
            it['console']['id'] for it in self.consoles().json()['consoles']
        ]
        console = self.consoles(number=number).json()['console']
        self.assertEqual('instance-00000001', console['instance_name'])
        self.assertEqual('vnc', console['console_type'])
        where = console['host'], console['port']
        asyncio.run(self.refused(*where, 'a-wrong-'))
        asyncio.run(self.refused(*where, None))
        asyncio.run(
            self.disconnected_by_delete(where, console['password'], number)
        )
        asyncio.run(self.refused(*where, console['password']))
        self.assertEqual([], self.consoles().json()['consoles'])
        # The password of a new console differs.
        self.consoles('POST')
        (listed,) = self.consoles().json()['consoles']
        new = self.consoles(number=listed['console']['id']).json()['console']
        asyncio.run(self.refused(*where, console['password']))
        asyncio.run(self.log_in(*where, new['password']))
        self.consoles('DELETE', number=listed['console']['id'])

    async def log_in(self, host: str, port: int, password: str) -> None:
        async with asyncvnc.connect(host, port, password=password) as client:
            self.assertGreater(client.video.width, 100)

    async def refused(
        self, host: str, port: int, password: str | None
    ) -> None:
        try:
            await self.log_in(host, port, password or '')
        except (PermissionError, ValueError, OSError, EOFError):
            return
        self.fail('The log-in was not refused.')

    async def disconnected_by_delete(
        self, where: tuple[str, int], password: str, number: int
    ) -> None:
        """Deleting the console closes the connection of its client."""
        async with asyncvnc.connect(*where, password=password) as client:
            deleted = await asyncio.to_thread(
                self.consoles, 'DELETE', number=number
            )
            self.assertEqual(202, deleted.status_code)
            with contextlib.suppress(ConnectionError):
                async with asyncio.timeout(process.PATIENCE):
                    while await client.reader.read(4096):
                        pass

    def test_a_console_without_password_support_is_not_opened(self) -> None:
        answer = self.consoles('POST', BARE)
        self.assertEqual(409, answer.status_code)
        self.assertIn(
            'cannot be protected',
            answer.json()['conflictingRequest']['message'],
        )
        self.assertEqual([], self.consoles(server=BARE).json()['consoles'])

    def test_the_console_of_a_stopped_server_is_not_opened(self) -> None:
        answer = self.consoles('POST', fixtures.STOPPED)
        self.assertEqual(409, answer.status_code)

    def test_a_hung_host_affects_only_its_servers(self) -> None:
        hung = socket.create_server(('127.0.0.1', 0))
        self.addCleanup(hung.close)
        port = hung.getsockname()[1]
        service = self.start(
            f'compute-1={self.libvirtd.uri},'
            f'compute-2=qemu+tcp://127.0.0.1:{port}/system',
            timeout=5,
        )
        # An unknown server may be on the hung host.
        answer = self.consoles(server=fixtures.UNKNOWN, service=service)
        self.assertEqual(503, answer.status_code)
        self.assertIn('Retry-After', answer.headers)
        answer = service.request('GET', '/v2.1/servers', fixtures.MEMBER)
        self.assertEqual(200, answer.status_code)
        self.assertIn(fixtures.SERVER, answer.text)
        self.assertIn(
            'Compute host compute-2 does not answer', service.log.read_text()
        )
        # Servers on the other host are available.
        for _ in range(4):
            answer = self.consoles(service=service)
            self.assertEqual(200, answer.status_code)

    def test_log_lines_of_a_list_have_the_id_of_the_request(self) -> None:
        class Host:
            def call(self, function: Any) -> list[Any]:
                seen.append(context.get_current().request_id)
                return []

        seen: list[str] = []
        context.RequestContext(request_id='req-1')
        [*listing.describe_all([Host(), Host()])]
        self.assertEqual(['req-1'] * 2, seen)

    def test_an_evacuated_server_is_found_on_its_new_host(self) -> None:
        relay = self.useFixture(Relay(self.libvirtd.port))
        near = f'compute-1=qemu+tcp://127.0.0.1:{relay.port}/session'
        conf = self.useFixture(
            fixtures.Configuration(
                libvirt={
                    'hosts': f'{near},compute-2={self.libvirtd.uri}',
                    'timeout': 5,
                }
            )
        ).conf

        def name(connection: Any) -> str:
            return connection.lookupByUUIDString(fixtures.SERVER).name()

        def where(hosts: Hosts) -> str:
            return hosts.find(fixtures.SERVER, name)[0].name

        hosts = Hosts(conf)
        while where(hosts) != 'compute-1':
            # compute-2 has answered first: try again.
            hosts = Hosts(conf)
        self.assertEqual('compute-1', where(hosts))
        with relay.hanging():
            self.assertEqual('compute-2', where(hosts))
            self.assertEqual('compute-2', where(hosts))

    def test_event_loop_continues_after_an_error(self) -> None:
        relay = self.useFixture(Relay(self.libvirtd.port))
        log = self.service.folder / 'events.log'
        program = self.useFixture(
            process.Program(
                [
                    *(sys.executable, '-m'),
                    'console_svc.tests.integration.libvirt_events',
                    f'qemu+tcp://127.0.0.1:{relay.port}/session',
                ],
                log,
            )
        )
        program.wait_for(lambda: 'connected' in log.read_text(), 'libvirt')
        with relay.hanging():
            process.wait_for(lambda: 'closed' in log.read_text(), 'the close')
        self.assertIn('injected by a test', log.read_text())

    def test_recovers_after_a_restart_of_libvirtd(self) -> None:
        self.assertEqual(200, self.consoles().status_code)
        self.libvirtd.server.signal(signal.SIGKILL)
        self.libvirtd.server.wait()
        answer = self.consoles()
        self.assertEqual(503, answer.status_code)
        self.assertRegex(
            self.service.log.read_text(),
            rf'\[None {answer.headers["X-OpenStack-Request-Id"]} .*'
            'Compute host compute-1 does not answer',
        )
        listed = self.service.request('GET', '/v2.1/servers', fixtures.MEMBER)
        self.assertEqual(503, listed.status_code)
        self.libvirtd.server.start()
        self.libvirtd.wait_until_it_answers()
        before = self.service.log.stat().st_size
        request = f'GET /v2.1/servers/{fixtures.SERVER}/consoles'

        def both() -> bool:
            self.consoles()
            return len(self.service.processes(request, since=before)) == 2

        self.service.process.wait_for(both, 'both processes')


class TlsTest(testtools.TestCase):
    """VNC servers with TLS on a remote hypervisor."""

    def test_only_a_console_that_asks_for_the_password_is_opened(self) -> None:
        libvirtd.quiet()
        daemon = self.useFixture(Libvirtd(tls=True))
        daemon.domain(fixtures.SERVER, 'instance-00000001', 'demo')
        # QEMU accepts the password, but does not ask clients for it.
        daemon.domain(BARE, 'instance-00000002', 'demo', password='')
        service = self.useFixture(
            Service(
                compute={'driver': 'libvirt'},
                libvirt={
                    'hosts': f'compute-1={daemon.remote_uri}',
                    'timeout': 20,
                },
            )
        )
        for server, status, number in (
            (fixtures.SERVER, 200, 1),
            (BARE, 409, 0),
        ):
            path = f'/v2.1/servers/{server}/consoles'
            answer = service.request('POST', path, fixtures.MEMBER)
            self.assertEqual(status, answer.status_code, answer.text)
            listed = service.request('GET', path, fixtures.MEMBER).json()
            self.assertEqual(number, len(listed['consoles']))
        path = f'/v2.1/servers/{fixtures.SERVER}/consoles/1'
        answer = service.request('DELETE', path, fixtures.MEMBER)
        self.assertEqual(202, answer.status_code)
