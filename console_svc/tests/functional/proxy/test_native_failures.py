# SPDX-License-Identifier: Apache-2.0

"""Failures of native clients' sessions that the proxy does not expect."""

from console_svc.protocols import rfb
from console_svc.tests.functional.proxy.native import NativeClientsTest
from console_svc.tests.programs import faults, process
from console_svc.tests.programs.faults import Faults

COUNT = 'console_svc_proxy_unexpected_errors_total{where="native_client"}'


class NativeFailureTest(NativeClientsTest):
    faults: Faults

    @classmethod
    def setUpClass(cls) -> None:
        cls.faults = Faults()
        cls.faults.setUp()
        cls.addClassCleanup(cls.faults.cleanUp)
        cls.GATEWAY = {'proxy': {'environment': cls.faults.environment}}
        super().setUpClass()

    def check_log(self) -> None:
        log = self.gateway.proxy.log.read_text()
        self.assertIn('RuntimeError: injected by a test', log)

    def test_client_learns_of_an_unexpected_failure(self) -> None:
        self.faults.inject(faults.CONNECT)
        self.refused('The console proxy failed unexpectedly.', rfb.VNC)
        process.wait_for(
            lambda: self.gateway.proxy.metrics().get(COUNT) == 1, 'the count'
        )
        self.faults.clear(faults.CONNECT)
        self.check_accepted(rfb.VNC)
