# SPDX-License-Identifier: Apache-2.0

"""Thousands of bad connections; the functional tests have hundreds."""

from console_svc.tests.functional.proxy import (
    test_bad_input,
    test_native_bad_input,
)

NUMBER = 10_000


class WebSocketsTest(test_bad_input.LeakTest):
    PROXY = {'handshake_timeout': 1}
    NUMBER = NUMBER


class NativeClientsTest(test_native_bad_input.LeakTest):
    PROXY = {'handshake_timeout': 1}
    NUMBER = NUMBER
