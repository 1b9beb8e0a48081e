# SPDX-License-Identifier: Apache-2.0

"""[nova] the driver that asks nova's API."""

from console_svc.conf import rest_client

GROUP = 'nova'

OPTIONS = rest_client.options(
    timeout=30,
    description='The credential with which nova is asked where a console '
    'token of its own leads, and, of native consoles, at log-ins and in the '
    'purge, about servers; everything else is asked with the token of the '
    'caller.',
)

#: Options that a plugin registers: for the sample file alone.
SAMPLE = rest_client.sample(OPTIONS)
