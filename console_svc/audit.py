# SPDX-License-Identifier: Apache-2.0

"""Audit events in the form of CADF (DMTF DSP0262).

Each event is one line of JSON on the logger ``console_svc.audit``, and a
notification where oslo.messaging is configured. A token is identified by the
first eight digits of its hash.
"""

import datetime
import json
import logging
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from console_svc import exception
from console_svc.context import RequestContext
from console_svc.objects import ConsoleSession, Grant

LOG = logging.getLogger('console_svc.audit')

ISSUE = 'console_auth_token.issue'
REVOKE = 'console_auth_token.revoke'
VALIDATE = 'console_auth_token.validate'
OPEN = 'console_session.open'
END = 'console_session.end'
SET_MODE = 'console_session.set_mode'
AUTHENTICATE = 'console_gateway.authenticate'
OPEN_NATIVE = 'native_console.open'
SHOW_PASSWORD = 'native_console.show_password'  # noqa: S105 (not a password)
DELETE_NATIVE = 'native_console.delete'
READ_RECORDING = 'console_recording.read'
DELETE_RECORDING = 'console_recording.delete'
GIVE_ACCESS = 'console_recording.give_access'

#: Event type -> action in CADF's taxonomy.
_ACTIONS = {
    ISSUE: 'create',
    REVOKE: 'revoke',
    VALIDATE: 'authenticate',
    OPEN: 'create',
    END: 'delete',
    SET_MODE: 'update',
    AUTHENTICATE: 'authenticate',
    OPEN_NATIVE: 'create',
    SHOW_PASSWORD: 'read',
    DELETE_NATIVE: 'delete',
    READ_RECORDING: 'read',
    DELETE_RECORDING: 'delete',
    GIVE_ACCESS: 'create',
}

#: Called with the type and the outcome of each event.
Counter = Callable[[str, str], None]
#: Called with the context, the type and the content of each event.
Notifier = Callable[[RequestContext, str, Mapping[str, Any]], None]


def target_of(
    grant: Grant | ConsoleSession, client_address: str | None
) -> dict[str, object]:
    """The target of an event about a session.

    :param grant: what opens the session, or the session
    :param client_address: the address of the proxy's client
    """
    return {
        'server_id': grant.server_id,
        'console_type': grant.console_type,
        'token': grant.token_hash,
        'client_address': client_address,
        'mode': grant.mode,
    }


class Audit:
    """Records events.

    :param notify: also sends each event
    :param count: counts each event, and those too frequent to be recorded
    """

    def __init__(
        self, notify: Notifier | None = None, count: Counter | None = None
    ) -> None:
        self._notify = notify
        self._count = count

    def success(
        self, context: RequestContext, event_type: str, **target: object
    ) -> None:
        """Record an event that has succeeded.

        :param target: what is known of ``server_id``, ``console_type``,
            ``console_id``, ``token`` (its hash), ``session_id``,
            ``client_address``, ``mode``, ``reason``, ``ended_by``,
            ``recording_id`` and, where the caller acts for a user,
            ``user_id``
        """
        self._record(context, event_type, 'success', target)

    def refusal(
        self,
        context: RequestContext,
        event_type: str,
        error: exception.ConsoleSvcError,
        **target: object,
    ) -> None:
        """Record an event that was refused.

        :param error: why; its status and message are recorded
        :param target: as of :meth:`success`
        """
        reason = {
            'reasonType': 'HTTP',
            'reasonCode': str(int(error.status)),
            'reason': str(error),
        }
        self._record(context, event_type, 'failure', target, reason=reason)

    def count(self, event_type: str, outcome: str = 'success') -> None:
        """Count an event, but do not record it: it is too frequent."""
        if self._count is not None:
            self._count(event_type, outcome)

    def ends(
        self,
        context: RequestContext,
        sessions: Iterable[ConsoleSession],
        reason: str,
        ended_by: str | None = None,
    ) -> None:
        """Record the end of sessions.

        :param reason: closed, ended, lapsed, replaced, resumed, revoked or
            taken_over
        :param ended_by: the user who has ended them, if the caller is not
        """
        for session in sessions:
            self.success(
                context,
                END,
                session_id=session.id,
                reason=reason,
                ended_by=ended_by,
                **target_of(session, session.client_address),
            )

    def _record(
        self,
        context: RequestContext,
        event_type: str,
        outcome: str,
        target: Mapping[str, object],
        **more: object,
    ) -> None:
        self.count(event_type, outcome)
        if self._notify is None and not LOG.isEnabledFor(logging.INFO):
            return
        now = datetime.datetime.now(datetime.UTC)
        details = {key: str(value) for key, value in target.items() if value}
        if 'token' in details:
            details['token'] = details['token'][:8]
        event = {
            'typeURI': 'http://schemas.dmtf.org/cloud/audit/1.0/event',
            'id': str(uuid.uuid4()),
            'eventType': 'activity',
            'eventTime': now.isoformat(timespec='milliseconds'),
            'action': _ACTIONS[event_type],
            'name': event_type,
            'outcome': outcome,
            **more,
            'initiator': {
                'typeURI': 'service/security/account/user',
                'id': context.user_id or 'operator',
                'project_id': context.project_id,
                'host': {'address': context.client_address},
                'request_id': context.request_id,
                'global_request_id': context.global_id,
            },
            'target': {
                'typeURI': 'service/compute/servers/console',
                'id': details.pop('server_id', 'unknown'),
                **details,
            },
            'observer': {
                'typeURI': 'service/compute',
                'id': 'console-svc',
            },
        }
        LOG.info('%s', json.dumps(event))
        if self._notify is not None:
            self._notify(context, event_type, event)
