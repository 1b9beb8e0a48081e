# SPDX-License-Identifier: Apache-2.0

"""The look-up of a console token in a real nova with one cell."""

import requests

from benchmarks.load import Request, Server
from benchmarks.targets import Stage, Subject
from console_svc.tests import fixtures
from console_svc.tests.integration.nova import Nova
from console_svc.tests.programs import process


def target(stage: Stage, subject: Subject) -> tuple[Server, Request]:
    """Start nova; return it and the request that looks up a token."""
    project = stage.keystone.projects['demo']
    nova = Nova(
        stage.keystone,
        {fixtures.SERVER: (project, 'compute-1', 'active')},
        stage.authtoken(),
    )
    stage.use(nova)
    headers = {
        **subject.lookup('').headers,
        'X-Auth-Token': stage.keystone.token(),
    }
    answer = requests.post(
        f'{nova.url}/v2.1/servers/{fixtures.SERVER}/remote-consoles',
        headers=headers,
        json={'remote_console': {'protocol': 'vnc', 'type': 'novnc'}},
        timeout=process.PATIENCE,
    )
    answer.raise_for_status()
    token = answer.json()['remote_console']['url'].rpartition('%3D')[2]
    return Server(nova.server.pid), Request(
        f'{nova.url}/v2.1/os-console-auth-tokens/{token}', headers
    )
