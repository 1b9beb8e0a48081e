# SPDX-License-Identifier: Apache-2.0

"""A driver whose answers the test sets, and the services around it."""

import time
from collections.abc import Callable

from console_svc import exception
from console_svc.compute import base
from console_svc.context import RequestContext
from console_svc.objects import ConnectInfo, Endpoint, Server
from console_svc.services import Services
from console_svc.tests import fixtures

CONTEXT = RequestContext(user_id='joe', project_id='demo', overwrite=False)


class RecordingDriver(base.Driver):
    """Has one server, and records the password of each host's console."""

    def __init__(self, host: str | None = 'compute-1') -> None:
        self.server: Server | None = Server(
            id=fixtures.SERVER,
            project_id='demo',
            name='web-1',
            instance_name='instance-00000001',
            host=host,
        )
        self.passwords: dict[str | None, str] = {}
        self.dead_hosts: set[str | None] = set()

    def get_server(self, context: RequestContext, server_id: str) -> Server:
        if self.server is None or server_id != self.server.id:
            raise exception.ServerNotFound(server_id=server_id)
        return self.server

    def get_connect_info(
        self, context: RequestContext, server: Server, console_type: str
    ) -> ConnectInfo:
        return ConnectInfo('192.0.2.1', 5900)

    def open_native_console(
        self, context: RequestContext, server: Server, password: str
    ) -> Endpoint:
        self._ask(server.host)
        self.passwords[server.host] = password
        return Endpoint('vnc', None, 5901)

    def close_native_console(self, server_id: str, server_host: str) -> None:
        self._ask(server_host)
        self.passwords.pop(server_host, None)

    def _ask(self, host: str | None) -> None:
        if host in self.dead_hosts:
            raise exception.ServiceUnavailable(f'{host} does not answer.')


def services(
    configuration: fixtures.Configuration,
    driver: base.Driver,
    clock: Callable[[], float] = time.time,
) -> Services:
    """The service's objects around a driver, on the test's clock."""
    made = Services(configuration.conf, clock=clock)
    made.driver = driver
    made.database = configuration.database
    return made
