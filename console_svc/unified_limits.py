# SPDX-License-Identifier: Apache-2.0

"""Unified limits: the limits of projects in keystone, by oslo.limit.

This module is imported where ``[consoleauth] use_unified_limits`` is on, and
only there: openstacksdk, which oslo.limit uses, takes 15 MB.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Final

import cachetools
from keystoneauth1 import exceptions as keystone_exceptions
from keystoneauth1 import loading
from openstack import exceptions as sdk_exceptions
from oslo_config import cfg
from oslo_limit import exception as limit_exception
from oslo_limit import limit

from console_svc import exception, rest_client
from console_svc.objects import SESSIONS, UNUSED_TOKENS

LOG = logging.getLogger(__name__)

GROUP: Final = 'oslo_limit'

# Seconds: by default, keystoneauth waits for ever.
_TIMEOUT: Final = 10

# Projects whose limits are cached.
_PROJECTS: Final = 10_000

# What oslo.limit raises if keystone does not answer or refuses the credential,
# and if it does not know the service, or has another enforcement model.
_ERRORS: Final = (
    keystone_exceptions.ClientException,
    sdk_exceptions.SDKException,
    limit_exception.SessionInitError,
    NotImplementedError,
    ValueError,
)


class UnifiedLimits:
    """The limits of projects.

    They are cached for ``[consoleauth] unified_limits_cache_time``.

    :param timer: seconds of a monotonic clock
    :raises oslo_config.cfg.RequiredOptError: an option of ``[oslo_limit]`` is
        not set
    :raises keystoneauth1.exceptions.MissingRequiredOptions: options of the
        authentication plugin are not set
    """

    def __init__(
        self, conf: cfg.ConfigOpts, timer: Callable[[], float] = time.monotonic
    ) -> None:
        _configure(conf)
        self._enforcer: limit.Enforcer | None = None
        self._lock = threading.Lock()
        self._known: cachetools.TTLCache[str, Mapping[str, int]]
        self._known = cachetools.TTLCache(
            _PROJECTS, conf.consoleauth.unified_limits_cache_time, timer=timer
        )

    def get(self, project_id: str, resource: str) -> int | None:
        """How many of a resource a project can have.

        :param resource: :data:`.SESSIONS` or :data:`.UNUSED_TOKENS`
        :returns: None: there is no limit
        :raises console_svc.exception.ServiceUnavailable: keystone does not
            answer, or cannot say
        """
        with self._lock:
            limits = self._known.get(project_id)
        if limits is None:
            limits = self._read(project_id)
            with self._lock:
                self._known[project_id] = limits
        found = limits[resource]
        # Keystone's -1 is no limit.
        return None if found < 0 else found

    def _read(self, project_id: str) -> Mapping[str, int]:
        """Read the limits of a project from keystone."""
        try:
            if self._enforcer is None:
                self._enforcer = _enforcer()
            return dict(
                self._enforcer.get_project_limits(
                    project_id, [SESSIONS, UNUSED_TOKENS]
                )
            )
        except Exception as error:
            # It knows the endpoint, which may have been replaced.
            self._enforcer = None
            LOG.error(
                'The limits of project %s cannot be read from keystone; the '
                'request gets a 503: %s: %s',
                project_id,
                type(error).__name__,
                error,
                # keystoneauth also raises plain exceptions, if there is no
                # password for example.
                exc_info=not isinstance(error, _ERRORS),
            )
        raise exception.ServiceUnavailable(
            'The limits of the project are unavailable.'
        )


def _configure(conf: cfg.ConfigOpts) -> None:
    """Read the configuration files for oslo.limit.

    It has the options of its own in oslo.config's global object, which this
    service does not use otherwise.
    """
    cfg.CONF(
        [],
        project=conf.project,
        default_config_files=conf.config_file or [],
        default_config_dirs=conf.config_dir or [],
    )
    cfg.CONF.set_default('timeout', _TIMEOUT, GROUP)
    options = cfg.CONF[GROUP]
    if not (
        options.endpoint_id
        or options.endpoint_service_type
        or options.endpoint_service_name
    ):
        raise cfg.RequiredOptError('endpoint_id', cfg.OptGroup(GROUP))
    if loading.load_auth_from_conf_options(cfg.CONF, GROUP) is None:
        raise cfg.RequiredOptError('auth_type', cfg.OptGroup(GROUP))


def _enforcer() -> limit.Enforcer:
    """A reader of limits; it asks keystone where this service is."""
    # Not its own cache: that has no time, and not what a project without
    # limits of its own has.
    enforcer = limit.Enforcer(lambda *_: {}, cache=False)
    rest_client.send_request_ids(
        enforcer.connection.session,
        **rest_client.tls_options(cfg.CONF, GROUP),
    )
    return enforcer
