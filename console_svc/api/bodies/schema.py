# SPDX-License-Identifier: Apache-2.0

"""JSON Schemas: the parts that resources share, and validation."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from jsonschema import Draft202012Validator as Validator

from console_svc import exception

Schema = Mapping[str, Any]


def record(**properties: Schema) -> dict[str, Any]:
    """An object with exactly these properties."""
    return {
        'type': 'object',
        'properties': properties,
        'required': list(properties),
        'additionalProperties': False,
    }


def one_of(*values: str) -> dict[str, Any]:
    """One of these strings."""
    return {'type': 'string', 'enum': [str(value) for value in values]}


def list_of(items: Schema) -> dict[str, Any]:
    """An array whose items have one schema."""
    return {'type': 'array', 'items': items}


TEXT: Final = {'type': 'string'}
TEXT_OR_NULL: Final = {'type': ['string', 'null']}
UUID: Final = {'type': 'string', 'format': 'uuid'}
#: The id of an object that the caller creates: in its canonical form only.
NEW_UUID: Final = {
    **UUID,
    'pattern': '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$',
    # Python's $ also matches before a line break at the end.
    'maxLength': 36,
}
URI: Final = {'type': 'string', 'format': 'uri'}
PORT: Final = {'type': 'integer', 'minimum': 1, 'maximum': 65535}
PORT_OR_NULL: Final = {**PORT, 'type': ['integer', 'null']}
#: Seconds of the UTC epoch.
TIME: Final = {'type': 'integer', 'minimum': 0}
TIME_OR_NULL: Final = {**TIME, 'type': ['integer', 'null']}
#: The link to the next page.
NEXT: Final = list_of(record(rel=one_of('next'), href=URI))
ADDRESS: Final = {
    'type': 'string',
    'anyOf': [{'format': 'ipv4'}, {'format': 'ipv6'}],
}


def validator(schema: Schema) -> Validator:
    """A validator that checks formats, too."""
    return Validator(schema, format_checker=Validator.FORMAT_CHECKER)


def validate_query(
    validator: Validator, parameters: Mapping[str, Sequence[str]]
) -> None:
    """Check query parameters; the messages are those of nova's API.

    :param parameters: name -> values
    :raises console_svc.exception.BadRequest: they do not match the schema
    """
    error = next(validator.iter_errors(parameters), None)
    if error is None:
        return
    reason = error.message
    if error.path:
        reason = (
            f'Invalid input for query parameters {error.path[0]}. '
            f'Value: {error.instance}. {reason}'
        )
    raise exception.BadRequest(reason=reason)


def validate(
    validator: Validator, document: Any, is_secret: bool = False
) -> None:
    """Check a document; the messages are those of nova's API.

    :param is_secret: whether the message must not repeat its values
    :raises console_svc.exception.BadRequest: it does not match the schema
    """
    error = next(validator.iter_errors(document), None)
    if error is None:
        return
    reason = error.message
    if is_secret:
        field = error.path[-1] if error.path else 'body'
        reason = f'Invalid input for field/attribute {field}.'
    elif error.path:
        reason = (
            f'Invalid input for field/attribute {error.path[-1]}. '
            f'Value: {error.instance}. {reason}'
        )
    raise exception.BadRequest(reason=reason)
