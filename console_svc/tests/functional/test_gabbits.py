# SPDX-License-Identifier: Apache-2.0

"""The stories in gabbits/: the API as readable documents."""

import os
import sys
import unittest
from typing import Any

import gabbi.driver
from gabbi import fixture

from console_svc.tests import fixtures, recordings


class ApiFixture(fixture.GabbiFixture):
    """A new service for each file."""

    current: fixtures.Api

    def start_fixture(self) -> None:
        ApiFixture.current = self._api = fixtures.Api()
        self._api.setUp()
        for console_type in ('novnc', 'spice-direct', 'rdp-html5', 'serial'):
            name = console_type.upper().replace('-', '_')
            os.environ[f'{name}_TOKEN'] = self._api.issue(console_type)

    def stop_fixture(self) -> None:
        self._api.cleanUp()


class RecordingFixture(fixture.GabbiFixture):
    """A service with one recording."""

    def start_fixture(self) -> None:
        ApiFixture.current = self._api = fixtures.Api()
        self._api.setUp()
        os.environ['RECORDING'] = recordings.add(self._api)

    def stop_fixture(self) -> None:
        self._api.cleanUp()


class GatewayFixture(fixture.GabbiFixture):
    """A service with one open console on the gateway.

    CHALLENGE_1 and RESPONSE_1 are those of a log-in with its password, and
    so are the others: each challenge is answered once.
    """

    def start_fixture(self) -> None:
        ApiFixture.current = self._api = fixtures.Api(
            consoles={
                'mode': 'gateway',
                'port_range': '5901-5901',
                'public_hostname': 'gateway.test',
            },
            rfb={'max_failures': 3},
        )
        self._api.setUp()
        consoles = f'/v2.1/servers/{fixtures.SERVER}/consoles'
        self._api.request('POST', consoles)
        shown = self._api.request('GET', f'{consoles}/1').json['console']
        for number in range(1, 8):
            asked = fixtures.authentication(shown['password'])
            for name in ('challenge', 'response'):
                variable = f'{name.upper()}_{number}'
                os.environ[variable] = asked['authentication'][name]

    def stop_fixture(self) -> None:
        self._api.cleanUp()


def _application() -> Any:
    """The application: called when tests run, not when they are loaded."""
    return lambda *request: ApiFixture.current.app(*request)


def load_tests(
    loader: unittest.TestLoader, tests: unittest.TestSuite, pattern: str | None
) -> unittest.TestSuite:
    """One test for each request, for unittest and stestr."""
    folder = os.path.join(os.path.dirname(__file__), 'gabbits')
    return gabbi.driver.build_tests(
        folder,
        loader,
        intercept=_application,
        fixture_module=sys.modules[__name__],
        test_loader_name=__name__,
    )
