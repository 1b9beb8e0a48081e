# SPDX-License-Identifier: Apache-2.0

import testtools

from console_svc.compute.libvirt import domain
from console_svc.objects import ConnectInfo

UUID = '5f3d1f8e-9c8e-4a57-9a0c-4dd8e3f1c001'

NOVA = """
<metadata>
  <nova:instance xmlns:nova='http://openstack.org/xmlns/libvirt/nova/{version}'>
    <nova:name>web-1</nova:name>
    <nova:creationTime>2026-07-01 12:00:00</nova:creationTime>
    <nova:owner>
      <nova:user uuid='joe-id'>joe</nova:user>
      <nova:project uuid='demo-id'>demo</nova:project>
    </nova:owner>
  </nova:instance>
</metadata>
"""


def parse(devices: str = '', metadata: str = '') -> domain.Domain:
    xml = (
        f'<domain><name>instance-00000001</name><uuid>{UUID}</uuid>'
        f'{metadata}<devices>{devices}</devices></domain>'
    )
    return domain.parse(xml, 'compute-1')


class DomainTest(testtools.TestCase):
    def test_name_and_project_from_metadata(self) -> None:
        for version in ('1.0', '1.1'):
            found = parse(metadata=NOVA.format(version=version))
            self.assertEqual(
                (UUID, 'instance-00000001', 'web-1', 'demo-id'),
                (found.id, found.name, found.display_name, found.project_id),
            )
            self.assertEqual('joe-id', found.user_id)
            self.assertEqual(1782907200, found.created)
        found = parse()
        self.assertEqual(('', 0), (found.user_id, found.created))
        self.assertIsNone(found.project_id)
        self.assertIsNone(found.display_name)

    def test_other_creation_times_are_unknown(self) -> None:
        for text in ('', 'yesterday', '1969-01-01 00:00:00'):
            metadata = NOVA.format(version='1.1').replace(
                '2026-07-01 12:00:00', text
            )
            self.assertEqual(0, parse(metadata=metadata).created)

    def test_graphics_consoles(self) -> None:
        found = parse(
            "<graphics type='vnc' port='5901' listen='192.0.2.10'/>"
            "<graphics type='spice' port='5902' tlsPort='5903'"
            " listen='192.0.2.11'/>"
        )
        spice = ConnectInfo('192.0.2.11', 5902, 5903)
        self.assertEqual(
            {
                'novnc': ConnectInfo('192.0.2.10', 5901),
                'spice-html5': spice,
                'spice-direct': spice,
            },
            dict(found.consoles),
        )

    def test_wildcard_addresses_become_the_host_name(self) -> None:
        for listen in ("listen='0.0.0.0'", "listen='::'", "listen=''", ''):
            found = parse(f"<graphics type='vnc' port='5901' {listen}/>")
            self.assertEqual('compute-1', found.consoles['novnc'].host)

    def test_a_console_without_a_port_is_omitted(self) -> None:
        for port in ("port='-1'", "port='0'", "port=''", ''):
            found = parse(f"<graphics type='vnc' {port} listen='::1'/>")
            self.assertEqual({}, dict(found.consoles))

    def test_serial_consoles(self) -> None:
        source = "<source mode='{}' host='192.0.2.10' service='10000'/>"
        for kind in ('serial', 'console'):
            found = parse(
                f"<{kind} type='pty'/>"
                f"<{kind} type='tcp'>{source.format('bind')}</{kind}>"
            )
            self.assertEqual(
                {'serial': ConnectInfo('192.0.2.10', 10000)},
                dict(found.consoles),
            )
        # With mode connect, QEMU is the client: nothing listens.
        found = parse(
            f"<serial type='tcp'>{source.format('connect')}</serial>"
        )
        self.assertEqual({}, dict(found.consoles))

    def test_with_password_changes_nothing_else(self) -> None:
        found = parse(
            "<graphics type='vnc' port='5901' autoport='yes'"
            " listen='192.0.2.10'><listen type='address'/></graphics>"
        )
        xml = domain.with_password(found.vnc, 'sesame', '2026-07-01T12:00:00')
        self.assertEqual(
            '<graphics type="vnc" port="5901" autoport="yes"'
            ' listen="192.0.2.10" passwd="sesame"'
            ' passwdValidTo="2026-07-01T12:00:00">'
            '<listen type="address" /></graphics>',
            xml,
        )
