# SPDX-License-Identifier: Apache-2.0

import pathlib
import stat

import testtools

from console_svc import exception
from console_svc.consoles import vault
from console_svc.tests import fixtures


class VaultTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        configuration = self.useFixture(fixtures.Configuration())
        self.conf = configuration.conf
        self.key_file = configuration.key_file
        self.vault = vault.Vault(self.conf)

    def test_only_the_owner_can_read_the_key_file(self) -> None:
        self.assertEqual(0o600, stat.S_IMODE(self.key_file.stat().st_mode))

    def test_each_encryption_of_a_secret_differs_and_hides_it(self) -> None:
        one, two = self.vault.encrypt('s3cret'), self.vault.encrypt('s3cret')
        self.assertNotEqual(one, two)
        self.assertNotIn('s3cret', one)
        self.assertEqual('s3cret', self.vault.decrypt(one))

    def test_rotated_keys_still_decrypt(self) -> None:
        old = self.vault.encrypt('s3cret')
        vault.rotate_key_file(self.key_file)
        self.assertEqual('s3cret', self.vault.decrypt(old))
        new = self.vault.encrypt('other')
        self.assertEqual(2, len(self.key_file.read_text().split()))
        self.assertEqual(0o600, stat.S_IMODE(self.key_file.stat().st_mode))
        # The new key alone is enough for what was written since.
        self.key_file.write_text(self.key_file.read_text().split()[0])
        self.assertEqual('other', self.vault.decrypt(new))
        self.assertRaises(
            exception.PasswordUnreadable, self.vault.decrypt, old
        )

    def test_a_key_file_is_never_overwritten(self) -> None:
        self.assertRaises(
            FileExistsError, vault.create_key_file, self.key_file
        )

    def test_a_broken_key_file_is_not_rotated(self) -> None:
        self.key_file.write_text('nonsense')
        self.assertRaises(ValueError, vault.rotate_key_file, self.key_file)
        self.assertEqual('nonsense', self.key_file.read_text())

    def test_encrypt_without_valid_keys_fails_and_hides_them(self) -> None:
        for content in ('', 'nonsense', '\u00e9'):
            self.key_file.write_text(content)
            error = self.assertRaises(
                exception.ServiceUnavailable,
                vault.Vault(self.conf).encrypt,
                's3cret',
            )
            self.assertNotIn('nonsense', f'{error} {error.__cause__}')


class CreateKeyFileTest(testtools.TestCase):
    def test_creates_a_private_folder(self) -> None:
        folder = self.useFixture(fixtures.Configuration()).folder
        path: pathlib.Path = folder / 'a/b/keys'
        vault.create_key_file(path)
        self.assertEqual(0o700, stat.S_IMODE(path.parent.stat().st_mode))
