# SPDX-License-Identifier: Apache-2.0

"""Who is asking."""

from typing import Any

from oslo_context import context


class RequestContext(context.RequestContext):
    """The caller of one request, as keystone's headers describe them.

    :param client_address: where the request comes from
    """

    def __init__(
        self, *args: Any, client_address: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.client_address = client_address


def everybody() -> RequestContext:
    """Who sees every project: the service itself, or an operator."""
    return RequestContext(is_admin=True, roles=['admin'], overwrite=False)
