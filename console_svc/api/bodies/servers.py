# SPDX-License-Identifier: Apache-2.0

"""Bodies of /servers, /servers/detail and /servers/{server_id}.

They have the fields of nova's response schemas, so that its clients work.
Fields about what is unknown here, such as the flavor, are empty.
"""

import dataclasses
import datetime
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final
from urllib import parse

from console_svc.api.bodies.schema import (
    NEXT,
    TEXT,
    TEXT_OR_NULL,
    URI,
    UUID,
    Schema,
    list_of,
    one_of,
    record,
)
from console_svc.api.microversion import MIN, Version
from console_svc.api.operation import Form
from console_svc.consoles import server_list
from console_svc.objects import Server

_TIME: Final = {'type': 'string', 'format': 'date-time'}
_TIME_OR_NULL: Final = {'type': ['string', 'null'], 'format': 'date-time'}
_INTEGER: Final = {'type': 'integer'}
_TRUTH: Final = {'type': 'boolean'}
_EMPTY_LIST: Final = {'type': 'array', 'maxItems': 0}
_EMPTY_OBJECT: Final = record()
_LINKS: Final = list_of(record(rel=one_of('self', 'bookmark'), href=URI))

# Nova embeds the flavor from 2.47 on, and refers to it before.
_EMBEDDED: Final = {
    'disk': 0,
    'ephemeral': 0,
    'extra_specs': {},
    'original_name': '',
    'ram': 0,
    'swap': 0,
    'vcpus': 0,
}


@dataclasses.dataclass(frozen=True, slots=True)
class _Field:
    """A field of a server.

    :param since: the first microversion that has it
    :param before: the first microversion that no longer has it
    :param in_lists: whether lists have it, too
    """

    name: str
    schema: Schema
    value: Callable[[Server], Any]
    since: Version = MIN
    before: Version | None = None
    in_lists: bool = True

    def is_in(self, version: Version) -> bool:
        return version >= self.since and (
            self.before is None or version < self.before
        )


def _constant(value: Any) -> Callable[[Server], Any]:
    return lambda server: value


def _created(server: Server) -> str:
    time = datetime.datetime.fromtimestamp(server.created, datetime.UTC)
    return f'{time:%Y-%m-%dT%H:%M:%SZ}'


def _host_id(server: Server) -> str:
    """As nova: the same for the servers of a project on one host."""
    if not server.host:
        return ''
    return hashlib.sha224(
        f'{server.project_id}{server.host}'.encode()
    ).hexdigest()


_FIELDS: Final = (
    _Field('name', TEXT, lambda it: it.name),
    _Field('status', TEXT, server_list.status),
    _Field('tenant_id', TEXT, lambda it: it.project_id),
    # In nova's schema it is not empty; nova also shows UNKNOWN.
    _Field('user_id', TEXT, lambda it: it.user_id or 'UNKNOWN'),
    _Field('metadata', _EMPTY_OBJECT, _constant({})),
    _Field('hostId', TEXT, _host_id),
    _Field('image', TEXT, _constant('')),
    _Field(
        'flavor',
        record(id=TEXT, links=_EMPTY_LIST),
        _constant({'id': '', 'links': []}),
        before=Version(2, 47),
    ),
    _Field(
        'flavor',
        record(
            **{
                **dict.fromkeys(_EMBEDDED, _INTEGER),
                'extra_specs': _EMPTY_OBJECT,
                'original_name': TEXT,
            }
        ),
        _constant(_EMBEDDED),
        since=Version(2, 47),
    ),
    _Field('created', _TIME, _created),
    _Field('updated', _TIME, _created),
    _Field('addresses', _EMPTY_OBJECT, _constant({})),
    _Field('accessIPv4', TEXT, _constant('')),
    _Field('accessIPv6', TEXT, _constant('')),
    _Field('config_drive', TEXT, _constant('')),
    _Field('key_name', TEXT_OR_NULL, _constant(None)),
    _Field('OS-DCF:diskConfig', TEXT, _constant('MANUAL')),
    _Field('OS-EXT-AZ:availability_zone', TEXT, _constant('')),
    _Field('OS-EXT-STS:power_state', _INTEGER, server_list.power_state),
    _Field('OS-EXT-STS:task_state', TEXT_OR_NULL, _constant(None)),
    _Field('OS-EXT-STS:vm_state', TEXT_OR_NULL, server_list.vm_state),
    _Field('OS-SRV-USG:launched_at', _TIME_OR_NULL, _constant(None)),
    _Field('OS-SRV-USG:terminated_at', _TIME_OR_NULL, _constant(None)),
    _Field('os-extended-volumes:volumes_attached', _EMPTY_LIST, _constant([])),
    _Field('locked', _TRUTH, _constant(False), Version(2, 9)),
    _Field('description', TEXT_OR_NULL, _constant(None), Version(2, 19)),
    _Field('tags', _EMPTY_LIST, _constant([]), Version(2, 26)),
    _Field(
        'trusted_image_certificates',
        {'type': ['array', 'null'], 'items': TEXT},
        _constant(None),
        Version(2, 63),
    ),
    _Field(
        'server_groups',
        _EMPTY_LIST,
        _constant([]),
        Version(2, 71),
        in_lists=False,
    ),
    _Field('locked_reason', TEXT_OR_NULL, _constant(None), Version(2, 73)),
    _Field('OS-EXT-SRV-ATTR:hostname', TEXT, _constant(''), Version(2, 90)),
    _Field(
        'pinned_availability_zone',
        TEXT_OR_NULL,
        _constant(None),
        Version(2, 96),
    ),
    _Field('scheduler_hints', _EMPTY_OBJECT, _constant({}), Version(2, 100)),
)


