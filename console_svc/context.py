"""Who is asking."""

from oslo_context import context


class RequestContext(context.RequestContext):
    """The caller of one request, as keystone's headers describe them."""

    def can_see(self, project_id: str) -> bool:
        """Whether resources of a project exist for this caller.

        :param project_id: the project that owns the resource
        """
        return bool(self.is_admin) or self.project_id == project_id
