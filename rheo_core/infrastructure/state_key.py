"""The key that proves a file on the disk to be ours, and the folder that keeps it."""

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

import platformdirs

from .files import rename_without_clobbering, write_atomically

KEY_BYTES = 32
_NAME = "key"


def state_folder() -> Path:
    """Return the folder for what rheo remembers: session, key."""
    return platformdirs.user_state_path("rheo")


def load_key(folder: Path) -> bytes:
    """Return the key kept in `folder`; make one if there is none.

    The folder is created (0700) if it is missing. A file of another length proves nothing any
    more, so a new key replaces it.

    Raises:
        OSError: the key can be neither read nor kept.
    """
    path = folder / _NAME
    with suppress(FileNotFoundError):
        key = _read(path)
        if len(key) == KEY_BYTES:
            return key
        write_atomically(path, secrets.token_bytes(KEY_BYTES))
        return _read(path)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name(f".{_NAME}-{secrets.token_hex(8)}")
    try:
        write_atomically(new, secrets.token_bytes(KEY_BYTES))
        with suppress(FileExistsError):  # another process was first: its key holds
            rename_without_clobbering(new, path)
    finally:
        new.unlink(missing_ok=True)
    return _read(path)


def _read(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
            raise OSError(f"{path} is not a key file of this user")
        if found.st_mode & 0o077:
            os.fchmod(descriptor, 0o600)
        return os.read(descriptor, KEY_BYTES + 1)
    finally:
        os.close(descriptor)
