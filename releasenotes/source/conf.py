# SPDX-License-Identifier: Apache-2.0

extensions = ['openstackdocstheme', 'reno.sphinxext']

project = 'console-svc Release Notes'
copyright = 'console-svc contributors'

# The version stands in the notes.
release = ''
version = ''

html_theme = 'openstackdocs'
openstackdocs_auto_name = False
pygments_style = 'native'
