# SPDX-License-Identifier: Apache-2.0

"""[swift] the storage of recordings in Swift."""

from console_svc.conf import rest_client

GROUP = 'swift'

OPTIONS = rest_client.options(
    timeout=30,
    description='With [recording] storage = swift, recordings are written, '
    'read, listed and deleted with this credential.',
    service_type='object-store',
)

#: With the options that an authentication plugin registers.
SAMPLE = rest_client.sample(OPTIONS)
