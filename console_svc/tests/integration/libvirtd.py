# SPDX-License-Identifier: Apache-2.0

"""A real libvirtd with QEMU domains, in a temporary folder."""

import atexit
import contextlib
import os
import pathlib
import shutil
import subprocess
from collections.abc import Iterator

import fixtures
import libvirt

from console_svc.tests.programs import certificates, process

_BUILD = pathlib.Path(__file__).parents[3] / 'tools/guest.sh'

_DAEMON = """\
listen_tls = 0
listen_tcp = 1
listen_addr = "127.0.0.1"
tcp_port = "{port}"
auth_tcp = "none"
"""

_DOMAIN = """
<domain type='qemu'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <metadata>{metadata}</metadata>
  <memory unit='MiB'>32</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type><boot dev='hd'/></os>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    {disk}
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
    <video><model type='vga'/></video>
    <graphics type='vnc' port='-1' autoport='yes' listen='127.0.0.1'
        {password}/>
    {spice}
    {serial}
  </devices>
</domain>
"""

_METADATA = """
<nova:instance xmlns:nova='http://openstack.org/xmlns/libvirt/nova/1.1'>
  <nova:name>web-1</nova:name>
  <nova:creationTime>2026-07-01 12:00:00</nova:creationTime>
  <nova:owner>
    <nova:user uuid='joe'>joe</nova:user>
    <nova:project uuid='{project}'>{project}</nova:project>
  </nova:owner>
</nova:instance>
"""

_DISK = """
<disk type='file' device='disk'>
  <driver name='qemu' type='raw'/>
  <source file='{image}'/>
  <target dev='hda' bus='ide'/>
  <shareable/>
</disk>
"""

_SPICE = """
<graphics type='spice' autoport='yes' listen='127.0.0.1'/>
"""

_SERIAL = """
<serial type='tcp'>
  <source mode='bind' host='127.0.0.1' service='{port}'/>
  <protocol type='raw'/>
  <target port='0'/>
</serial>
"""


class Libvirtd(fixtures.Fixture):
    """libvirtd in session mode; QEMU emulates, so it needs no KVM.

    :param tls: whether its VNC servers use TLS (VeNCrypt)
    :param verify: whether they also require a certificate of the client
    """

    def __init__(self, tls: bool = False, verify: bool = False) -> None:
        self._tls = tls
        self._verify = verify

    def _setUp(self) -> None:
        outer = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        outer.chmod(0o755)
        self._home = outer / 'libvirt'
        for name in ('', 'run', 'config', 'config/libvirt', 'cache', 'pki'):
            (self._home / name).mkdir(mode=0o700)
        settings = self._home / 'config/libvirt/qemu.conf'
        # Two daemons that look for a free port would find the same.
        ports = process.display_ports()
        lines = [
            'stdio_handler = "file"',
            f'remote_display_port_min = {ports[0]}',
            f'remote_display_port_max = {ports[-1]}',
        ]
        if self._tls:
            certificates.write(self.pki)
            lines += ['vnc_tls = 1', f'vnc_tls_x509_cert_dir = "{self.pki}"']
            if self._verify:
                lines.append('vnc_tls_x509_verify = 1')
        settings.write_text('\n'.join(lines))
        self.port = process.free_port()
        daemon = self._home / 'config/libvirtd.conf'
        daemon.write_text(_DAEMON.format(port=self.port))
        as_user = []
        if os.geteuid() == 0:
            # As root, libvirtd would run in system mode.
            for path in (self._home, *self._home.rglob('*')):
                shutil.chown(path, 'nobody', 'nogroup')
            as_user = [
                process.program('setpriv'),
                *('--reuid=nobody', '--regid=nogroup', '--clear-groups'),
            ]
        self.server = self.useFixture(
            process.Program(
                [
                    *as_user,
                    process.program('libvirtd'),
                    *('--listen', '--config', str(daemon)),
                ],
                outer / 'libvirtd.log',
                {
                    'HOME': str(self._home),
                    'XDG_RUNTIME_DIR': str(self._home / 'run'),
                    'XDG_CONFIG_HOME': str(self._home / 'config'),
                    'XDG_CACHE_HOME': str(self._home / 'cache'),
                    'XDG_DATA_HOME': str(self._home / 'data'),
                    'XDG_STATE_HOME': str(self._home / 'state'),
                },
            )
        )
        self._domains: list[str] = []
        # An interrupted run does not clean up its classes.
        atexit.register(self._destroy)
        self.addCleanup(atexit.unregister, self._destroy)
        self.addCleanup(self._destroy)
        self.wait_until_it_answers()

    @property
    def pki(self) -> pathlib.Path:
        """Folder with certificate and CA of its VNC servers."""
        return self._home / 'pki'

    @property
    def remote_uri(self) -> str:
        """URI by which other hosts would connect."""
        return f'qemu+tcp://127.0.0.1:{self.port}/session'

    @property
    def uri(self) -> str:
        """URI of its Unix socket."""
        socket = self._home / 'run/libvirt/libvirt-sock'
        return f'qemu+unix:///session?socket={socket}'

    def wait_until_it_answers(self) -> None:
        """Wait until the daemon answers."""
        self.server.wait_for(self._answers, 'libvirtd')

    def _answers(self) -> bool:
        try:
            with self.connected():
                return True
        except libvirt.libvirtError:
            return False

    @contextlib.contextmanager
    def connected(self) -> Iterator[libvirt.virConnect]:
        """Connect to the daemon."""
        connection = libvirt.open(self.uri)
        try:
            yield connection
        finally:
            connection.close()

    def domain(
        self,
        uuid: str,
        name: str,
        project: str | None = None,
        password: str = "passwd=''",
        spice: bool = False,
        serial_port: int | None = None,
        started: bool = True,
        guest: bool = False,
    ) -> None:
        """Define a domain.

        :param project: the project in nova's metadata; None: the domain has
            no metadata
        :param password: an attribute of graphics; '' for a QEMU without
            password support
        :param started: whether to start it, too
        :param guest: whether it boots tools/guest.s
        """
        xml = _DOMAIN.format(
            name=name,
            uuid=uuid,
            password=password,
            metadata=_METADATA.format(project=project) if project else '',
            spice=_SPICE if spice else '',
            disk=_DISK.format(image=self._image()) if guest else '',
            serial=_SERIAL.format(port=serial_port) if serial_port else '',
        )
        with self.connected() as connection:
            domain = connection.defineXML(xml)
            self._domains.append(uuid)
            if started:
                domain.create()

    def _image(self) -> pathlib.Path:
        image = self._home / 'guest.img'
        if not image.exists():
            subprocess.run([_BUILD, image], check=True)
            if os.geteuid() == 0:
                shutil.chown(image, 'nobody', 'nogroup')
        return image

    def _destroy(self) -> None:
        # Domains continue to run without the daemon.
        if not self._answers():
            self.server.start()
            self.wait_until_it_answers()
        with self.connected() as connection:
            for uuid in self._domains:
                domain = connection.lookupByUUIDString(uuid)
                if domain.isActive():
                    domain.destroy()


def quiet() -> None:
    """Keep libvirt from printing errors that it also raises."""
    libvirt.registerErrorHandler(lambda context, error: None, None)
