# SPDX-License-Identifier: Apache-2.0

import testtools

from console_svc import exception
from console_svc.api import microversion
from console_svc.api.microversion import Version


def requested(
    standard: str | None = None, legacy: str | None = None
) -> Version:
    environ = {}
    if standard is not None:
        environ['HTTP_OPENSTACK_API_VERSION'] = standard
    if legacy is not None:
        environ['HTTP_X_OPENSTACK_NOVA_API_VERSION'] = legacy
    return microversion.requested(environ)


class MicroversionTest(testtools.TestCase):
    def test_without_a_version_the_oldest_is_used(self) -> None:
        self.assertEqual((2, 1), requested())
        self.assertEqual((2, 1), requested('volume 3.1'))
        self.assertEqual((2, 1), requested('2.31'))
        self.assertEqual((2, 1), requested('compute '))

    def test_standard_header(self) -> None:
        self.assertEqual((2, 31), requested('compute 2.31'))
        self.assertEqual((2, 31), requested('COMPUTE  2.31 '))
        self.assertEqual((2, 31), requested('volume 3.1, compute 2.31'))
        self.assertEqual((2, 31), requested('compute 2.1,compute 2.31'))
        self.assertEqual((2, 104), requested('compute latest'))

    def test_legacy_header(self) -> None:
        self.assertEqual((2, 31), requested(legacy='2.31'))
        self.assertEqual((2, 104), requested(legacy='latest'))
        self.assertEqual((2, 99), requested('compute 2.99', legacy='2.1'))
        self.assertEqual((2, 6), requested('volume 3.1', legacy='2.6'))

    def test_every_version_of_the_range_is_accepted(self) -> None:
        for minor in range(1, 105):
            self.assertEqual((2, minor), requested(f'compute 2.{minor}'))

    def test_versions_out_of_range_are_refused(self) -> None:
        for text in ('2.0', '2.105', '1.1', '3.0', '10.1', '2.' + '9' * 9999):
            error = self.assertRaises(
                exception.UnsupportedVersion, requested, f'compute {text}'
            )
            self.assertEqual(text, error.version)

    def test_malformed_versions_are_refused(self) -> None:
        for text in (
            'abc',
            '2',
            '2.x',
            '2.031',
            '02.31',
            '2.1.1',
            '-2.1',
            '2.',
            '.1',
            '2.\u0661',
            'Latest',
            '0.1',
        ):
            error = self.assertRaises(
                exception.InvalidVersion, requested, f'compute {text}'
            )
            self.assertIn(f'API Version String {text} is', str(error))
