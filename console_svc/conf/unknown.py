# SPDX-License-Identifier: Apache-2.0

"""Names in the configuration files that nothing reads, such as typos."""

import difflib
import warnings
from collections.abc import Iterable, Iterator
from importlib import metadata
from typing import Final

from keystoneauth1 import exceptions as keystone_exceptions
from keystoneauth1 import loading
from oslo_config import cfg

from console_svc.conf import reading

#: The entry points of the options that the service reads.
NAMESPACES: Final = (
    'console-svc',
    'keystonemiddleware.auth_token',
    'oslo.config',
    'oslo.db',
    'oslo.limit',
    'oslo.log',
    'oslo.messaging',
    'oslo.middleware.cors',
    'oslo.middleware.healthcheck',
    'oslo.middleware.http_proxy_to_wsgi',
    'oslo.middleware.sizelimit',
    'oslo.policy',
)

#: The groups with a credential, whose plugin has options of its own.
_CREDENTIALS: Final = (
    'keystone_authtoken',
    'nova',
    'console_api',
    'swift',
    'oslo_limit',
)

_Names = dict[str, set[str]]
_Sections = dict[str, dict[str, list[str]]]


def unknown(conf: cfg.ConfigOpts) -> list[str]:
    """List the sections and options of the files that nothing reads.

    :returns: for each its name, and a similar one if there is one
    """
    sections: _Sections = {}
    for path in reading.paths(conf):
        cfg.ConfigParser(path, sections).parse()
    known, missing = _known()
    if 'oslo.messaging' in missing:
        # A host without the extra can share the file of one with it.
        for name in sections:
            if name.startswith('oslo_messaging_'):
                known[name] = set(sections[name])
    for group in _CREDENTIALS:
        _add_credential(known, sections, group)
    return [*_unknown(known, sections)]


def _known() -> tuple[_Names, set[str]]:
    """Group -> its options, and the libraries that are not installed."""
    known: _Names = {'DEFAULT': {'config_file', 'config_dir'}}
    missing = set(NAMESPACES)
    for entry in metadata.entry_points(group='oslo.config.opts'):
        if entry.name in NAMESPACES:
            missing.discard(entry.name)
            with warnings.catch_warnings(action='ignore'):
                # Deprecations of libraries that this loads.
                groups = entry.load()()
            for group, options in groups:
                _add(known, str(group or 'DEFAULT'), options)
    return known, missing


def _add(known: _Names, group: str, options: Iterable[cfg.Opt]) -> None:
    """Add options with all names that oslo.config reads them by."""
    names = known.setdefault(group, set())
    for option in options:
        names |= {option.dest, option.name}
        for old in option.deprecated_opts:
            name = old.name or option.name
            known.setdefault(old.group or group, set()).update(
                (name, name.replace('-', '_'))
            )


def _add_credential(known: _Names, sections: _Sections, group: str) -> None:
    """Add the options of the plugin that a group's auth_type names."""

    def value(section: str, *names: str) -> str | None:
        options = sections.get(section, {})
        found = [options[name][-1] for name in names if name in options]
        return found[0] if found else None

    # The credential can be in a section that several groups share.
    section = value(group, 'auth_section') or group
    plugin = value(section, 'auth_type', 'auth_plugin')
    # oslo.limit does not list them.
    for name in {group, section}:
        _add(known, name, loading.get_auth_common_conf_options())
    if plugin is None:
        return
    try:
        options = loading.get_auth_plugin_conf_options(plugin)
    except keystone_exceptions.NoMatchingPlugin:
        # Its options are unknown; the check of the driver reports it.
        known.setdefault(section, set()).update(sections[section])
    else:
        _add(known, section, options)


def _unknown(known: _Names, sections: _Sections) -> Iterator[str]:
    # oslo.config ignores the case of a section's name.
    groups = {name.lower(): name for name in known}
    for section, options in sections.items():
        group = groups.get(section.lower())
        if group is None:
            yield f'section [{section}]{_hint(section, known)}'
            continue
        for option in options:
            if option not in known[group]:
                yield f'[{section}] {option}{_hint(option, known[group])}'


def _hint(name: str, known: Iterable[str]) -> str:
    """A similar name, as a question."""
    similar = difflib.get_close_matches(name, sorted(known), n=1)
    return f' ({similar[0]}?)' if similar else ''
