# SPDX-License-Identifier: Apache-2.0

"""The errors of a user or a project that is at a limit."""

import http

from oslo_limit import exception as limit_exception

from console_svc import exception


class OverLimit(exception.ConsoleSvcError):
    """The user or the project has as many of something as it may."""

    status = http.HTTPStatus.FORBIDDEN
    message = '{reason}'

    def __init__(self, owner: str, reason: str) -> None:
        super().__init__(reason=reason)
        self.details = {'limit_of': owner}


class UserOverLimit(OverLimit):
    """The user has as many console sessions as a user may.

    The member ``limit_of`` of the fault is ``user``.
    """

    def __init__(self, limit: int) -> None:
        super().__init__(
            'user', f'User is over the limit of {limit} console sessions'
        )


class ProjectOverLimit(OverLimit):
    """The project has as many console sessions, or unused tokens, as it may.

    The limits are keystone's unified limits, and the message is oslo.limit's.
    The member ``limit_of`` of the fault is ``project``.
    """

    def __init__(
        self, project_id: str, resource: str, limit: int, usage: int
    ) -> None:
        found = limit_exception.OverLimitInfo(resource, limit, usage, 1)
        super().__init__(
            'project',
            str(limit_exception.ProjectOverLimit(project_id, [found])),
        )
