# SPDX-License-Identifier: Apache-2.0

import testtools

from console_svc.protocols import rfb


class ResponseTest(testtools.TestCase):
    def test_known_responses(self) -> None:
        # DES of zeros with a key of zeros, and with one of ones: reversing
        # their bits does not change them.
        self.assertEqual(
            '8ca64de9c1b123a7' * 2, rfb.response(bytes(16), '').hex()
        )
        self.assertEqual(
            'caaaaf4deaf1dbae' * 2,
            rfb.response(bytes(16), '\xff' * 8).hex(),
        )

    def test_characters_after_the_eighth_are_ignored(self) -> None:
        challenge = bytes(range(16))
        self.assertEqual(
            rfb.response(challenge, 'password'),
            rfb.response(challenge, 'password-and-more'),
        )
        self.assertNotEqual(
            rfb.response(challenge, 'password'),
            rfb.response(challenge, 'passworD'),
        )
