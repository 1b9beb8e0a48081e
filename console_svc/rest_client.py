# SPDX-License-Identifier: Apache-2.0

"""Clients of other services, by keystoneauth."""

from keystoneauth1 import adapter, loading
from oslo_config import cfg


def load(conf: cfg.ConfigOpts, group: str) -> adapter.Adapter:
    """A client as a group of the configuration describes it.

    It raises no exception for an answer that is an error.

    :param group: has the options of :mod:`console_svc.conf.rest_client`
    :raises oslo_config.cfg.RequiredOptError: it names no credential
    :raises keystoneauth1.exceptions.MissingRequiredOptions: nor what the
        credential needs
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
