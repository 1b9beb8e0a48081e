# SPDX-License-Identifier: Apache-2.0

"""The query parameters of GET /servers and /servers/detail.

They are nova's, with its schemas and its messages.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from jsonschema import Draft202012Validator as Validator
from jsonschema import FormatChecker
from oslo_utils import timeutils

from console_svc.api.bodies.patterns import Pattern
from console_svc.api.bodies.schema import TEXT, Schema, list_of, one_of
from console_svc.api.microversion import MIN, Version

#: name -> values
Parameters = Mapping[str, Sequence[str]]


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


#: Checks the formats of parameters.
FORMATS: Final = FormatChecker(())
FORMATS.checks('regex', ValueError)(lambda it: Pattern(it) is not None)
FORMATS.checks('date-time', ValueError)(
    lambda it: timeutils.parse_isotime(it) is not None
)

_TEXT: Final = list_of(TEXT)
_PATTERN: Final = list_of({'type': 'string', 'format': 'regex'})
#: A time in the format of ISO 8601.
TIME: Final = list_of({'type': 'string', 'format': 'date-time'})
#: The size of a page.
NUMBER: Final = list_of(
    {
        'type': ['integer', 'string'],
        'pattern': '^[0-9]*$',
        'minimum': 0,
        'minLength': 1,
    }
)

# Nova has ignored these since it has had a schema, and refuses them later.
_IGNORED_SORT_KEYS: Final = _names(
    'architecture cell_name cleaned default_ephemeral_device '
    'default_swap_device deleted deleted_at disable_terminate ephemeral_gb '
    'ephemeral_key_uuid id key_data launched_on locked memory_mb os_type '
    'reservation_id root_gb shutdown_terminate user_data vcpus vm_mode'
)
_SORT_KEYS: Final = _names(
    'access_ip_v4 access_ip_v6 auto_disk_config availability_zone '
    'config_drive created_at display_description display_name host hostname '
    'image_ref instance_type_id kernel_id key_name launch_index launched_at '
    'locked_by node power_state progress project_id ramdisk_id '
    'root_device_name task_state terminated_at updated_at user_id uuid '
    'vm_state'
)
#: Only administrators may sort by these.
ADMINS_SORT_KEYS: Final = ('host', 'node')

_TEXTS: Final = _names(
    'user_id project_id tenant_id launch_index image_ref image vm_state '
    'task_state host uuid sort_dir all_tenants soft_deleted deleted status'
)
_PATTERNS: Final = _names(
    'kernel_id ramdisk_id hostname key_name power_state node flavor '
    'reservation_id launched_at terminated_at availability_zone name '
    'display_name description display_description locked_by root_device_name '
    'config_drive access_ip_v4 access_ip_v6 auto_disk_config progress ip ip6 '
    'created_at'
)
#: Nova refuses to filter by these: they are other tables of its database.
REFUSED: Final = _names(
    'block_device_mapping services metadata system_metadata info_cache '
    'security_groups pci_devices'
)
#: These are not filters.
PAGING: Final = ('limit', 'marker', 'sort_key', 'sort_dir')
_TAGS: Final = ('tags', 'tags-any', 'not-tags', 'not-tags-any')

# The parameters that are added or replaced, by microversion.
_CHANGES: Final[tuple[tuple[Version, Mapping[str, Schema]], ...]] = (
    (
        MIN,
        {
            **dict.fromkeys((*_TEXTS, *REFUSED), _TEXT),
            **dict.fromkeys(_PATTERNS, _PATTERN),
            'sort_key': list_of(one_of(*_SORT_KEYS, *_IGNORED_SORT_KEYS)),
            'changes-since': TIME,
            'limit': NUMBER,
            'marker': _TEXT,
        },
    ),
    (Version(2, 26), dict.fromkeys(_TAGS, _PATTERN)),
    (Version(2, 66), {'changes-before': TIME}),
    (Version(2, 73), {'locked': _TEXT}),
    (
        Version(2, 75),
        {'sort_key': list_of(one_of('locked', *_SORT_KEYS))},
    ),
)
# From this one on, unknown parameters are refused.
_STRICT: Final = Version(2, 75)

# The filters of users who may not use all of them, by microversion.
_FOR_USERS: Final = (
    (
        MIN,
        'reservation_id name status image flavor ip changes-since all_tenants',
    ),
    (Version(2, 5), 'ip6'),
    (Version(2, 26), ' '.join(_TAGS)),
    (Version(2, 66), 'changes-before'),
    (Version(2, 73), 'locked'),
    (
        Version(2, 83),
        'availability_zone config_drive key_name created_at launched_at '
        'terminated_at power_state task_state vm_state progress user_id',
    ),
    (Version(2, 90), 'hostname'),
)


def _validator(version: Version) -> Validator:
    properties: dict[str, Schema] = {}
    for since, changed in _CHANGES:
        if version >= since:
            properties |= changed
    schema = {
        'type': 'object',
        'properties': properties,
        'additionalProperties': version < _STRICT,
        'patternProperties': {'^_': _TEXT},
    }
    return Validator(schema, format_checker=FORMATS)


_VALIDATORS: Final = tuple(
    (since, _validator(since)) for since, _ in reversed(_CHANGES)
)

#: GET /servers/{server_id}: from 2.102 on, a query is refused.
SHOW: Final = Validator({'type': 'object', 'additionalProperties': False})

#: The schemas of the parameters that the API reference describes.
DESCRIBED: Final[Mapping[str, Schema]] = {
    'name': {'type': 'string', 'format': 'regex', 'maxLength': 255},
    'status': TEXT,
    'all_tenants': TEXT,
    'project_id': TEXT,
    'limit': {'type': 'integer', 'minimum': 0},
    'marker': TEXT,
    'sort_key': one_of(*_SORT_KEYS),
    'sort_dir': one_of('asc', 'desc'),
}


def validator(version: Version) -> Validator:
    """The validator of the query."""
    return next(found for since, found in _VALIDATORS if version >= since)


def known(parameters: Parameters, version: Version) -> Parameters:
    """The parameters without those that nova ignores."""
    properties = validator(version).schema['properties']
    return {
        name: values
        for name, values in parameters.items()
        if name in properties or name.startswith('_')
    }


def for_users(parameters: Parameters, version: Version) -> Parameters:
    """The parameters without the filters that users may not use."""
    allowed = set(PAGING)
    for since, names in _FOR_USERS:
        if version >= since:
            allowed |= set(names.split())
    return {key: it for key, it in parameters.items() if key in allowed}
