# SPDX-License-Identifier: Apache-2.0

"""How many sessions and unused tokens users and projects can have."""

from typing import Protocol

from oslo_config import cfg

from console_svc.objects import SESSIONS, UNUSED_TOKENS, SessionLimits


class ProjectLimits(Protocol):
    """Limits that each project has."""

    def get(self, project_id: str, resource: str) -> int | None:
        """How many of a resource a project can have; None: no limit.

        :param resource: :data:`.SESSIONS` or :data:`.UNUSED_TOKENS`
        :raises console_svc.exception.ServiceUnavailable: they cannot be read
        """


class Limits:
    """The limits of a user and a project.

    :param projects: None: projects have no limits
    """

    def __init__(
        self, conf: cfg.ConfigOpts, projects: ProjectLimits | None
    ) -> None:
        self._options = conf.consoleauth
        self._projects = projects

    @property
    def limits_sessions(self) -> bool:
        """Whether a user or a project has a limit of sessions."""
        return (
            self._options.max_sessions_per_user > 0
            or self._projects is not None
        )

    def of_sessions(self, project_id: str) -> SessionLimits:
        """The limits for a new session.

        :raises console_svc.exception.ServiceUnavailable: they cannot be read
        """
        return SessionLimits(
            self._options.max_sessions_per_user,
            self._of_project(project_id, SESSIONS),
        )

    def of_unused_tokens(self, project_id: str) -> int | None:
        """The limit for a new token; None: there is no limit.

        :raises console_svc.exception.ServiceUnavailable: it cannot be read
        """
        return self._of_project(project_id, UNUSED_TOKENS)

    def _of_project(self, project_id: str, resource: str) -> int | None:
        if self._projects is None:
            return None
        return self._projects.get(project_id, resource)
