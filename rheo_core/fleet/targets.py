"""Targets: the output folder of a run, on a file system or in an object store."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader, RawIOBase
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from rheo_core.domain.paths import expand_path
from rheo_core.domain.text import redact
from rheo_core.infrastructure.files import (
    create_whole,
    rename_without_clobbering,
    write_atomically,
)
from rheo_core.infrastructure.folder_sync import sync_file
from rheo_core.infrastructure.identity import random_path
from rheo_core.user_files import open_regular, read_bounded, too_large

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_PRIVATE = 0o700
_INSTALLS = {"s3": "s3", "s3a": "s3"}  # extras of rheo by protocol
_BUFFER_BYTES = 1 << 20
MAX_BYTES = 64 << 20
"""Limit for a file that is read whole."""


class Target(Protocol):
    """An output folder. Names are relative to it, with `/` between folders.

    Every method blocks, and raises OSError with a reason if the store refuses.
    """

    @property
    def path(self) -> Path | None:
        """Local path of the folder; None in an object store."""

    def read(self, name: str, max_bytes: int = MAX_BYTES) -> bytes:
        """Return the content of a file. Raise EFBIG if it has more than `max_bytes`."""

    def put(self, name: str, data: bytes) -> None:
        """Create or replace a file atomically."""

    def put_file(self, name: str, source: Path) -> None:
        """Move or upload a local file, whose data are synced; replace a file of this name."""

    def create(self, name: str, data: bytes) -> bool:
        """Create a file atomically; return False, and change nothing, if the name is taken."""

    def exists(self, name: str) -> bool:
        """Return True if a file or folder of this name exists."""

    def names(self, folder: str = "") -> list[str]:
        """Return the names in a folder, without its own; an empty list if it does not exist.

        A folder that is a link raises ELOOP, here and in all methods that read or write.
        """

    def sizes(self, folder: str = "") -> dict[str, int]:
        """Return the bytes of each file in a folder, by name; empty if it does not exist.

        Links are omitted, because rheo writes none.
        """

    def open(self, name: str) -> BufferedReader:
        """Open a file for reading."""

    def remove(self, name: str) -> None:
        """Remove a file if it exists."""


def absence_of(target: Target, name: str) -> str:
    """Return a sentence about a file that `Target.sizes` does not have."""
    return f"{name} is {'not a regular file' if target.exists(name) else 'missing'}"


def open_target(out: str) -> Target:
    """Return the output folder `out`, a local path or a URL that fsspec knows.

    A folder on a file system is always a `LocalTarget`, even for a URL, because fsspec would write
    through any link in the folder.

    Raises:
        ValueError: the URL is unusable, or needs a package; one sentence without a full stop.
    """
    if "://" not in out:
        try:
            return LocalTarget(expand_path(out, "folder"))
        except ValueError as error:
            raise ValueError(f"the output folder {error}") from None
    name = f"output folder {redact(out)}"
    protocol, _, path = out.partition("://")
    if protocol in ("file", "local"):
        host, slash, path = path.partition("/")
        if not slash or host not in ("", "localhost"):  # RFC 8089 2
            raise ValueError(f"{name} should have the form {protocol}:///PATH")
        out = f"{protocol}:///{path}"
    if "@" in out.partition("://")[2].partition("/")[0]:
        raise ValueError(
            f"{name} contains a login; the scheduler would see it; set it in the workers' "
            "environment instead"
        )
    if "::" in out:
        raise ValueError(f"{name} is a chain of URLs; name the folder without `::`")
    try:
        files, path = find_store(out)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    from fsspec.implementations.local import LocalFileSystem

    if isinstance(files, LocalFileSystem):
        return LocalTarget(Path(path))
    if getattr(files, "local_file", False):  # a cache, set up in a configuration of fsspec
        raise ValueError(f"{name} is a local copy of a folder; name the folder itself")
    return RemoteTarget(files, path)


class LocalTarget:
    """Folder on a file system, local or shared."""

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()

    @property
    def path(self) -> Path:
        """Absolute path of the folder."""
        return self._path

    def read(self, name: str, max_bytes: int = MAX_BYTES) -> bytes:
        with self.open(name) as file:
            return read_bounded(file, max_bytes, name)

    def put(self, name: str, data: bytes) -> None:
        path = self._with_folder(name)
        with file_errors(path):
            write_atomically(path, data)

    def put_file(self, name: str, source: Path) -> None:
        path = self._with_folder(name)
        with file_errors(source):
            sync_file(source)
        try:
            source.replace(path)
        except OSError as error:
            if error.errno != errno.EXDEV:  # the scratch folder is on another disk
                raise
            temporary = random_path(path.parent)
            with file_errors(path):
                shutil.copyfile(source, temporary)
                sync_file(temporary)
            temporary.replace(path)
            source.unlink()

    def create(self, name: str, data: bytes) -> bool:
        path = self._with_folder(name)
        with suppress(FileExistsError), file_errors(path):
            if create_whole(path, data) is None:  # as on NFS
                temporary = random_path(path.parent)
                write_atomically(temporary, data)
                try:
                    rename_without_clobbering(temporary, path)
                finally:
                    temporary.unlink(missing_ok=True)
            return True
        return False

    def exists(self, name: str) -> bool:
        return os.path.exists(self._path / name)

    def names(self, folder: str = "") -> list[str]:
        try:
            return [each.name for each in self._folder(folder).iterdir()]
        except FileNotFoundError:
            return []

    def sizes(self, folder: str = "") -> dict[str, int]:
        try:
            with os.scandir(self._folder(folder)) as entries:
                return {
                    each.name: each.stat(follow_symlinks=False).st_size
                    for each in entries
                    if each.is_file(follow_symlinks=False)
                }
        except FileNotFoundError:
            return {}

    def open(self, name: str) -> BufferedReader:
        path = self._inside(name)
        try:
            return open_regular(path)  # not a pipe, which may never end
        except NotADirectoryError:  # the output folder itself is a file
            raise
        except OSError as error:
            raise OSError(error.errno, f"{name}: {error.strerror}") from None

    def remove(self, name: str) -> None:
        self._inside(name).unlink(missing_ok=True)

    def _with_folder(self, name: str) -> Path:
        """Return the path of a file, after creating its folder. Lists of URLs are private."""
        path = self._inside(name)
        if not os.path.isdir(path.parent):
            self._path.mkdir(parents=True, exist_ok=True)
            for parent in reversed(path.relative_to(self._path).parents[:-1]):
                (self._path / parent).mkdir(_PRIVATE, exist_ok=True)
        return path

    def _inside(self, name: str) -> Path:
        path = self._path / name
        check_inside(self._path, path.parent)
        return path

    def _folder(self, name: str) -> Path:
        check_inside(self._path, folder := self._path / name)
        return folder


class RemoteTarget:
    """Folder in an object store, through fsspec."""

    path = None

    def __init__(self, files: "AbstractFileSystem", root: str) -> None:
        self._files: Any = files
        self._root = root.rstrip("/")

    def read(self, name: str, max_bytes: int = MAX_BYTES) -> bytes:
        path = self._at(name)
        with store_errors(name):
            data = bytes(self._files.cat_file(path, start=0, end=max_bytes + 1))
            if len(data) > max_bytes:
                raise too_large(name, self._files.size(path), max_bytes)
        return data

    def put(self, name: str, data: bytes) -> None:
        with store_errors(name):
            self._files.pipe_file(self._at(name), data)

    def put_file(self, name: str, source: Path) -> None:
        with store_errors(name):
            self._files.put_file(str(source), self._at(name))

    def create(self, name: str, data: bytes) -> bool:
        try:
            with store_errors(name):
                self._files.pipe_file(self._at(name), data, mode="create")
        except FileExistsError:
            return False
        return True

    def exists(self, name: str) -> bool:
        with store_errors(name):
            self._files.invalidate_cache()
            return bool(self._files.exists(self._at(name)))

    def names(self, folder: str = "") -> list[str]:
        return [_last_part(each["name"]) for each in self._listed(folder)]

    def sizes(self, folder: str = "") -> dict[str, int]:
        files = (each for each in self._listed(folder) if each["type"] == "file")
        return {_last_part(each["name"]): each["size"] for each in files}

    def open(self, name: str) -> BufferedReader:
        return open_stored(self._files, self._at(name), name)

    def remove(self, name: str) -> None:
        with suppress(FileNotFoundError), store_errors(name):
            self._files.rm_file(self._at(name))

    def _listed(self, folder: str) -> list[dict[str, Any]]:
        path = self._at(folder).rstrip("/")
        try:
            with store_errors(folder):
                self._files.invalidate_cache()
                listed = self._files.ls(path, detail=True)
        except FileNotFoundError:
            return []
        return [each for each in listed if each["name"].strip("/") != path.strip("/")]

    def _at(self, name: str) -> str:
        return f"{self._root}/{name}"


def check_inside(root: Path, folder: Path) -> None:
    """Check that no symbolic link leads from `root` to another folder.

    An output folder may come from somebody else, who could use a link to redirect files.

    Raises:
        OSError: a folder below `root` is a link.
    """
    for each in (folder, *folder.parents):
        if each == root:
            return
        if os.path.islink(each):
            raise OSError(errno.ELOOP, "a symbolic link in an output folder", str(each))


def _last_part(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]


class _StoredFile(RawIOBase):
    """File in an object store. Reading it raises only OSError, unlike some store libraries.

    The libraries' own files lack parts of BufferedReader: their `readline` takes no limit.

    Args:
        files: the store. Some close their files once nobody references the store.
        path: path of the file there.
        name: its name in messages.
    """

    def __init__(self, files: "AbstractFileSystem", path: str, name: str) -> None:
        self._files = files
        self._name = name
        with store_errors(name):
            self._file: Any = files.open(path, "rb")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, place: int, whence: int = os.SEEK_SET) -> int:
        with store_errors(self._name):
            return int(self._file.seek(place, whence))

    def readinto(self, buffer: Any) -> int:
        with store_errors(self._name):
            data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            super().close()
            with store_errors(self._name):
                self._file.close()


def find_store(url: str) -> tuple["AbstractFileSystem", str]:
    """Return the file system of a URL, and the path there.

    Raises:
        ValueError: the URL is unusable, or needs a package; a phrase.
    """
    protocol = url.partition("://")[0].partition("::")[0]
    try:
        import fsspec

        if protocol not in {*fsspec.available_protocols(), *fsspec.registry}:
            raise ValueError(f"{protocol}:// is unknown")
        return cast("tuple[AbstractFileSystem, str]", fsspec.core.url_to_fs(url))
    except ImportError as error:
        extra = _INSTALLS.get(protocol)
        package = f"'rheo-tui[fleet,{extra}]'" if extra else getattr(error, "name", None)
        hint = f"pip install {package}" if package else _reason(error)
        raise ValueError(f"it needs a package: {hint}") from None
    except Exception as error:  # every store library has its own classes
        raise ValueError(_reason(error)) from None


def open_stored(files: "AbstractFileSystem", path: str, name: str) -> BufferedReader:
    """Open a file in an object store for reading.

    Args:
        files: the store.
        path: path of the file there.
        name: its name in messages.

    Raises:
        OSError: it does not exist, or the store refuses it.
    """
    return BufferedReader(_StoredFile(files, path, name), _BUFFER_BYTES)


@contextmanager
def file_errors(path: Path) -> Iterator[None]:
    """Add the path to errors of a local file, such as those of a write.

    Args:
        path: path of the file.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


@contextmanager
def store_errors(name: str) -> Iterator[None]:
    """Raise OSError in place of a store library's errors.

    Args:
        name: name of the file in messages.
    """
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        raise OSError(f"the object store refuses {name}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """Return the first line of an error, or the name of its class."""
    return redact(str(error).strip().partition("\n")[0]) or type(error).__name__
