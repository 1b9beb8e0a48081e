# SPDX-License-Identifier: Apache-2.0

"""A real RabbitMQ in a temporary folder."""

import json
import os
import pathlib

import fixtures

from console_svc.tests.programs import process

_SERVER = '/usr/lib/rabbitmq/bin/rabbitmq-server'
# Erlang's distribution listens on all addresses by default.
_LOOPBACK = '-kernel inet_dist_use_interface {127,0,0,1}'

# Users with their permissions to configure, write and read. Those of the
# service's users are as in doc/source/admin/notifications.rst.
_USERS = {
    'nova': ('.*', '.*', '.*'),
    'console-svc': (
        r'^(openstack|notifications-\d+\.(info|warn))$',
        r'^(openstack|notifications-\d+\.(info|warn))$',
        '^openstack$',
    ),
    'console-svc-listener': (
        '^(nova|console-svc)$',
        '^console-svc$',
        '^(nova|console-svc)$',
    ),
}
_PASSWORD = 'integration'


class RabbitMQ(fixtures.Fixture):
    """A server that listens on 127.0.0.1 only."""

    def _setUp(self) -> None:
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self._port = process.free_port()
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
        users = folder / 'users.json'
        users.write_text(json.dumps(_definitions()))
        (folder / 'rabbitmq.conf').write_text(f'load_definitions = {users}\n')
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

    def url(self, user: str = 'nova') -> str:
        """Return the transport URL of a user."""
        return f'rabbit://{user}:{_PASSWORD}@127.0.0.1:{self._port}/'

    def wait(self) -> None:
        """Wait until it accepts connections."""
        self._server.wait_for(lambda: process.listens(self._port), 'RabbitMQ')

    def stop(self) -> None:
        """Stop it."""
        self._server.stop()

    def start(self) -> None:
        """Start it again, with its previous data."""
        self._server.start()
        self.wait()


def _definitions() -> dict[str, list[dict[str, str]]]:
    """The users, as RabbitMQ takes them at its start."""
    return {
        'vhosts': [{'name': '/'}],
        'users': [
            {'name': user, 'password': _PASSWORD, 'tags': ''}
            for user in _USERS
        ],
        'permissions': [
            {
                'user': user,
                'vhost': '/',
                **dict(zip(('configure', 'write', 'read'), may, strict=True)),
            }
            for user, may in _USERS.items()
        ],
    }