def _changes() -> Sequence[Version]:
    """The microversions that change the fields, newest first."""
    return sorted({field.since for field in _FIELDS}, reverse=True)


def _fields(version: Version, in_list: bool) -> Iterator[_Field]:
    for field in _FIELDS:
        if field.is_in(version) and (field.in_lists or not in_list):
            yield field


def _schema(version: Version, in_list: bool) -> Schema:
    fields = {it.name: it.schema for it in _fields(version, in_list)}
    return record(id=UUID, links=_LINKS, **fields)


def _list_schema(server: Schema) -> Schema:
    schema = record(servers=list_of(server), servers_links=NEXT)
    schema['required'].remove('servers_links')
    return schema


def _forms(schema: Callable[[Version], Schema]) -> tuple[Form, ...]:
    changes = _changes()
    return tuple(
        Form(
            schema(since),
            since=since if since > MIN else None,
            before=before,
        )
        for since, before in zip(changes, (None, *changes), strict=False)
    )


LISTED: Final = (Form(_list_schema(record(id=UUID, links=_LINKS, name=TEXT))),)
DETAILED: Final = _forms(lambda it: _list_schema(_schema(it, in_list=True)))
SHOWN: Final = _forms(lambda it: record(server=_schema(it, in_list=False)))


@dataclasses.dataclass(frozen=True, slots=True)
class Urls:
    """The URLs of servers.

    :param application: the URL of the application
    :param version: the path of the version: ``/v2.1``
    :param project: the path of the project, if the request had it:
        ``/{project_id}``; otherwise empty
    """

    application: str
    version: str
    project: str

    def next(
        self, path: str, parameters: Mapping[str, Sequence[str]], marker: str
    ) -> str:
        """The URL of the next page.

        :param path: of the list, below the project
        :param parameters: those of this page
        """
        query = parse.urlencode({**parameters, 'marker': [marker]}, doseq=True)
        return f'{self.application}{self.version}{self.project}{path}?{query}'

    def links(self, server: Server) -> list[dict[str, str]]:
        """The links of a server."""
        path = f'{self.project}/servers/{server.id}'
        return [
            {
                'rel': 'self',
                'href': f'{self.application}{self.version}{path}',
            },
            {'rel': 'bookmark', 'href': f'{self.application}{path}'},
        ]


def listed(servers: Sequence[Server], urls: Urls) -> dict[str, Any]:
    """A list of servers, without details."""
    return {
        'servers': [
            {'id': it.id, 'name': it.name, 'links': urls.links(it)}
            for it in servers
        ]
    }


def detailed(
    servers: Sequence[Server], urls: Urls, version: Version
) -> dict[str, Any]:
    """A list of servers with details."""
    fields = [*_fields(version, in_list=True)]
    return {'servers': [_server(it, urls, fields) for it in servers]}


def shown(server: Server, urls: Urls, version: Version) -> dict[str, Any]:
    """A server."""
    fields = [*_fields(version, in_list=False)]
    return {'server': _server(server, urls, fields)}


def next_links(url: str) -> list[dict[str, str]]:
    """The link to the next page."""
    return [{'rel': 'next', 'href': url}]


def _server(
    server: Server, urls: Urls, fields: Sequence[_Field]
) -> dict[str, Any]:
    return {
        'id': server.id,
        'links': urls.links(server),
        **{it.name: it.value(server) for it in fields},
    }
