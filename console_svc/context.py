# SPDX-License-Identifier: Apache-2.0

"""The context of a request: its caller."""

from typing import Any

from oslo_context import context

#: Rule and project of the target -> the rules in force, and whether this rule
#: allows the caller's requests. The project is None, for requests that have
#: no target, or the caller's own.
Decisions = dict[tuple[str, str | None], tuple[object, bool]]


class RequestContext(context.RequestContext):
    """The caller of one request, as keystone's headers describe it.

    :param client_address: the address from which the request came, in its
        usual form; None: it is unknown
    :param has_access_rules: whether the caller's token is valid for some
        requests only: it is that of an application credential with access
        rules
    """

    def __init__(
        self,
        *args: Any,
        client_address: str | None = None,
        has_access_rules: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.client_address = client_address
        self.has_access_rules = has_access_rules
        #: What the policy has decided. The contexts of a known caller share
        #: it, as :func:`copy.copy` does not copy it.
        self.decisions: Decisions = {}

    @property
    def has_scope(self) -> bool:
        """Whether the caller's token is for a project, domain or system."""
        return bool(self.project_id or self.domain_id or self.system_scope)


def admin_context() -> RequestContext:
    """The context of the service or of an operator: it sees every project."""
    return RequestContext(is_admin=True, roles=['admin'], overwrite=False)
