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
    session = loading.load_session_from_conf_options(conf, group, auth=auth)
    return loading.load_adapter_from_conf_options(
        conf, group, session=session, raise_exc=False
    )


def tls_options(conf: cfg.ConfigOpts, group: str) -> dict[str, str]:
    """Those options of TLS that are set; old keystoneauths have none."""
    options = {
        name: getattr(conf[group], name, None)
        for name in ('tls_ciphers', 'tls_min_version')
    }
    return {name: value for name, value in options.items() if value}
