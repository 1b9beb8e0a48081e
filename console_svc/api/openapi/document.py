# SPDX-License-Identifier: Apache-2.0

"""The OpenAPI document, made from the controllers and their bodies."""

import json
from collections.abc import Mapping
from typing import Any, Final

from oslo_config import cfg

from console_svc.api import microversion, routes
from console_svc.api.controllers.base import Resource
from console_svc.api.openapi import faults, headers
from console_svc.api.openapi.paths import path_item

_DESCRIPTION: Final = """\
Server consoles: the routes of the compute API that are about consoles, and
console-svc's own. After /v2.1 a path can have the caller's project id; both
forms are the same resource. HEAD works wherever GET does. OPTIONS returns the
methods of a resource. With servers of nova, a request that nova refuses gets
nova's status, which can be another 4xx, or 501.
"""

_TOKENS: Final = {
    'keystone': 'A keystone token.',
    'noauth2': 'For development: USER:PROJECT[:ROLE,ROLE...]',
}


def render(root: type[Resource], conf: cfg.ConfigOpts, servers: bool) -> str:
    """The document, in JSON.

    :param root: the root of the tree of controllers
    :param servers: whether servers are listed and shown
    """
    return json.dumps(build(root, conf, servers))


def build(
    root: type[Resource], conf: cfg.ConfigOpts, servers: bool
) -> dict[str, Any]:
    """The document of the routes that this configuration serves."""
    strategy = conf.api.auth_strategy
    paths: dict[str, dict[str, Any]] = {}
    by_id = {
        it.id: it
        for it in routes.walk(
            root, conf.api.extensions, servers, conf.api.recordings
        )
    }
    for route in by_id.values():
        paths.setdefault(route.path, {}).update(path_item(route, by_id))
    return {
        'openapi': '3.1.0',
        'info': {
            'title': 'console-svc',
            # Of the API, not of the code: clients need not know that.
            'version': str(microversion.MAX),
            'description': _DESCRIPTION,
            'license': {'name': 'Apache 2.0', 'identifier': 'Apache-2.0'},
        },
        'security': [{'token': []}],
        'paths': paths,
        'components': {
            'securitySchemes': {
                'token': {
                    'type': 'apiKey',
                    'in': 'header',
                    'name': 'X-Auth-Token',
                    'description': _TOKENS[strategy],
                }
            },
            'parameters': dict(headers.PARAMETERS),
            'headers': dict(headers.HEADERS),
            'schemas': {
                f'fault_{status}': faults.schema(
                    status, keystone=strategy == 'keystone'
                )
                for status in _faults(paths)
            },
        },
    }


def _faults(paths: Mapping[str, Mapping[str, Any]]) -> list[int]:
    """The statuses of faults in these paths."""
    return sorted(
        {
            int(status)
            for item in paths.values()
            for operation in item.values()
            for status in operation['responses']
            if status >= '400'
        }
    )
