"""Names that a part file may have, in the order in which they are tried, and its mark.

A part file is called `NAME.part`. If another program or download has a file of that name, it gets
one of four names made from its source, so that the next run finds it. A mark is an extended
attribute that only programs of this user can make. Some file systems do not support marks.
"""

import errno
import hmac
import os
import stat
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from itertools import repeat
from pathlib import Path
from typing import NamedTuple

from rheo_core.domain.filenames import MAX_NAME_BYTES, RESERVED_SUFFIX_BYTES, shorten_filename
from rheo_core.infrastructure.files import unfinished
from rheo_core.infrastructure.identity import Identity, identity_at, identity_of, unlink_same
from rheo_core.infrastructure.locks import open_locked

from .part_state import Key, StateFile, find_state

_ATTRIBUTE = "user.rheo.part"
_MARK_BYTES = 16
"""Part of an HMAC; this length fits into the inode of ext4 and needs no extra block."""
_TAG_LETTERS = 8
_TAG_OFFSETS = range(0, 4 * _TAG_LETTERS, _TAG_LETTERS)
"""Offsets in the source of a download of the tags in its own names."""
_MAX_STEM_BYTES = MAX_NAME_BYTES - RESERVED_SUFFIX_BYTES - _TAG_LETTERS - 1


class Place(NamedTuple):
    """Names of a part file and its state."""

    part: Path

    @property
    def state(self) -> Path:
        """Name of the state."""
        return self.part.with_name(f"{self.part.name}.state")

    def find_state(self, key: Key) -> StateFile | None:
        """Read the file with the name of the state; None if there is none."""
        return find_state(self.state, self.part.name, key)


def usual_place(destination: Path) -> Place:
    """Return `NAME.part` and `NAME.part.state`."""
    return _place(destination, f"{destination.name}.part")


def own_places(destination: Path, source: str) -> list[Place]:
    """Return the names for this download alone, in the order in which they are tried."""
    name = shorten_filename(destination.name, _MAX_STEM_BYTES)
    return [_place(destination, f"{name}.{tag}.part") for tag in _tags(source)]


def _tags(source: str) -> list[str]:
    return [source[at : at + _TAG_LETTERS] for at in _TAG_OFFSETS]


def owner_of(destination: Path, source: str, key: Key) -> str | None:
    """Return the source of the download that began the part file, `source` if one of several did.

    None if no valid state exists. Every download calls this first and mostly finds nothing.
    """
    owner = None
    path = str(destination)
    if os.access(f"{path}.part.state", os.F_OK):
        state_file = usual_place(destination).find_state(key)
        state = None if state_file is None else state_file.state
        owner = None if state is None else state.source
    if owner != source and _has_own_state(destination, source):
        states = [place.find_state(key) for place in own_places(destination, source)]
        if any(each is not None and each.proves(source) for each in states):
            return source
    return owner


def _has_own_state(destination: Path, source: str) -> bool:
    name, path = destination.name, str(destination)
    if name.isascii() and len(name) <= _MAX_STEM_BYTES:  # most are: this saves creating paths
        states: list[str | Path] = [f"{path}.{tag}.part.state" for tag in _tags(source)]
    else:
        states = [place.state for place in own_places(destination, source)]
    return any(map(os.access, states, repeat(os.F_OK)))


def places(destination: Path, source: str, key: Key) -> Iterator[Place]:
    """Yield possible places of a part file, those with a state of this download first."""
    every = [usual_place(destination), *own_places(destination, source)]
    states = [place.find_state(key) for place in every]
    ours = [each is not None and each.proves(source) for each in states]
    yield from (place for place, is_ours in zip(every, ours, strict=True) if is_ours)
    yield from (place for place, is_ours in zip(every, ours, strict=True) if not is_ours)


def unverified_name(destination: Path) -> str:
    """Return the name for data that is kept although it failed its check."""
    return f"{destination.name}.unverified"


class PartNames:
    """Names of the part files in folders, each of which is listed once. This blocks."""

    def __init__(self) -> None:
        self._stems: dict[Path, set[str] | None] = {}

    def may_include(self, folder: Path, name: str) -> bool:
        """Return True if a part file or a state of the file `name` may exist in `folder`."""
        if folder not in self._stems:
            self._stems[folder] = _stems_of_parts(folder)
        stems = self._stems[folder]
        if not stems:
            return stems is None
        shortened = shorten_filename(name, _MAX_STEM_BYTES)
        return not stems.isdisjoint((_folded(name), _folded(shortened)))


