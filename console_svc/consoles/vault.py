# SPDX-License-Identifier: Apache-2.0

"""Passwords of native consoles: made, and encrypted at rest."""

import os
import pathlib
import secrets
import string

from cryptography import fernet
from oslo_config import cfg

from console_svc import exception
from console_svc.watched_file import WatchedFile

# VNC authentication uses no more than eight characters.
_LENGTH = 8
_ALPHABET = string.ascii_letters + string.digits


def generate() -> str:
    """A new password: 47 bits, all that a VNC password can hold of these."""
    return ''.join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))


class Vault:
    """Encrypts passwords with the keys of a file.

    :param conf: where ``[consoles] key_file`` names it
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._keys = WatchedFile(conf.consoles.key_file, _parse)

    def encrypt(self, password: str) -> str:
        """What the database may hold.

        :raises console_svc.exception.ServiceUnavailable: no good key file
        """
        return self._fernet().encrypt(password.encode()).decode()

    def decrypt(self, encrypted: str) -> str:
        """The password again.

        :raises console_svc.exception.PasswordUnreadable: no key fits
        :raises console_svc.exception.ServiceUnavailable: no good key file
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
    """Make a key file with one key, readable for its owner alone.

    :raises FileExistsError: there is one; it must not be lost
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(path, 'x', opener=_private, encoding='ascii') as file:
        file.write(f'{fernet.Fernet.generate_key().decode()}\n')


def rotate_key_file(path: pathlib.Path) -> None:
    """Put a new key before the old ones: it encrypts from now on.

    :raises OSError: there is no key file
    :raises ValueError: it is broken
    """
    old = path.read_text('ascii')
    _parse(old.encode())
    # Whole or not at all: a half-written file would lock every password.
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
        raise ValueError('no key in it')
    try:
        return fernet.MultiFernet([fernet.Fernet(key) for key in keys])
    except ValueError:
        # The library's message may show the key.
        raise ValueError('a line is no Fernet key') from None
