# SPDX-License-Identifier: Apache-2.0

"""The domains of all compute hosts."""

import logging
from collections.abc import Iterator, Sequence
from concurrent import futures
from typing import Any, Final

import libvirt
from oslo_context import context

from console_svc.compute.libvirt.hosts import Host, HostUnavailable
from console_svc.context import admin_context

LOG = logging.getLogger(__name__)

# How many hosts are asked at the same time.
_CONCURRENT_HOSTS: Final = 32

#: The live XML of a domain, and its state.
Description = tuple[str, int]


def describe_all(
    hosts: Sequence[Host],
) -> Iterator[tuple[Host, Sequence[Description]]]:
    """Describe the domains of each host that answers.

    :raises HostUnavailable: no host answers
    """
    if not hosts:
        return
    # For the ids in log lines.
    current = context.get_current() or admin_context()

    def describe(host: Host) -> list[Description] | None:
        current.update_store()
        return _describe(host)

    with futures.ThreadPoolExecutor(
        min(len(hosts), _CONCURRENT_HOSTS), 'libvirt-list'
    ) as pool:
        answers = [*pool.map(describe, hosts)]
    if all(answer is None for answer in answers):
        raise HostUnavailable
    for host, answer in zip(hosts, answers, strict=True):
        if answer is not None:
            yield host, answer


def _describe(host: Host) -> list[Description] | None:
    """Describe the domains of a host; None: it does not answer."""
    try:
        found = host.call(
            lambda connection: connection.getAllDomainStats(
                libvirt.VIR_DOMAIN_STATS_STATE
            )
        )
        described = []
        for domain, stats in found:
            # A call for each, because the time-out of a call marks the host
            # as dead, and the number of domains has no limit.
            xml = _live_xml(host, domain)
            if xml is not None:
                state = stats.get('state.state', libvirt.VIR_DOMAIN_NOSTATE)
                described.append((xml, state))
    except HostUnavailable:
        # Host has logged it.
        return None
    except libvirt.libvirtError as error:
        LOG.warning(
            'libvirt on compute host %s failed to list its domains, and its '
            'servers are missing in a list of servers: %s',
            host.name,
            error,
        )
        return None
    return described


def _live_xml(host: Host, domain: Any) -> str | None:
    """The XML of a domain; None: it has just been undefined or moved."""
    try:
        xml: str = host.call(lambda connection: domain.XMLDesc())
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
            raise
        return None
    return xml
