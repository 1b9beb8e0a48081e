# SPDX-License-Identifier: Apache-2.0

"""The vault: encrypts console passwords and tickets for the database."""

import os
import pathlib

from cryptography import fernet
from oslo_config import cfg

from console_svc import exception
from console_svc.watched_file import WatchedFile


class Vault:
    """Encrypts and decrypts with the keys of ``[consoles] key_file``."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._keys = WatchedFile(conf.consoles.key_file, _parse)

    def encrypt(self, secret: str) -> str:
        """Encrypt a secret for the database.

        :raises console_svc.exception.ServiceUnavailable: the key file cannot
            be used
        """
        return self._fernet().encrypt(secret.encode()).decode()

    def decrypt(self, encrypted: str) -> str:
        """Decrypt what :meth:`encrypt` returned.

        :raises console_svc.exception.PasswordUnreadable: no key fits
        :raises console_svc.exception.ServiceUnavailable: the key file cannot
            be used
        """
        try:
            return self._fernet().decrypt(encrypted.encode()).decode()
        except fernet.InvalidToken as error:
            raise exception.PasswordUnreadable from error

    def _fernet(self) -> fernet.MultiFernet:
        try:
            return self._keys.get()
        except ValueError as error:
            raise exception.ServiceUnavailable(
                'The keys of the console passwords cannot be read.'
            ) from error


def create_key_file(path: pathlib.Path) -> None:
    """Create a key file with one key, readable by its owner alone.

    :raises FileExistsError: it exists and must not be overwritten
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(path, 'x', opener=_private, encoding='ascii') as file:
        file.write(f'{fernet.Fernet.generate_key().decode()}\n')


def rotate_key_file(path: pathlib.Path) -> None:
    """Put a new key first: it encrypts from now on, the others decrypt.

    :raises OSError: there is no key file
    :raises ValueError: the key file is invalid
    """
    old = path.read_text('ascii')
    _parse(old.encode())
    # Replace the file atomically: a half-written one would make every
    # password unreadable.
    new = path.with_name(f'{path.name}.new')
    with open(new, 'w', opener=_private, encoding='ascii') as file:
        file.write(f'{fernet.Fernet.generate_key().decode()}\n{old}')
        file.flush()
        os.fsync(file.fileno())
    state = path.stat()
    os.chown(new, state.st_uid, state.st_gid)
    new.replace(path)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, mode=0o600)


def _parse(content: bytes) -> fernet.MultiFernet:
    keys = content.decode('ascii').split()
    if not keys:
        raise ValueError('the file has no key')
    try:
        return fernet.MultiFernet([fernet.Fernet(key) for key in keys])
    except ValueError:
        # The library's message may show the key.
        raise ValueError('a line is not a Fernet key') from None
