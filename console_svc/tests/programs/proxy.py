# SPDX-License-Identifier: Apache-2.0

"""The console proxy as a program."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import fixtures as fixtures_
import requests

from console_svc.tests import fixtures
from console_svc.tests.programs import process
from console_svc.tests.programs.service import BaseService


class Proxy(fixtures_.Fixture):
    """A console proxy of a service.

    :param console_api: options of [console_api]; None: those for the service
    :param vnc: options of [vnc]
    :param rdp: options of [rdp]
    :param rfb: options of [rfb]; None: no native clients
    :param spice: options of [spice]; None: no native SPICE clients
    :param recording: options of [recording]
    :param groups: options of other groups
    :param port_range: [consoles] port_range
    :param port: where browsers connect; None: a free port
    :param environment: variables in addition to those of the tests
    :param command: the program, without its configuration
    :param options: other options of [proxy]
    """

    def __init__(
        self,
        service: BaseService,
        console_api: dict[str, Any] | None = None,
        vnc: dict[str, Any] | None = None,
        rdp: dict[str, Any] | None = None,
        port: int | None = None,
        rfb: dict[str, Any] | None = None,
        spice: dict[str, Any] | None = None,
        recording: dict[str, Any] | None = None,
        groups: dict[str, dict[str, Any]] | None = None,
        port_range: str | None = None,
        environment: Mapping[str, str] | None = None,
        command: Sequence[str] = ('console-svc-proxy',),
        **options: Any,
    ) -> None:
        self._environment = environment
        self._command = command
        self.port = port or process.free_port()
        self.local_port = process.free_port()
        self.is_tls = 'cert' in options
        self._groups = {
            'proxy': {
                'ports': self.port,
                'local_port': self.local_port,
                **options,
            },
            'console_api': console_api
            or {
                'auth_type': 'admin_token',
                'token': fixtures.SERVICE,
                'endpoint': f'{service.url}/v2.1',
            },
            'vnc': vnc or {},
            'rdp': rdp or {},
            'recording': recording or {},
            **(groups or {}),
        }
        if rfb is not None:
            self._groups['rfb'] = {'enabled': True, **rfb}
        if spice is not None:
            self._groups['spice'] = {'direct_enabled': True, **spice}
        if port_range is not None:
            self._groups['consoles'] = {'port_range': port_range}

    def _setUp(self) -> None:
        folder = pathlib.Path(self.useFixture(fixtures_.TempDir()).path)
        file = folder / 'proxy.conf'
        file.write_text(
            '\n'.join(
                f'[{group}]\n'
                + ''.join(f'{name} = {value}\n' for name, value in it.items())
                for group, it in self._groups.items()
            )
        )
        self.log = folder / 'proxy.log'
        self.process = self.useFixture(
            process.Program(
                [*self._command, '--config-file', str(file)],
                self.log,
                self._environment,
            )
        )
        self.wait()

    def wait(self) -> None:
        """Wait until a worker is up."""
        self.process.wait_for(self._answers, 'the proxy')

    def _answers(self) -> bool:
        """Whether a worker is up.

        That the port is open does not suffice: at first, the program opens it
        for a moment to check the configuration.
        """
        try:
            self.local('/healthcheck')
        except requests.ConnectionError:
            return False
        return True

    @property
    def url(self) -> str:
        """Where browsers connect."""
        return f'ws{"s" if self.is_tls else ""}://127.0.0.1:{self.port}/'

    def local(self, path: str) -> requests.Response:
        """Get /healthcheck or /metrics."""
        return requests.get(
            f'http://127.0.0.1:{self.local_port}{path}',
            timeout=process.PATIENCE,
        )

    def metrics(self) -> dict[str, float]:
        """The values of /metrics by name and labels."""
        return {
            name: float(value)
            for name, _, value in (
                line.rpartition(' ')
                for line in self.local('/metrics').text.splitlines()
                if not line.startswith('#')
            )
        }

    def descriptors(self) -> int:
        """The number of file descriptors that its worker has open."""
        (worker,) = process.children(self.process.pid)
        return len(list(pathlib.Path(f'/proc/{worker}/fd').iterdir()))

    def memory(self) -> int:
        """The resident memory of its worker, in KiB."""
        (worker,) = process.children(self.process.pid)
        status = pathlib.Path(f'/proc/{worker}/status').read_text()
        return int(status.partition('VmRSS:')[2].split()[0])

    def tasks(self) -> float:
        """The number of tasks of its worker."""
        return self.metrics()['console_svc_proxy_tasks']
