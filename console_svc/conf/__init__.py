# SPDX-License-Identifier: Apache-2.0

"""The configuration, with one module per option group.

There is no global configuration object. Each program calls :func:`load` once
and passes the result on.
"""

import logging
import os
from collections.abc import Mapping, Sequence

from oslo_config import cfg
from oslo_db import options as db_options
from oslo_log import log
from oslo_middleware import cors, http_proxy_to_wsgi

from console_svc import version
from console_svc.conf import (
    api,
    base_urls,
    compute,
    console_api,
    consoleauth,
    consoles,
    libvirt,
    log_lines,
    metrics,
    nova,
    nova_notifications,
    paths,
    proxy,
    rdp,
    reading,
    recording,
    rfb,
    s3,
    spice,
    static,
    swift,
    vnc,
)

PROJECT = reading.PROJECT

#: The modules of the option groups, in the order of the sample file.
MODULES = (
    paths,
    api,
    metrics,
    compute,
    static,
    consoles,
    consoleauth,
    libvirt,
    nova,
    nova_notifications,
    proxy,
    rfb,
    vnc,
    spice,
    rdp,
    recording,
    swift,
    s3,
    console_api,
)


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register all options that the service itself reads."""
    for module in MODULES:
        conf.register_opts(module.OPTIONS, group=module.GROUP)
    for group, options in base_urls.GROUPS.items():
        conf.register_opts(options, group=group)
    conf.register_opts(db_options.database_opts, 'database')
    conf.register_opts(cors.OPTS, 'cors')
    conf.register_opts(http_proxy_to_wsgi.OPTS, 'oslo_middleware')


def set_library_defaults() -> None:
    """Set this service's defaults of options that belong to libraries.

    This is also the oslo.config.opts.defaults hook of the sample generator.
    """
    # No retries: while the database is unavailable, a request must fail soon
    # so that the client can retry.
    cfg.set_defaults(
        db_options.database_opts,
        connection=f'sqlite:///$state_path/{PROJECT}.sqlite',
        max_retries=0,
    )
    versions = ['OpenStack-API-Version', 'X-OpenStack-Nova-API-Version']
    request_ids = ['X-OpenStack-Request-ID', 'X-Compute-Request-Id']
    cors.set_defaults(
        allow_headers=['X-Auth-Token', 'X-Service-Token', *versions],
        expose_headers=[*versions, *request_ids],
        allow_methods=['GET', 'HEAD', 'POST', 'PUT', 'DELETE'],
    )


def new(commands: Sequence[cfg.Opt] = ()) -> cfg.ConfigOpts:
    """Return a configuration with registered options that has read no files.

    :param commands: additional options of the command line
    """
    set_library_defaults()
    conf = reading.ConfigOpts()
    register_opts(conf)
    conf.register_cli_opts(commands)
    log.register_options(conf)
    return conf


def load(
    args: Sequence[str] = (),
    files: Sequence[str] | None = None,
    directories: Sequence[str] | None = None,
    commands: Sequence[cfg.Opt] = (),
    versions: str | None = None,
) -> cfg.ConfigOpts:
    """Read the configuration.

    :param args: command line arguments
    :param files: configuration files; None: those that oslo.config finds for
        the project, such as ``/etc/console-svc/console-svc.conf``
    :param directories: configuration directories; None: those that
        oslo.config finds
    :param commands: additional options of the command line
    :param versions: what ``--version`` prints; None: the package's version
    :raises console_svc.conf.reading.Unreadable: a file cannot be read
    :raises oslo_config.cfg.Error: a file cannot be parsed, or a value is
        invalid
    """
    conf = new(commands)
    reading.read(
        conf, args, versions or version.version_string(), files, directories
    )
    return conf


def load_from_environment(
    environ: Mapping[str, str] = os.environ,
) -> cfg.ConfigOpts:
    """Read the configuration that the environment of a WSGI server names.

    ``OS_CONSOLE_SVC_CONFIG_FILES`` is a list of files, separated by ``;``.
    ``OS_CONSOLE_SVC_CONFIG_DIR`` is one directory.
    """
    files = environ.get('OS_CONSOLE_SVC_CONFIG_FILES', '')
    directory = environ.get('OS_CONSOLE_SVC_CONFIG_DIR', '')
    return load(
        files=[name.strip() for name in files.split(';') if name.strip()]
        or None,
        directories=[directory] if directory else None,
    )


def setup_logging(conf: cfg.ConfigOpts) -> None:
    """Set up logging as configured, by default to standard error.

    Standard output is for the results of commands.
    """
    logging.setLogRecordFactory(log_lines.Record)
    if not (conf.log_file or conf.log_dir or conf.use_journal):
        conf.set_default('use_stderr', True)
    log.set_defaults(
        default_log_levels=[
            *log.get_default_log_levels(),
            'alembic=WARNING',
            'boto3=INFO',
            'botocore=INFO',
            'keystonemiddleware=WARNING',
            # They log the traceback of each exception that they raise; the
            # program logs the exception in one line.
            'oslo_db.api=CRITICAL',
            'oslo_db.sqlalchemy.exc_filters=ERROR',
            'sqlalchemy.pool=CRITICAL',
            'oslo_policy=INFO',
        ]
    )
    log.setup(conf, PROJECT, version.version_string())
    log_lines.use_formatter()
