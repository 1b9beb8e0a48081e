# SPDX-License-Identifier: Apache-2.0

"""A real RabbitMQ, in a folder of its own."""

import os
import pathlib

import fixtures

from console_svc.tests.integration import process

_SERVER = '/usr/lib/rabbitmq/bin/rabbitmq-server'
# Erlang reserves this port of 127.0.0.1 otherwise for every user's nodes.
_LOOPBACK = '-kernel inet_dist_use_interface {127,0,0,1}'


class RabbitMQ(fixtures.Fixture):
    """Listens on 127.0.0.1 alone; ``url`` is its transport URL."""

    def _setUp(self) -> None:
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self._port = process.free_port()
        self.url = f'rabbit://guest:guest@127.0.0.1:{self._port}/'
        names = process.free_port()
        environment = {
            'HOME': str(folder),
            'ERL_EPMD_ADDRESS': '127.0.0.1',
            'ERL_EPMD_PORT': str(names),
            'RABBITMQ_NODENAME': f'console-svc-{self._port}@localhost',
            'RABBITMQ_NODE_IP_ADDRESS': '127.0.0.1',
            'RABBITMQ_NODE_PORT': str(self._port),
            'RABBITMQ_DIST_PORT': str(process.free_port()),
            'RABBITMQ_MNESIA_BASE': str(folder / 'mnesia'),
            'RABBITMQ_LOG_BASE': str(folder / 'log'),
            'RABBITMQ_CONFIG_FILE': str(folder / 'rabbitmq'),
            'RABBITMQ_CONF_ENV_FILE': os.devnull,
            'RABBITMQ_ENABLED_PLUGINS_FILE': str(folder / 'plugins'),
            'RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS': _LOOPBACK,
        }
        names_server = self.useFixture(
            process.Program(
                ['epmd', '-address', '127.0.0.1', '-port', str(names)],
                folder / 'epmd.log',
            )
        )
        names_server.wait_for(lambda: process.listens(names), 'epmd')
        self._server = self.useFixture(
            process.Program([_SERVER], folder / 'rabbitmq.log', environment)
        )
        self.wait()

    def wait(self) -> None:
        """Wait until it takes connections."""
        self._server.wait_for(lambda: process.listens(self._port), 'RabbitMQ')

    def stop(self) -> None:
        """Take it away."""
        self._server.stop()

    def start(self) -> None:
        """Bring it back, with what it knew."""
        self._server.start()
        self.wait()
