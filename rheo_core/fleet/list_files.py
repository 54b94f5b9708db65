"""Open list files: local files, object stores and standard input."""

import gzip
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING

from rheo_core.domain.text import redact

from .rows import ListError
from .targets import find_store, open_stored, store_errors

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

STANDARD_INPUT = "-"
_BLOCK_BYTES = 1 << 20
_REMOTE_PATTERN = frozenset("*?[")


@contextmanager
def found_sources(names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Return paths and URLs that rheo can read twice.

    This copies standard input and pipes to temporary files, which it removes when the context ends.
    It expands patterns in an object store (`s3://bucket/*.parquet`); the shell expands local ones.

    Raises:
        ListError: a list does not exist.
    """
    with tempfile.TemporaryDirectory(prefix="rheo-") as folder:
        yield tuple(each for name in names for each in _matching(name, Path(folder)))


def _matching(name: str, folder: Path) -> list[str]:
    if name == STANDARD_INPUT:
        with os.fdopen(os.dup(0), "rb") as source:
            return [_copy(source, folder)]
    if "://" not in name:
        path = Path(name)
        if os.path.isdir(path):
            raise ListError(f"cannot read the list {name}: it is a folder; name its files")
        if os.path.exists(path) and not os.path.isfile(path):  # a pipe, as of `<(command)`
            with _opened(name) as source:
                return [_copy(source, folder)]
        return [name]
    if name.startswith(("http://", "https://")):
        raise ListError(f"cannot read the list {redact(name)}: save it to a file first")
    if _REMOTE_PATTERN.isdisjoint(name):
        return [name]
    files, pattern = _remote(name)
    try:
        with store_errors("it"):
            paths = sorted(files.glob(pattern))
    except OSError as error:
        raise ListError(f"cannot read the list {name}: {error.strerror or error}") from None
    if not paths:
        raise ListError(f"no list matches {name}")
    return [files.unstrip_protocol(each) for each in paths]


def _copy(source: BufferedReader, folder: Path) -> str:
    with tempfile.NamedTemporaryFile(dir=folder, delete=False) as copy:
        shutil.copyfileobj(source, copy)
    return copy.name


@contextmanager
def open_source(source: str) -> Iterator[BufferedReader]:
    """Open a list for reading; decompress it if its name ends in `.gz`.

    Raises:
        OSError: it cannot be read.
    """
    with _opened(source) as file:
        if source.endswith(".gz"):
            with gzip.GzipFile(fileobj=file) as plain:
                yield BufferedReader(plain)
        else:
            yield file


def _opened(source: str) -> BufferedReader:
    if "://" not in source:
        return Path(source).open("rb")
    files, path = _remote(source)
    try:
        return open_stored(files, path, "it")
    except FileNotFoundError:
        raise ListError(f"cannot read the list {source}: it does not exist") from None


def _remote(url: str) -> tuple["AbstractFileSystem", str]:
    try:
        return find_store(url)
    except ValueError as error:
        raise ListError(f"cannot read the list {redact(url)}: {error}") from None


def digest_of(sources: Sequence[str]) -> str:
    """Return one SHA-256 of all lists, without their names: `sha256:HEX`.

    Raises:
        ListError: a list cannot be read.
    """
    whole = hashlib.sha256()
    for source in sources:
        one = hashlib.sha256()
        try:
            with _opened(source) as file:
                while block := file.read(_BLOCK_BYTES):
                    one.update(block)
        except OSError as error:
            raise ListError(f"cannot read the list {source}: {error.strerror or error}") from error
        whole.update(one.digest())
    return f"sha256:{whole.hexdigest()}"
