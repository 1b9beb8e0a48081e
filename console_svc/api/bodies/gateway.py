# SPDX-License-Identifier: Apache-2.0

"""Body of POST /console-gateway/authentications.

The response is an opened session: see :mod:`console_svc.api.bodies.sessions`.
"""

from typing import Final

from console_svc.api.bodies.schema import (
    ADDRESS,
    NEW_UUID,
    PORT,
    record,
    validator,
)

# A challenge or a response of VNC authentication (RFC 6143, section 7.2.2):
# 16 bytes.
_BLOCK: Final = {
    'type': 'string',
    'pattern': '^[0-9a-fA-F]{32}$',
    # Python's $ also matches before a line break at the end.
    'maxLength': 32,
}

LOG_IN: Final = validator(
    record(
        authentication={
            'type': 'object',
            'properties': {
                'port': PORT,
                'user_name': {'type': 'string', 'maxLength': 255},
                'challenge': _BLOCK,
                'response': _BLOCK,
                'client_address': ADDRESS,
                'id': NEW_UUID,
            },
            'required': ['challenge', 'response'],
            'oneOf': [{'required': ['port']}, {'required': ['user_name']}],
            'additionalProperties': False,
        }
    )
)
