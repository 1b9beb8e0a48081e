# SPDX-License-Identifier: Apache-2.0

extensions = [
    'cliff.sphinxext',
    'openstackdocstheme',
    'oslo_config.sphinxext',
    'oslo_policy.sphinxext',
]

project = 'console-svc'
copyright = 'console-svc contributors'
release = ''
version = ''

# Commands are those of openstackclient.
autoprogram_cliff_application = 'openstack'
# What all commands have that list or show.
autoprogram_cliff_ignored = [
    '--help',
    '--column',
    '--fit-width',
    '--format',
    '--max-width',
    '--noindent',
    '--prefix',
    '--print-empty',
    '--quote',
    '--sort-ascending',
    '--sort-column',
    '--sort-descending',
]

html_theme = 'openstackdocs'
openstackdocs_auto_name = False
pygments_style = 'native'
