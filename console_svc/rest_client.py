# SPDX-License-Identifier: Apache-2.0

"""Clients of other OpenStack services, with keystoneauth."""

from typing import Any, Final

from keystoneauth1 import adapter, loading
from keystoneauth1.session import Session, TCPKeepAliveAdapter
from oslo_config import cfg
from oslo_context import context

# In it, OpenStack services take the id by which logs can be matched.
_REQUEST_ID: Final = 'X-OpenStack-Request-ID'


class _Transport(TCPKeepAliveAdapter):
    """Adds the id of the request that this thread serves, if any."""

    def add_headers(self, request: Any, **kwargs: Any) -> None:
        current = context.get_current()
        if current is not None:
            request.headers.setdefault(_REQUEST_ID, current.global_id)


def send_request_ids(session: Session, **options: Any) -> None:
    """Let a session send the id of the request that is being served.

    It is the id that the caller has chosen, or that of this service.

    :param options: of requests' HTTPAdapter
    """
    transport = _Transport(**options)
    for scheme in ('http://', 'https://'):
        session.mount(scheme, transport)


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
    send_request_ids(session, **tls_options(conf, group))
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
