# SPDX-License-Identifier: Apache-2.0

import os
import pathlib
import stat
import time

import fixtures as fixtures_
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

    def test_rotation_does_not_write_through_a_planted_link(self) -> None:
        victim = self.key_file.with_name('victim')
        victim.write_text('precious')
        self.key_file.with_name('console-keys.new').symlink_to(victim)
        vault.rotate_key_file(self.key_file)
        self.assertEqual('precious', victim.read_text())
        self.assertEqual(2, len(self.key_file.read_text().split()))

    def test_a_link_in_place_of_the_key_file_is_not_rotated(self) -> None:
        other = self.key_file.with_name('keys-of-another-service')
        self.key_file.rename(other)
        self.key_file.symlink_to(other)
        before = other.read_text()
        self.assertRaises(OSError, vault.rotate_key_file, self.key_file)
        self.assertEqual(before, other.read_text())
        self.assertTrue(self.key_file.is_symlink())

    def test_rotation_keeps_the_group_and_excludes_others(self) -> None:
        for before, after in (
            (0o600, 0o600),
            (0o640, 0o640),
            (0o660, 0o640),
            (0o644, 0o600),
            (0o666, 0o600),
        ):
            self.key_file.chmod(before)
            vault.rotate_key_file(self.key_file)
            self.assertEqual(
                oct(after), oct(stat.S_IMODE(self.key_file.stat().st_mode))
            )

    def test_rotation_leaves_no_other_file(self) -> None:
        before = sorted(self.key_file.parent.iterdir())
        vault.rotate_key_file(self.key_file)
        self.assertRaises(
            FileExistsError, vault.create_key_file, self.key_file
        )
        self.assertEqual(before, sorted(self.key_file.parent.iterdir()))

    def test_an_old_key_file_is_told_from_a_lost_key(self) -> None:
        keys = self.key_file.read_text()
        vault.rotate_key_file(self.key_file)
        secret = self.vault.encrypt('s3cret')
        created = time.time()
        self.key_file.write_text(keys)
        log = self.useFixture(fixtures_.FakeLogger())
        # Copied before the rotation, or after the key was removed.
        for changed, error in (
            (created - 60, exception.ServiceUnavailable),
            (created + 60, exception.PasswordUnreadable),
        ):
            os.utime(self.key_file, (changed, changed))
            self.assertRaises(error, self.vault.decrypt, secret)
            self.assertIn(str(self.key_file), log.output)
        self.assertIn('is older than a password', log.output)

    def test_damaged_passwords_are_unreadable(self) -> None:
        for damaged in ('', 'x', 'gAAAAA==', 'not base64!'):
            self.assertRaises(
                exception.PasswordUnreadable, self.vault.decrypt, damaged
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

    def test_the_file_belongs_to_the_owner_of_its_folder(self) -> None:
        folder = self.useFixture(fixtures.Configuration()).folder
        owner = (os.getuid(), os.getgid())
        if os.getuid() == 0:
            owner = (12345, 54321)
            os.chown(folder, *owner)
        path = folder / 'keys'
        vault.create_key_file(path)
        state = path.stat()
        self.assertEqual(owner, (state.st_uid, state.st_gid))
        self.assertEqual(0o600, stat.S_IMODE(state.st_mode))
        # Rotation by root keeps it.
        vault.rotate_key_file(path)
        state = path.stat()
        self.assertEqual(owner, (state.st_uid, state.st_gid))
