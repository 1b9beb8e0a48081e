# SPDX-License-Identifier: Apache-2.0

"""The inventory file of the static driver: its schema and its parser."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jsonschema
import yaml

from console_svc.objects import (
    ConnectInfo,
    ConsoleType,
    Endpoint,
    Server,
)

_NAME = {'type': 'string', 'minLength': 1, 'maxLength': 255}
_PORT = {'type': 'integer', 'minimum': 1, 'maximum': 65535}

SCHEMA = {
    'type': 'object',
    'required': ['servers'],
    'additionalProperties': False,
    'properties': {
        'servers': {
            'type': 'array',
            'items': {
                'type': 'object',
                'required': ['id', 'project_id', 'instance_name', 'host'],
                'additionalProperties': False,
                'properties': {
                    'id': {
                        'type': 'string',
                        'pattern': '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}'
                        '-[0-9a-fA-F]{12}$',
                    },
                    'project_id': _NAME,
                    'name': _NAME,
                    'instance_name': _NAME,
                    'host': _NAME,
                    'status': _NAME,
                    'native': {
                        'type': 'object',
                        'required': ['console_type', 'port'],
                        'additionalProperties': False,
                        'properties': {
                            'console_type': _NAME,
                            'host': _NAME,
                            'port': _PORT,
                        },
                    },
                    'consoles': {
                        'type': 'array',
                        'items': {
                            'type': 'object',
                            'required': ['type', 'host', 'port'],
                            'additionalProperties': False,
                            'properties': {
                                'type': {'enum': [*ConsoleType]},
                                'host': _NAME,
                                'port': _PORT,
                                'tls_port': _PORT,
                                'internal_access_path': _NAME,
                            },
                        },
                    },
                },
            },
        },
    },
}

_VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
_Loader = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """A server of the inventory, with its consoles."""

    server: Server
    consoles: Mapping[str, ConnectInfo]
    native: Endpoint | None


@dataclasses.dataclass(frozen=True, slots=True)
class Inventory:
    """An inventory, indexed by id and by project.

    :param entries: id -> server
    :param servers: all servers
    :param projects: project id -> its servers
    """

    entries: Mapping[str, Entry]
    servers: Sequence[Server]
    projects: Mapping[str, Sequence[Server]]


def load(content: bytes) -> Inventory:
    """Parse, validate and index an inventory.

    :param content: the file's bytes
    :raises ValueError: see :func:`parse`
    """
    entries = parse(content)
    servers = [entry.server for entry in entries.values()]
    projects: dict[str, list[Server]] = {}
    for server in servers:
        projects.setdefault(server.project_id, []).append(server)
    return Inventory(entries, servers, projects)


def parse(content: bytes) -> Mapping[str, Entry]:
    """Parse and validate an inventory.

    :param content: the file's bytes
    :returns: the servers by id
    :raises ValueError: the content is not YAML or does not match the schema;
        the message has the line and the reason
    """
    try:
        node = yaml.compose(content, Loader=_Loader)
        document = yaml.load(content, Loader=_Loader)  # noqa: S506 (a safe loader)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(str(error)) from error
    found = jsonschema.exceptions.best_match(_VALIDATOR.iter_errors(document))
    if found is not None:
        raise _error(node, list(found.absolute_path), found.message)
    _check_duplicates(node, document['servers'])
    return {item['id']: _entry(item) for item in document['servers']}


def _error(
    node: yaml.Node | None, path: Sequence[str | int], reason: str
) -> ValueError:
    """Return an error with the line of a path in the document."""
    for step in path:
        if isinstance(node, yaml.MappingNode):
            # A key that a YAML merge key (<<) adds has no node of its own:
            # report the line of the mapping.
            node = {key.value: value for key, value in node.value}.get(
                step, node
            )
        elif isinstance(node, yaml.SequenceNode):
            node = node.value[step]
    line = node.start_mark.line + 1 if node is not None else 1
    where = '.'.join(str(step) for step in path) or 'the document'
    return ValueError(f'line {line}: {where}: {reason}')


def _check_duplicates(
    node: yaml.Node | None, servers: Sequence[Mapping[str, Any]]
) -> None:
    ids = set()
    for index, server in enumerate(servers):
        path: list[str | int] = ['servers', index]
        if server['id'].lower() in ids:
            raise _error(node, [*path, 'id'], 'duplicate id')
        ids.add(server['id'].lower())
        types = set()
        for position, console in enumerate(server.get('consoles', ())):
            if console['type'] in types:
                raise _error(
                    node,
                    [*path, 'consoles', position, 'type'],
                    f'a second console of type {console["type"]}',
                )
            types.add(console['type'])


def _entry(item: Mapping[str, Any]) -> Entry:
    native = item.get('native')
    return Entry(
        server=Server(
            id=item['id'],
            project_id=item['project_id'],
            name=item.get('name', item['instance_name']),
            instance_name=item['instance_name'],
            host=item['host'],
            status=item.get('status', 'ACTIVE'),
        ),
        consoles={
            console['type']: ConnectInfo(
                host=console['host'],
                port=int(console['port']),
                tls_port=console.get('tls_port'),
                internal_access_path=console.get('internal_access_path'),
            )
            for console in item.get('consoles', ())
        },
        native=native
        and Endpoint(
            console_type=native['console_type'],
            host=native.get('host'),
            port=int(native['port']),
        ),
    )
