# SPDX-License-Identifier: Apache-2.0

import testtools

from console_svc.protocols import rfb


class GeneratePasswordTest(testtools.TestCase):
    def test_eight_random_letters_and_digits(self) -> None:
        generated = {rfb.generate_password() for _ in range(1000)}
        self.assertEqual(1000, len(generated))
        for password in generated:
            self.assertEqual(8, len(password))
            self.assertTrue(password.isalnum() and password.isascii())
