# SPDX-License-Identifier: Apache-2.0

extensions = [
    'openstackdocstheme',
    'oslo_config.sphinxext',
    'oslo_policy.sphinxext',
]

project = 'console-svc'
copyright = 'console-svc contributors'
release = ''
version = ''

html_theme = 'openstackdocs'
openstackdocs_auto_name = False
pygments_style = 'native'
