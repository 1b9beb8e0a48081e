# SPDX-License-Identifier: Apache-2.0

"""Store servers with nova's own objects.

Run it with nova.conf as the argument and the servers as YAML on standard
input: ``{server id: [project id, host, vm state]}``.
"""

import sys

import yaml
from nova import config, context, objects
from nova.network import model

config.parse_args([sys.argv[0], '--config-file', sys.argv[1]])
objects.register_all()
admin = context.get_admin_context()
(cell,) = (
    cell
    for cell in objects.CellMappingList.get_all(admin)
    if cell.name == 'cell1'
)
flavor = objects.Flavor(
    id=1,
    flavorid='1',
    name='small',
    memory_mb=64,
    vcpus=1,
    root_gb=0,
    ephemeral_gb=0,
    swap=0,
    rxtx_factor=1,
    vcpu_weight=0,
    disabled=False,
    is_public=True,
    extra_specs={},
)
for number, (uuid, (project_id, host, state)) in enumerate(
    yaml.safe_load(sys.stdin).items(), 1
):
    with context.target_cell(admin, cell) as cell_context:
        objects.Instance(
            context=cell_context,
            uuid=uuid,
            project_id=project_id,
            user_id='joe',
            display_name=f'web-{number}',
            hostname=f'web-{number}',
            host=host,
            launched_on=host,
            vm_state=state,
            power_state={'active': 1, 'stopped': 4}.get(state, 0),
            image_ref='',
            locked=False,
            flavor=flavor,
            old_flavor=None,
            new_flavor=None,
            metadata={},
            system_metadata={},
            info_cache=objects.InstanceInfoCache(
                network_info=model.NetworkInfo([])
            ),
        ).create()
    objects.InstanceMapping(
        context=admin,
        instance_uuid=uuid,
        project_id=project_id,
        user_id='joe',
        cell_mapping=cell,
        queued_for_delete=False,
    ).create()
