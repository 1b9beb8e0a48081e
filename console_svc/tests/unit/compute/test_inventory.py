# SPDX-License-Identifier: Apache-2.0

import pathlib

import testtools

import console_svc
from console_svc.compute import inventory
from console_svc.objects import ConnectInfo, Endpoint

SERVER = """\
servers:
  - id: 5f3d1f8e-9c8e-4a57-9a0c-4dd8e3f1c001
    project_id: demo
    instance_name: instance-00000001
    host: compute-1
"""


class InventoryTest(testtools.TestCase):
    def assert_invalid(self, text: str, line: int, reason: str) -> None:
        error = self.assertRaises(ValueError, inventory.parse, text.encode())
        self.assertIn(f'line {line}', str(error))
        self.assertIn(reason, str(error))

    def test_the_sample_is_valid(self) -> None:
        root = pathlib.Path(console_svc.__file__).parents[1]
        sample = root / 'etc/console_svc/servers.yaml'
        servers = inventory.parse(sample.read_bytes())
        entry = servers['5f3d1f8e-9c8e-4a57-9a0c-4dd8e3f1c001']
        self.assertEqual('demo', entry.server.project_id)
        self.assertEqual('ACTIVE', entry.server.status)
        self.assertEqual(Endpoint('vnc', '192.0.2.10', 5999), entry.native)
        self.assertEqual(
            ConnectInfo('192.0.2.10', 5902, 5903),
            entry.consoles['spice-html5'],
        )

    def test_servers_are_indexed_by_project(self) -> None:
        other = SERVER.partition('\n')[2].replace('c001', 'c002')
        found = inventory.load(
            f'{SERVER}{other.replace("demo", "other")}'.encode()
        )
        first, second = found.servers
        self.assertEqual(
            {'demo': [first], 'other': [second]}, dict(found.projects)
        )
        self.assertEqual({first.id, second.id}, set(found.entries))

    def test_defaults_of_optional_fields(self) -> None:
        (entry,) = inventory.parse(SERVER.encode()).values()
        self.assertEqual('ACTIVE', entry.server.status)
        self.assertEqual('instance-00000001', entry.server.name)
        self.assertIsNone(entry.native)
        self.assertEqual({}, entry.consoles)

    def test_an_inventory_without_servers_is_valid(self) -> None:
        self.assertEqual({}, inventory.parse(b'servers: []'))

    def test_invalid_yaml(self) -> None:
        self.assert_invalid('servers:\n  - [\n', 3, 'parsing')
        self.assertRaises(ValueError, inventory.parse, b'\x00')
        self.assertRaises(ValueError, inventory.parse, b'\xff\xfe\xff')
        self.assertRaises(ValueError, inventory.parse, b'[' * 5000)

    def test_an_empty_file(self) -> None:
        self.assert_invalid('', 1, "None is not of type 'object'")

    def test_a_duplicate_id(self) -> None:
        again = SERVER.partition('\n')[2]
        self.assert_invalid(SERVER + again, 6, 'duplicate id')
        self.assert_invalid(
            SERVER + again.replace('5f3d1f8e', '5F3D1F8E'), 6, 'duplicate id'
        )

    def test_a_missing_field(self) -> None:
        self.assert_invalid(
            SERVER.replace('    project_id: demo\n', ''),
            2,
            "'project_id' is a required property",
        )

    def test_an_id_that_is_not_a_uuid(self) -> None:
        self.assert_invalid(
            SERVER.replace('5f3d1f8e-', ''), 2, 'servers.0.id: '
        )

    def test_a_project_id_that_is_a_number(self) -> None:
        self.assert_invalid(
            SERVER.replace('demo', '12'), 3, "12 is not of type 'string'"
        )

    def test_an_unknown_field(self) -> None:
        self.assert_invalid(
            f'{SERVER}    color: red\n', 2, "'color' was unexpected"
        )

    def test_an_unknown_console_type(self) -> None:
        self.assert_invalid(
            f'{SERVER}    consoles:\n'
            '      - {type: x11, host: h, port: 1}\n',
            7,
            "'x11' is not one of",
        )

    def test_duplicate_console_types(self) -> None:
        console = '      - {type: novnc, host: h, port: 1}\n'
        self.assert_invalid(
            f'{SERVER}    consoles:\n{console}{console}',
            8,
            'a second console of type novnc',
        )

    def test_ports_outside_the_valid_range(self) -> None:
        for port in ('0', '65536', '-1', '1.5', 'true', 'http'):
            self.assert_invalid(
                f'{SERVER}    native:\n'
                f'      {{console_type: vnc, host: h, port: {port}}}\n',
                7,
                'servers.0.native.port: ',
            )
