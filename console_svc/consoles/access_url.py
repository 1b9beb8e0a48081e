# SPDX-License-Identifier: Apache-2.0

"""The URLs with which users open their consoles."""

from urllib import parse

from oslo_config import cfg

from console_svc.objects import ConsoleType

# Console type -> group and option of its base URL.
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

    :param token: what opens it; goes into the URL's query
    """
    group, option = _OPTIONS[ConsoleType(console_type)]
    base = conf[group][option]
    if console_type == ConsoleType.NOVNC:
        return _with_path_token(base, token)
    return _with_token(base, token)


def _with_token(base: str, token: str) -> str:
    """The token joins whatever query the base URL has."""
    parts = parse.urlsplit(base)
    query = '&'.join(filter(None, [parts.query, f'token={token}']))
    # A URL without a path gets the one it means, so that '?' follows it.
    return parse.urlunsplit(
        parts._replace(path=parts.path or '/', query=query)
    )


def _with_path_token(base: str, token: str) -> str:
    """The token goes inside the parameter "path", as noVNC 1.1+ wants it.

    noVNC opens its websocket at that path, so the token must be in it.
    The rest is nova's, to the letter: other parameters stay, blank ones are
    dropped.
    """
    parts = parse.urlsplit(base)
    parameters = parse.parse_qs(parts.query)
    path = parameters.get('path', [''])[-1]
    parameters['path'] = [f'{path}?token={token}']
    query = parse.urlencode(parameters, doseq=True)
    return parse.urlunsplit(parts._replace(query=query))
