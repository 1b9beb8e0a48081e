# SPDX-License-Identifier: Apache-2.0

"""The vault: encrypts console passwords and tickets for the database."""

import base64
import logging
import os
import pathlib
import tempfile

from cryptography import fernet
from oslo_config import cfg

from console_svc import exception
from console_svc.watched_file import WatchedFile

LOG = logging.getLogger(__name__)


class Vault:
    """Encrypts and decrypts with the keys of ``[consoles] key_file``."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._path: str = conf.consoles.key_file
        self._keys = WatchedFile(self._path, _parse)

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
            be used, or is older than the encrypted password: another host's
            file may have its key
        """
        try:
            return self._fernet().decrypt(encrypted.encode()).decode()
        except fernet.InvalidToken as error:
            if _created_at(encrypted) > self._changed_at():
                LOG.error(
                    'The key file %s is older than a password that it cannot '
                    'decrypt: copy the key file of the API host on which the '
                    'keys were rotated.',
                    self._path,
                )
                raise exception.ServiceUnavailable(
                    'The key file of this API host is out of date.'
                ) from None
            LOG.error(
                'The key file %s does not have the key of a password: if it '
                'was removed, the password is lost, and its console must be '
                'deleted and created again.',
                self._path,
            )
            raise exception.PasswordUnreadable from error

    def _changed_at(self) -> float:
        """When the key file was changed, in seconds of the UTC epoch."""
        try:
            return os.stat(self._path).st_mtime
        except OSError:
            # The last good keys stay in use.
            return 0

    def _fernet(self) -> fernet.MultiFernet:
        try:
            return self._keys.get()
        except ValueError as error:
            raise exception.ServiceUnavailable(
                'The keys of the console passwords cannot be read.'
            ) from error


def create_key_file(path: pathlib.Path) -> None:
    """Create a key file with one key, readable by its owner alone.

    The owner is that of the folder: root can create it for the service.

    :raises FileExistsError: it exists and must not be overwritten
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = _write_beside(path, _new_key(), path.parent.stat(), 0o600)
    try:
        # A rename would overwrite a file.
        os.link(new, path)
    finally:
        new.unlink()


def rotate_key_file(path: pathlib.Path) -> None:
    """Put a new key first: it encrypts from now on, the others decrypt.

    The owner stays the same. Others lose their access; the group may keep
    reading a file that was not open to all.

    :raises OSError: there is no key file, or it is a symbolic link: root must
        not rewrite a file elsewhere
    :raises ValueError: the key file is invalid
    """
    # Without O_NONBLOCK a named pipe in its place blocks for ever.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
    with open(os.open(path, flags), encoding='ascii') as file:
        state = os.fstat(file.fileno())
        old = file.read()
    _parse(old.encode())
    mode = 0o600 if state.st_mode & 0o007 else 0o600 | state.st_mode & 0o040
    new = _write_beside(path, _new_key() + old, state, mode)
    # Replace the file atomically: a half-written one would make every
    # password unreadable.
    new.replace(path)


def _new_key() -> str:
    return f'{fernet.Fernet.generate_key().decode()}\n'


def _write_beside(
    path: pathlib.Path, content: str, owner: os.stat_result, mode: int
) -> pathlib.Path:
    """Write a new file in the folder of another one.

    Its name is random and the descriptor sets owner and mode, because the
    service's user can write to the folder while root runs a command.
    """
    descriptor, name = tempfile.mkstemp(
        dir=path.parent, prefix=f'{path.name}.'
    )
    try:
        with open(descriptor, 'w', encoding='ascii') as file:
            mine = os.fstat(descriptor)
            if (mine.st_uid, mine.st_gid) != (owner.st_uid, owner.st_gid):
                os.fchown(descriptor, owner.st_uid, owner.st_gid)
            os.fchmod(descriptor, mode)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
    except BaseException:
        os.unlink(name)
        raise
    return pathlib.Path(name)


def _created_at(encrypted: str) -> int:
    """When a Fernet token was created, in seconds of the UTC epoch.

    Bytes 1 to 8 of a token are its time stamp, which is not encrypted (Fernet
    specification, "Token Format").

    :returns: 0 if it is damaged
    """
    try:
        return int.from_bytes(base64.urlsafe_b64decode(encrypted)[1:9])
    except ValueError:
        return 0


def _parse(content: bytes) -> fernet.MultiFernet:
    keys = content.decode('ascii').split()
    if not keys:
        raise ValueError('the file has no key')
    try:
        return fernet.MultiFernet([fernet.Fernet(key) for key in keys])
    except ValueError:
        # The library's message may show the key.
        raise ValueError('a line is not a Fernet key') from None
