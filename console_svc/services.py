# SPDX-License-Identifier: Apache-2.0

"""The objects of the API, the commands and the listener, wired together."""

import functools
import time
from collections.abc import Callable

from oslo_config import cfg

from console_svc import audit_notifications, background, compute
from console_svc.audit import Audit, Counter
from console_svc.consoles.joining import SessionJoins
from console_svc.consoles.keep_alives import KeepAlives
from console_svc.consoles.limits import Limits, ProjectLimits
from console_svc.consoles.modes import SessionModes
from console_svc.consoles.native.consoles import NativeConsoles
from console_svc.consoles.native.login import Login
from console_svc.consoles.purge import Purge
from console_svc.consoles.recording_access import RecordingAccesses
from console_svc.consoles.recording_index import RecordingIndex
from console_svc.consoles.recordings import Recordings
from console_svc.consoles.servers import Servers
from console_svc.consoles.session_lists import SessionLists
from console_svc.consoles.sessions import ConsoleSessions
from console_svc.consoles.tokens import ConsoleAuthTokens
from console_svc.consoles.vault import Vault
from console_svc.context import RequestContext
from console_svc.db.database import Database
from console_svc.policies import recordings
from console_svc.policy import Policy


class Services:
    """One of each object, made when it is first used.

    Commands and the listener use a few of them.

    :param database_timeout: seconds until a database that does not answer is
        an error; None: no limit
    :param count: counts the events of the audit, for metrics
    :param clock: seconds of the UTC epoch
    :param failed: counts unexpected exceptions of background threads, for
        metrics
    :param policy_reloaded: called after the policy files were reread, with
        whether their rules are in force, for metrics
    """

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        database_timeout: int | None = None,
        count: Counter | None = None,
        clock: Callable[[], float] = time.time,
        failed: background.Failed = background.ignore,
        policy_reloaded: Callable[[bool], None] | None = None,
    ) -> None:
        self._policy_reloaded = policy_reloaded
        self.conf = conf
        self._database_timeout = database_timeout
        self._count = count
        self.clock = clock
        self._failed = failed

    def load(self) -> None:
        """Make all objects now, so that a misconfiguration stops the start.

        Call it before threads share them: making one is not thread-safe.
        """
        for name, attribute in vars(type(self)).items():
            if isinstance(attribute, functools.cached_property):
                getattr(self, name)

    def _must_record(self, context: RequestContext, project_id: str) -> bool:
        """Whether policy has sessions of this caller recorded."""
        return self.policy.allows(context, recordings.RECORD, project_id)

    @functools.cached_property
    def serves_servers(self) -> bool:
        """Whether the API lists and shows servers."""
        enabled: bool = self.conf.api.servers
        return enabled and self.driver.lists_servers

    @functools.cached_property
    def policy(self) -> Policy:
        return Policy(self.conf, self._policy_reloaded)

    @functools.cached_property
    def driver(self) -> compute.Driver:
        return compute.load(self.conf)

    @functools.cached_property
    def database(self) -> Database:
        return Database(self.conf, self._database_timeout)

    @functools.cached_property
    def vault(self) -> Vault:
        return Vault(self.conf)

    @functools.cached_property
    def audit(self) -> Audit:
        notifier = audit_notifications.notifier(self.conf, self._failed)
        return Audit(notifier, self._count)

    @functools.cached_property
    def project_limits(self) -> ProjectLimits | None:
        """None: projects have no limits."""
        if not self.conf.consoleauth.use_unified_limits:
            return None
        # The module says why not above.
        from console_svc.unified_limits import UnifiedLimits

        return UnifiedLimits(self.conf)

    @functools.cached_property
    def limits(self) -> Limits:
        return Limits(self.conf, self.project_limits)

    @functools.cached_property
    def servers(self) -> Servers:
        return Servers(self.driver, self.policy)

    @functools.cached_property
    def tokens(self) -> ConsoleAuthTokens:
        return ConsoleAuthTokens(
            self.conf,
            self.database,
            self.driver,
            self.vault,
            self.limits,
            self.audit,
            self.clock,
            self._must_record,
        )

    @functools.cached_property
    def sessions(self) -> ConsoleSessions:
        return ConsoleSessions(
            self.conf,
            self.database,
            self.tokens,
            self.limits,
            self.audit,
            self.clock,
        )

    @functools.cached_property
    def session_lists(self) -> SessionLists:
        return SessionLists(
            self.database, self.clock, self.conf.api.recordings
        )

    @functools.cached_property
    def session_joins(self) -> SessionJoins:
        return SessionJoins(self.database, self.tokens, self.audit, self.clock)

    @functools.cached_property
    def keep_alives(self) -> KeepAlives:
        return KeepAlives(self.conf, self.database, self.clock)

    @functools.cached_property
    def session_modes(self) -> SessionModes:
        return SessionModes(self.database, self.audit, self.clock)

    @functools.cached_property
    def recording_index(self) -> RecordingIndex | None:
        """None: ``[api] recordings`` is off."""
        if not self.conf.api.recordings:
            return None
        return RecordingIndex(
            self.conf,
            self.database,
            clock=self.clock,
            failed=self._failed,
        )

    @functools.cached_property
    def recordings(self) -> Recordings | None:
        """None: ``[api] recordings`` is off."""
        index = self.recording_index
        return Recordings(index, self.audit) if index else None

    @functools.cached_property
    def recording_accesses(self) -> RecordingAccesses | None:
        """None: ``[api] recordings`` is off."""
        if self.recordings is None:
            return None
        return RecordingAccesses(
            self.conf, self.database, self.recordings, self.audit, self.clock
        )

    @functools.cached_property
    def native_consoles(self) -> NativeConsoles:
        return NativeConsoles(
            self.conf,
            self.database,
            self.driver,
            self.vault,
            self.tokens,
            self.audit,
            self.clock,
        )

    @functools.cached_property
    def login(self) -> Login:
        return Login(
            self.conf,
            self.database,
            self.driver,
            self.vault,
            self.sessions,
            self.audit,
            self.clock,
        )

    @functools.cached_property
    def purge(self) -> Purge:
        return Purge(
            self.conf,
            self.database,
            self.driver,
            self.native_consoles,
            self.audit,
            self.clock,
            self._failed,
        )
