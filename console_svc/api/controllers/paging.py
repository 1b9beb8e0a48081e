# SPDX-License-Identifier: Apache-2.0

"""Pages of lists."""

from urllib import parse

from console_svc.api.bodies import servers
from console_svc.api.request import Request


def next_page(req: Request, marker: str) -> list[dict[str, str]]:
    """The link to the next page, with the parameters of this one.

    :param marker: the id of the last item of this page
    """
    parameters = {**req.query(), 'marker': [marker]}
    url = f'{req.path_url}?{parse.urlencode(parameters, doseq=True)}'
    return servers.next_links(url)
