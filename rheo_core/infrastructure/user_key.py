"""The user's secret key, which authenticates part files, state files and sessions."""

import logging
import os
import secrets
import stat
import threading
from contextlib import suppress
from pathlib import Path

import platformdirs

from rheo_core.domain.text import printable, system_reason
from rheo_core.user_files import user_folder

from .files import create_whole, rename_without_clobbering, set_mode
from .folder_sync import sync_folder
from .identity import NEW_FILE, UNTRUSTED_FILE, random_path
from .shortage_errors import shortage_of_files

_log = logging.getLogger(__name__)
_KEY_BYTES = 32
_NOWHERE = Path(os.devnull) / "rheo"  # not even root can create it
_guard = threading.Lock()
_keys: dict[Path, bytes] = {}
_unstored: dict[Path, str] = {}  # reasons that are not logged yet


def state_folder() -> Path:
    """Return the state folder of this user, which holds the session and the key."""
    return user_folder(lambda: platformdirs.user_state_path("rheo", appauthor=False), _NOWHERE)


def user_key_path() -> Path:
    """Return the path of the key."""
    return state_folder() / "key"


def user_key(*, warns: bool = True) -> bytes:
    """Return the user's key, which is created on first use. Blocks.

    If the key cannot be stored, a random one lasts as long as this process. Downloads work, but a
    later run cannot resume them. The log reports this once.

    Args:
        warns: log it if the key cannot be stored.

    Raises:
        ShortageError: the file cannot be opened now. A random key would make every unfinished
            download start over.
    """
    path = user_key_path()
    with _guard:
        if path not in _keys:
            try:
                _keys[path] = _read_or_create(path)
            except OSError as error:
                if (shortage := shortage_of_files(error)) is not None:
                    raise shortage from error
                _keys[path] = secrets.token_bytes(_KEY_BYTES)
                _unstored[path] = system_reason(error)
        if warns and (reason := _unstored.pop(path, None)) is not None:
            _log.warning(
                "cannot use the key %s (%s); unfinished downloads start over in the next run",
                printable(str(path)),
                reason,
            )
        return _keys[path]


def kept_user_key() -> bytes:
    """Return the stored key of the user; create it on first use. Blocks.

    Raises:
        OSError: it cannot be read or stored.
    """
    with _guard:
        return _read_or_create(user_key_path())


def _read_or_create(path: Path) -> bytes:
    try:
        return _read(path)
    except FileNotFoundError:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileExistsError):  # another process was faster: its key is used
        _create(path, secrets.token_bytes(_KEY_BYTES))
        sync_folder(path.parent)
    return _read(path)


def _create(path: Path, key: bytes) -> None:
    """Create the key atomically."""
    if create_whole(path, key, finish=lambda descriptor: set_mode(descriptor, 0o600)):
        return
    temporary = random_path(path.parent)
    with os.fdopen(os.open(temporary, os.O_WRONLY | NEW_FILE, 0o600), "wb") as file:
        file.write(key)
    try:
        rename_without_clobbering(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _read(path: Path) -> bytes:
    """Read the key, and make it private if it is not.

    Raises:
        FileNotFoundError: it does not exist.
        OSError: the file is not a key, or another user may have written it.
    """
    descriptor = os.open(path, os.O_RDONLY | UNTRUSTED_FILE)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
            raise PermissionError(0, "it is not a regular file of this user")
        if status.st_mode & 0o077:
            set_mode(descriptor, 0o600)
            is_private = not os.fstat(descriptor).st_mode & 0o077
            outcome = "it is private now" if is_private else "its file system has no permissions"
            _log.warning("%s could be read by others; %s", printable(str(path)), outcome)
        key = os.read(descriptor, _KEY_BYTES + 1)
        if len(key) != _KEY_BYTES:
            raise OSError(0, f"it does not have {_KEY_BYTES} bytes; remove it")
        return key
    finally:
        os.close(descriptor)
