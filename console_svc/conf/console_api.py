# SPDX-License-Identifier: Apache-2.0

"""[console_api] the console proxy's client of the API."""

from console_svc.conf import rest_client

GROUP = 'console_api'

OPTIONS = rest_client.options(
    timeout=10,
    description='The console proxy uses this credential, which needs the role '
    '"service", to open sessions, keep them alive and close them.',
)

#: With the options that an authentication plugin registers.
SAMPLE = rest_client.sample(OPTIONS)
