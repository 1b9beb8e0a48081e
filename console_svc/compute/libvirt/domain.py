# SPDX-License-Identifier: Apache-2.0

"""Parse the XML of libvirt domains.

See https://libvirt.org/formatdomain.html. The owner of a server is in nova's
metadata element.
"""

import dataclasses
import datetime
from collections.abc import Mapping
from typing import Any, Final
from xml.etree import ElementTree

from console_svc.objects import ConnectInfo, ConsoleType

_NOVA: Final = (
    '{http://openstack.org/xmlns/libvirt/nova/1.1}',
    '{http://openstack.org/xmlns/libvirt/nova/1.0}',
)

# Listen addresses that stand for all addresses of the host.
_WILDCARDS: Final = frozenset({'', '0.0.0.0', '::'})  # noqa: S104

_GRAPHICS: Final = {
    'vnc': (ConsoleType.NOVNC,),
    'spice': (ConsoleType.SPICE_HTML5, ConsoleType.SPICE_DIRECT),
}


@dataclasses.dataclass(frozen=True, slots=True)
class Domain:
    """A libvirt domain.

    :param name: the hypervisor's name for it
    :param display_name: nova's name of the server; None without nova's
        metadata
    :param project_id: the owner; None without nova's metadata
    :param user_id: the user who created it; empty without nova's metadata
    :param created: when it was created; 0 without nova's metadata
    :param consoles: connect info by console type; only a running domain has
        ports
    :param vnc: the ``<graphics>`` element of its VNC server, if it has one
    """

    id: str
    name: str
    display_name: str | None
    project_id: str | None
    user_id: str
    created: int
    consoles: Mapping[str, ConnectInfo]
    vnc: str | None


def parse(xml: str, host: str) -> Domain:
    """Parse a domain's live XML.

    :param host: the name of the domain's host
    """
    root = ElementTree.fromstring(xml)  # noqa: S314
    vnc = root.find("./devices/graphics[@type='vnc']")
    return Domain(
        id=root.findtext('uuid', ''),
        name=root.findtext('name', ''),
        **_metadata(root),
        consoles=_graphics(root, host) | _serial(root, host),
        vnc=None if vnc is None else ElementTree.tostring(vnc, 'unicode'),
    )


def with_password(graphics: str, password: str, valid_to: str) -> str:
    """Return a ``<graphics>`` element with another password.

    :param graphics: the present element
    :param password: with an empty password, the server refuses all clients
    :param valid_to: when the password expires, in UTC: 2026-07-01T12:00:00
    """
    element = ElementTree.fromstring(graphics)  # noqa: S314
    element.set('passwd', password)
    element.set('passwdValidTo', valid_to)
    return ElementTree.tostring(element, 'unicode')


def _metadata(root: ElementTree.Element) -> dict[str, Any]:
    """Return the fields of a domain that are in nova's metadata."""
    for namespace in _NOVA:
        instance = root.find(f'./metadata/{namespace}instance')
        if instance is not None:
            owner = f'./{namespace}owner/{namespace}'
            created = instance.findtext(f'{namespace}creationTime', '')
            return {
                'display_name': instance.findtext(f'{namespace}name'),
                'project_id': _uuid(instance.find(f'{owner}project')),
                'user_id': _uuid(instance.find(f'{owner}user')) or '',
                'created': _seconds(created),
            }
    return {
        'display_name': None,
        'project_id': None,
        'user_id': '',
        'created': 0,
    }


def _uuid(element: ElementTree.Element | None) -> str | None:
    return None if element is None else element.get('uuid')


def _seconds(text: str) -> int:
    """Parse a time of nova's metadata, which is in UTC; 0: it has none."""
    try:
        time = datetime.datetime.strptime(text.strip(), '%Y-%m-%d %H:%M:%S')
    except ValueError:
        return 0
    return max(0, int(time.replace(tzinfo=datetime.UTC).timestamp()))


def _graphics(root: ElementTree.Element, host: str) -> dict[str, ConnectInfo]:
    consoles: dict[str, ConnectInfo] = {}
    for element in root.findall('./devices/graphics'):
        port = _port(element.get('port'))
        tls_port = _port(element.get('tlsPort'))
        if port is None:
            continue
        info = ConnectInfo(
            host=_address(element.get('listen'), host),
            port=port,
            tls_port=tls_port,
        )
        for console_type in _GRAPHICS.get(element.get('type', ''), ()):
            consoles.setdefault(console_type, info)
    return consoles


def _serial(root: ElementTree.Element, host: str) -> dict[str, ConnectInfo]:
    for kind in ('serial', 'console'):
        source = root.find(
            f"./devices/{kind}[@type='tcp']/source[@mode='bind']"
        )
        port = None if source is None else _port(source.get('service'))
        if source is not None and port is not None:
            address = _address(source.get('host'), host)
            return {ConsoleType.SERIAL: ConnectInfo(address, port)}
    return {}


def _address(listen: str | None, host: str) -> str:
    return host if listen is None or listen in _WILDCARDS else listen


def _port(text: str | None) -> int | None:
    """Parse a port; before libvirt has allocated one, it is -1 or 0."""
    number = int(text) if text and text.lstrip('-').isdigit() else -1
    return number if number > 0 else None
