# SPDX-License-Identifier: Apache-2.0

"""[console_api] where the console proxy finds the API."""

from console_svc.conf import rest_client

GROUP = 'console_api'

OPTIONS = rest_client.options(
    timeout=10,
    description="The console proxy's credential: a user with the role "
    '"service", which opens sessions, keeps and closes them, and needs '
    'nothing else.',
)

#: Options that a plugin registers: for the sample file alone.
SAMPLE = rest_client.sample(OPTIONS)
