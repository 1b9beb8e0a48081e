# SPDX-License-Identifier: Apache-2.0

"""[nova] the compute driver that uses nova's API."""

from console_svc.conf import rest_client

GROUP = 'nova'

OPTIONS = rest_client.options(
    timeout=30,
    description="The service uses this credential to look up nova's console "
    'tokens and, for native consoles, to look up servers at log-ins and '
    "during the purge. All other requests to nova use the caller's token.",
)

#: With the options that an authentication plugin registers.
SAMPLE = rest_client.sample(OPTIONS)
