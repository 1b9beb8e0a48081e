# SPDX-License-Identifier: Apache-2.0

import configparser
import pathlib
import re
from typing import Any

from docutils import nodes
from sphinx.util import logging

extensions = ['openstackdocstheme', 'reno.sphinxext']

project = 'console-svc Release Notes'
copyright = 'console-svc contributors'

# The version stands in the notes.
release = ''
version = ''

html_theme = 'openstackdocs'
openstackdocs_auto_name = False
pygments_style = 'native'


def setup(app: Any) -> None:
    """Connect to Sphinx; called by it."""
    app.connect('doctree-read', name_next_release)


def name_next_release(app: Any, doctree: nodes.document) -> None:
    """Put notes without a tag under the version that setup.cfg names.

    reno puts them under 0.0.0 before the first tag, and later under the last
    tag with the number of commits since.
    """
    if app.env.docname != 'unreleased':
        return
    setup_cfg = configparser.ConfigParser(interpolation=None)
    setup_cfg.read(pathlib.Path(app.srcdir).parents[1] / 'setup.cfg')
    version = setup_cfg['metadata']['version']
    titles = [*doctree.findall(nodes.title)]
    for title in titles:
        if re.fullmatch(r'0\.0\.0|\d[\w.]*-\d+', title.astext()):
            title.children = [nodes.Text(version)]
    if version not in [title.astext() for title in titles]:
        logging.getLogger(__name__).warning('No note is under %s.', version)
