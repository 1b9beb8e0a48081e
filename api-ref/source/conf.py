# SPDX-License-Identifier: Apache-2.0

extensions = ['openstackdocstheme', 'os_api_ref']

project = 'Console Service API Reference'
copyright = 'console-svc contributors'
release = ''
version = ''

html_theme = 'openstackdocs'
html_theme_options = {'sidebar_mode': 'toc'}
openstackdocs_auto_name = False
pygments_style = 'native'
