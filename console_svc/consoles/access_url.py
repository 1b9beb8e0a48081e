# SPDX-License-Identifier: Apache-2.0

"""The URLs with which users open consoles."""

from urllib import parse

from oslo_config import cfg

from console_svc.objects import ConsoleType

# Console type -> option group and option of its base URL.
_OPTIONS = {
    ConsoleType.NOVNC: ('vnc', 'novncproxy_base_url'),
    ConsoleType.XVPVNC: ('vnc', 'xvpvncproxy_base_url'),
    ConsoleType.SPICE_HTML5: ('spice', 'html5proxy_base_url'),
    ConsoleType.SPICE_DIRECT: ('spice', 'spice_direct_proxy_base_url'),
    ConsoleType.SERIAL: ('serial_console', 'base_url'),
    ConsoleType.RDP_HTML5: ('rdp', 'html5_proxy_base_url'),
    ConsoleType.WEBMKS: ('mks', 'mksproxy_base_url'),
}


def build(conf: cfg.ConfigOpts, console_type: str, token: str) -> str:
    """The URL of a console.

    :param console_type: one of :class:`ConsoleType`
    :param token: the console token; it goes into the query
    """
    group, option = _OPTIONS[ConsoleType(console_type)]
    base = conf[group][option]
    if console_type == ConsoleType.NOVNC:
        return _with_path_token(base, token)
    return _with_token(base, token)


def _with_token(base: str, token: str) -> str:
    """Add the token to the query that the base URL has."""
    parts = parse.urlsplit(base)
    query = '&'.join(filter(None, [parts.query, f'token={token}']))
    # An empty path is "/" (RFC 3986, section 6.2.3).
    return parse.urlunsplit(
        parts._replace(path=parts.path or '/', query=query)
    )


def _with_path_token(base: str, token: str) -> str:
    """Add the token to the parameter "path", as noVNC 1.1 and later need it.

    noVNC opens its websocket at that path. Other parameters are kept and
    blank ones dropped, as nova does.
    """
    parts = parse.urlsplit(base)
    parameters = parse.parse_qs(parts.query)
    path = parameters.get('path', [''])[-1]
    parameters['path'] = [f'{path}?token={token}']
    query = parse.urlencode(parameters, doseq=True)
    return parse.urlunsplit(parts._replace(query=query))
