# SPDX-License-Identifier: Apache-2.0

"""Members of the JSON objects in the API's answers, validated."""

from collections.abc import Sequence
from types import NoneType
from typing import Any, Final

from console_svc.proxy.errors import ApiUnavailable, Holder

#: Seconds: the API's largest time.
MAX_TIME: Final = 2**40


def member(parent: Any, name: str, *types: type) -> Any:
    """A member of a JSON object, of one of some types.

    :raises console_svc.proxy.errors.ApiUnavailable: there is none
    """
    if not isinstance(parent, dict) or name not in parent:
        raise ApiUnavailable(f'"{name}" is missing in its response')
    value = parent[name]
    # Not isinstance(): true is not a number.
    if type(value) not in types:
        raise ApiUnavailable(f'"{name}" in its response has the wrong type')
    return value


def holders(found: Any) -> Sequence[Holder]:
    """The sessions of others that an answer names.

    :raises console_svc.proxy.errors.ApiUnavailable: the answer is unexpected
    """
    if not isinstance(found, list):
        raise ApiUnavailable('"holders" in its response has the wrong type')
    return [_holder(it) for it in found]


def _holder(session: Any) -> Holder:
    since = member(session, 'created_at', int)
    if not 0 <= since <= MAX_TIME:
        raise ApiUnavailable('"created_at" in its response is too large')
    return Holder(
        user_id=member(session, 'user_id', str, NoneType),
        client_address=member(session, 'client_address', str, NoneType),
        since=since,
        mode=member(session, 'mode', str),
    )
