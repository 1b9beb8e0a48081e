# SPDX-License-Identifier: Apache-2.0

"""Domain objects as response bodies. No queries, no policy."""

from collections.abc import Iterable, Mapping
from typing import Any

from console_svc.api import microversion
from console_svc.objects import (
    ConnectInfo,
    ConsoleAuthToken,
    ConsoleSession,
    ConsoleType,
    NativeConsole,
)

# When this API was last changed.
_UPDATED = '2026-11-25T00:00:00Z'
_MEDIA_TYPE = 'application/vnd.openstack.compute+json;version=2.1'


def versions(base_url: str) -> dict[str, Any]:
    """The root document.

    :param base_url: where the application is, without a trailing slash
    """
    return {'versions': [_version(base_url)]}


def version(base_url: str) -> dict[str, Any]:
    """The document of v2.1."""
    media_type = {'base': 'application/json', 'type': _MEDIA_TYPE}
    return {'version': {**_version(base_url), 'media-types': [media_type]}}


def _version(base_url: str) -> dict[str, Any]:
    return {
        'id': 'v2.1',
        'status': 'CURRENT',
        'version': str(microversion.MAX),
        'min_version': str(microversion.MIN),
        'updated': _UPDATED,
        'links': [{'rel': 'self', 'href': f'{base_url}/v2.1/'}],
    }


def consoles(consoles: Iterable[NativeConsole]) -> dict[str, Any]:
    """A list of native consoles."""
    return {
        'consoles': [
            {'console': {'id': it.id, 'console_type': it.console_type}}
            for it in consoles
        ]
    }


def console(console: NativeConsole, password: str) -> dict[str, Any]:
    """A native console, with its password."""
    return {
        'console': {
            'id': console.id,
            'console_type': console.console_type,
            'password': password,
            'instance_name': console.instance_name,
            'port': console.port,
            'host': console.host,
        }
    }


def connect_info(
    token: ConsoleAuthToken, version: microversion.Version
) -> dict[str, Any]:
    """Where a token leads."""
    info = token.connect_info
    body = {
        'instance_uuid': token.server_id,
        'host': info.host,
        'port': info.port,
        'internal_access_path': info.internal_access_path,
    }
    if (
        token.console_type == ConsoleType.SPICE_DIRECT
        and version >= microversion.SPICE_DIRECT
    ):
        body['tls_port'] = info.tls_port
    return {'console': body}


def remote_console(
    protocol: str, console_type: str, url: str
) -> dict[str, Any]:
    """A console's access URL, from 2.6 on."""
    return {
        'remote_console': {
            'protocol': protocol,
            'type': console_type,
            'url': url,
        }
    }


def action_console(console_type: str, url: str) -> dict[str, Any]:
    """A console's access URL, before 2.6."""
    return {'console': {'type': console_type, 'url': url}}


def console_sessions(sessions: Iterable[ConsoleSession]) -> dict[str, Any]:
    """Who is on a server's consoles."""
    return {'console_sessions': [_session(session) for session in sessions]}


def opened_session(
    session: ConsoleSession, info: ConnectInfo
) -> dict[str, Any]:
    """A session for its proxy: with where to connect to."""
    return {
        'session': {
            **_session(session),
            'host': info.host,
            'port': info.port,
            'tls_port': info.tls_port,
            'internal_access_path': info.internal_access_path,
        }
    }


def kept_sessions(sessions: Mapping[str, int | None]) -> dict[str, Any]:
    """The sessions that go on, of those that a proxy has."""
    return {
        'console_sessions': [
            {'id': session_id, 'expires': expires}
            for session_id, expires in sessions.items()
        ]
    }


def _session(session: ConsoleSession) -> dict[str, Any]:
    return {
        'id': session.id,
        'instance_uuid': session.server_id,
        'project_id': session.project_id,
        'user_id': session.user_id,
        'console_type': session.console_type,
        'client_address': session.client_address,
        'created_at': session.created_at,
        'expires': session.expires,
    }
