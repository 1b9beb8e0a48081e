# SPDX-License-Identifier: Apache-2.0

"""The rules of listing and showing servers."""

from console_svc.policies import base

INDEX = 'os_compute_api:servers:index'
DETAIL = 'os_compute_api:servers:detail'
INDEX_ALL = 'os_compute_api:servers:index:get_all_tenants'
DETAIL_ALL = 'os_compute_api:servers:detail:get_all_tenants'
ALL_FILTERS = 'os_compute_api:servers:allow_all_filters'
SHOW = 'os_compute_api:servers:show'

RULES = [
    base.rule(
        INDEX,
        base.PROJECT_READER_OR_ADMIN,
        "List the servers of the caller's project",
        ('GET', '/servers'),
    ),
    base.rule(
        DETAIL,
        base.PROJECT_READER_OR_ADMIN,
        "List the servers of the caller's project with details",
        ('GET', '/servers/detail'),
    ),
    base.rule(
        INDEX_ALL,
        base.ADMIN,
        'List the servers of all projects',
        ('GET', '/servers'),
    ),
    base.rule(
        DETAIL_ALL,
        base.ADMIN,
        'List the servers of all projects with details',
        ('GET', '/servers/detail'),
    ),
    base.rule(
        ALL_FILTERS,
        base.ADMIN,
        'Use every filter when listing servers: others are ignored for users',
        ('GET', '/servers'),
        ('GET', '/servers/detail'),
    ),
    base.rule(
        SHOW,
        base.PROJECT_READER_OR_ADMIN,
        'Show a server',
        ('GET', '/servers/{server_id}'),
    ),
]
