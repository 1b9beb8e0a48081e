# SPDX-License-Identifier: Apache-2.0

"""Clients of other OpenStack services, with keystoneauth."""

from keystoneauth1 import adapter, loading
from oslo_config import cfg


def load(conf: cfg.ConfigOpts, group: str) -> adapter.Adapter:
    """A client with the options of a configuration group.

    It returns responses with an error status, and does not raise for them.

    :param group: has the options of :mod:`console_svc.conf.rest_client`
    :raises oslo_config.cfg.RequiredOptError: ``auth_type`` is not set
    :raises keystoneauth1.exceptions.MissingRequiredOptions: options of the
        authentication plugin are not set
    """
    auth = loading.load_auth_from_conf_options(conf, group)
    if auth is None:
        raise cfg.RequiredOptError('auth_type', cfg.OptGroup(group))
    return loading.load_adapter_from_conf_options(
        conf,
        group,
        session=loading.load_session_from_conf_options(conf, group, auth=auth),
        raise_exc=False,
    )