def _stems_of_parts(folder: Path) -> set[str] | None:
    """Return the beginnings of the names of all part files in a folder; None: unknown."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries]
    except (FileNotFoundError, NotADirectoryError):
        return set()
    except OSError:
        return None
    parts = [
        name.removesuffix(".state").removesuffix(".part") for name in names if is_part_name(name)
    ]
    return {stem for name in parts for stem in (_folded(name), _folded(name.rpartition(".")[0]))}


def is_part_name(name: str) -> bool:
    """Return True if a file of this name may be a part file or a state."""
    return name.endswith((".part", ".part.state"))


def _folded(name: str) -> str:
    """Return a name in a form in which all spellings that a file system takes for one agree."""
    return unicodedata.normalize("NFKC", name).casefold()


def may_be_ours(place: Place, state_file: StateFile | None, source: str) -> bool:
    """Return True if a part file may be opened in a place, because no file there is foreign.

    Args:
        place: names of the part file and its state.
        state_file: the file with the name of the state; None if there is none.
        source: the download.
    """
    if state_file is not None and not _is_or_was_ours(state_file, source):
        return False
    try:
        status = place.part.lstat()
    except FileNotFoundError:
        if state_file is None:
            return True
        return state_file.proves(source) or state_file.is_blank or state_file.is_marked
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        return False
    if is_empty_of_another_user(status):
        return False
    return state_file is not None or not status.st_size


def is_empty_of_another_user(status: os.stat_result) -> bool:
    """Return True if another user owns an empty file, and so would own data written to it."""
    return not status.st_size and status.st_uid != os.geteuid()


def _is_or_was_ours(state_file: StateFile, source: str) -> bool:
    """Return True if this program wrote the state, or may have before it was damaged."""
    may_be_damaged = state_file.is_private and state_file.claimed_source in (None, source)
    return state_file.proves(source) or may_be_damaged


def tidy_up(place: Place, destination: Path, source: str, key: Key) -> StateFile | None:
    """Remove leftovers of a commit that a crash or a loss of power interrupted.

    The finished file may still have several names, and the state may be lost, because the first
    one is not synced. Return the remaining state.

    Raises:
        FileInUseError: another program has the file open, perhaps during its commit.
    """
    state_file = place.find_state(key)
    if state_file is None or not (state_file.is_blank or state_file.proves(source)):
        return state_file
    with suppress(OSError):
        part = identity_at(place.part)
        if part is None or _end_commit(place.part, part, destination):
            unlink_same(place.state, state_file.identity)
            return None
    return state_file


def _end_commit(path: Path, part: Identity, destination: Path) -> bool:
    """Remove extra names of a finished file; return True if it is finished."""
    spare = unfinished(path)
    if part not in (identity_at(spare), identity_at(destination)):
        return False
    descriptor = open_locked(path)
    try:
        part = identity_of(os.fstat(descriptor))
        unlink_same(spare, part)
        return part == identity_at(destination) and unlink_same(path, part)
    finally:
        os.close(descriptor)


def _place(destination: Path, name: str) -> Place:
    return Place(destination.with_name(name))


def put_mark(descriptor: int, source: str, key: bytes) -> None:
    """Mark an open file as a part file of this download, if the file system supports it."""
    if hasattr(os, "setxattr"):  # macOS has none in Python
        with suppress(OSError):
            os.setxattr(descriptor, _ATTRIBUTE, _mark(source, key))


def has_mark(descriptor: int, source: str, key: bytes) -> bool | None:
    """Return True if an open file is a part file of this download.

    None: the file system does not support marks, so the state decides.
    """
    mark = _read_mark(descriptor)
    return None if mark is None else hmac.compare_digest(mark, _mark(source, key))


def has_any_mark(file: int | Path) -> bool | None:
    """Return True if a file has a mark of any key; None: marks are not supported."""
    mark = _read_mark(file)
    return None if mark is None else bool(mark)


def _read_mark(file: int | Path) -> bytes | None:
    """Return the mark of a file, empty if it has none; None: marks are not supported."""
    if not hasattr(os, "getxattr"):
        return None
    try:
        return os.getxattr(file, _ATTRIBUTE)
    except OSError as error:
        return b"" if error.errno == errno.ENODATA else None


def take_mark(descriptor: int) -> None:
    """Remove the mark, because the file is whole."""
    if hasattr(os, "removexattr"):
        with suppress(OSError):
            os.removexattr(descriptor, _ATTRIBUTE)


def _mark(source: str, key: bytes) -> bytes:
    return hmac.digest(key, b"part file of " + source.encode(), "sha256")[:_MARK_BYTES]
