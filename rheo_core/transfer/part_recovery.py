"""Recover a part file: find its intact bytes, and finish an interrupted commit.

The signed state lists ranges with their CRC-32. Recovery reads every byte back and checks it
before it trusts the range. All functions block.
"""

import logging
import os
import stat
import threading
from contextlib import suppress
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

from isal import isal_zlib

from rheo_core.domain.hash_validation import PieceHashes
from rheo_core.domain.text import printable
from rheo_core.infrastructure.files import rename_to_first_free, suffixed, unfinished
from rheo_core.infrastructure.identity import Identity, identity_at, identity_of, unlink_same
from rheo_core.infrastructure.locks import is_open_elsewhere, open_locked

from .part_marks import has_any_mark, has_mark, remove_mark
from .part_move import end_move
from .part_names import PartPaths, unverified_name
from .part_owner import PartOwner
from .part_state import Key, PartState, StateFile
from .pieces import check_pieces
from .running_hash import RunningHash
from .segments import WrittenRange

_log = logging.getLogger(__name__)
_READ_BYTES = 1 << 20


def tidy_up(paths: PartPaths, destination: Path, owner: PartOwner, key: Key) -> StateFile | None:
    """Remove leftovers of a commit, a move or `keep` that a crash or a power loss interrupted.

    The finished file may still have several names, and the state may be lost, because the first
    one is not synced. Return the remaining state.

    Raises:
        FileInUseError: another program has the file open, perhaps during its commit.
    """
    state_file = paths.find_state(key)
    if state_file is None:
        return None
    with suppress(OSError):
        if _end_keep(paths.part, destination, state_file, owner):
            unlink_same(paths.state, state_file.identity)
            return None
    if not (state_file.is_blank or owner.has_written(state_file)):
        return state_file
    with suppress(OSError):
        if state_file.state is not None and state_file.state.moved is not None:
            state_file = end_move(paths, state_file, owner, key) or state_file
        part = identity_at(paths.part)
        if part is None or _end_commit(paths.part, part, destination):
            unlink_same(paths.state, state_file.identity)
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


def _may_be_kept(state_file: StateFile, owner: PartOwner) -> bool:
    """Return True if `keep_unverified` or `set_aside` may have begun to rename the data."""
    if state_file.state is not None:
        return owner.has_written(state_file) and state_file.state.is_rejected
    return state_file.is_marked and state_file.claimed_source == owner.source


def _end_keep(path: Path, destination: Path, state_file: StateFile, owner: PartOwner) -> bool:
    """Remove the old name of data that is kept under a new one; return True if it has both."""
    if not _may_be_kept(state_file, owner):
        return False
    part, usual = identity_at(path), path.with_name(unverified_name(destination))
    if part is None or part not in map(identity_at, takewhile(os.path.lexists, suffixed(usual))):
        return False
    descriptor = open_locked(path)
    try:
        if identity_of(os.fstat(descriptor)) != part or not unlink_same(path, part):
            return False
        if state_file.state is not None:  # `set_aside` finds its own files by their marks
            remove_mark(descriptor)
        return True
    finally:
        os.close(descriptor)


class FoundPart(NamedTuple):
    """An open file with the name of a part file, and the files found next to it.

    Attributes:
        descriptor: the file, locked.
        paths: its path, and that of its state.
        source: the download that opened it.
        key: signs states and marks.
        state_file: the file with the name of its state; None if there is none.
        pieces: checksums that find good bytes if the state cannot.
    """

    descriptor: int
    paths: PartPaths
    source: str
    key: Key
    state_file: StateFile | None
    pieces: PieceHashes | None

    @property
    def has_mark(self) -> bool | None:
        """True if the file has the mark of this download; None: marks are not supported."""
        return has_mark(self.descriptor, self.source, self.key())


def is_unproven(part: FoundPart) -> bool:
    """Return True if an earlier version of this program or another key wrote the file."""
    state_file = part.state_file
    return (
        state_file is not None
        and state_file.state is None
        and state_file.is_marked
        and state_file.claimed_source == part.source
        and os.fstat(part.descriptor).st_size > 0
        and not part.has_mark
    )


def set_aside(part: FoundPart, name: str) -> None:
    """Keep untrusted bytes under the first free name of `name`, `name.1` and so on.

    Only one set of bytes is kept. With an unusable key, every interrupted run would leave one.
    """
    assert part.state_file is not None
    earlier = _find_set_aside(part.paths.part.with_name(name))
    if earlier is not None and _is_of_this_user(part.descriptor):
        os.ftruncate(part.descriptor, 0)
        fate, kept_path = "Its data is removed, because earlier data is kept", earlier
    else:
        kept_path = rename_to_first_free(part.descriptor, part.paths.part, name)
        fate = "Its data is kept"
    unlink_same(part.paths.state, part.state_file.identity)
    _log.warning(
        "%s cannot be resumed, because another version or user of this program began it. %s as %s",
        printable(part.paths.part.name),
        fate,
        printable(kept_path.name),
    )


def _find_set_aside(usual: Path) -> Path | None:
    """Return the file that an earlier run set aside; None if there is none."""
    for path in suffixed(usual):
        try:
            status = path.lstat()
        except OSError:
            return None
        is_ours = stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid()
        if is_ours and has_any_mark(path) is not False:
            return path
    return None


def _is_of_this_user(descriptor: int) -> bool:
    """Return True if this program made a file that a private state names.

    Without support for marks, the state is the only evidence.
    """
    is_own = os.fstat(descriptor).st_uid == os.geteuid()
    return is_own and has_any_mark(descriptor) is not False


def take_up(part: FoundPart, hashing: RunningHash, stop: threading.Event) -> PartState | None:
    """Return the state of the intact bytes; None if the file is foreign.

    `stop` ends the reading early. Unchecked bytes stay for the next time.
    """
    status = os.fstat(part.descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        return None
    if part.state_file is None or part.state_file.state is None:
        return _begin_afresh(part, status.st_size)
    state = part.state_file.state
    fresh = PartState(part.source) if is_begun_by_us(part) else None
    if state.is_rejected and not state.written:
        return fresh and state  # kept for the user until a new version begins
    if not can_resume(state, part.pieces):
        return fresh
    if state.promised is not None:
        hashing.use(state.promised.algorithm, instead=False)
    # They may have been truncated or changed since.
    if is_intact(part.descriptor, state, hashing, stop):
        return state
    if stop.is_set():
        return fresh and state
    if is_open_elsewhere(part.descriptor):
        return None  # the program that changed it may continue to write
    hashing.restart()
    if part.pieces is None:
        return fresh
    checked = check_pieces(part.descriptor, part.pieces, state.total, state.written, stop)
    if stop.is_set():
        return fresh and state
    return state.with_written(checked.good) if checked.good else fresh


def _begin_afresh(part: FoundPart, size: int) -> PartState | None:
    """Return an empty state for a file without a valid state; None if it is foreign."""
    state_file = part.state_file
    if state_file is None:
        return None if size else PartState(part.source)
    is_marked = part.has_mark
    if size and not (state_file.is_blank if is_marked is None else is_marked):
        return None
    os.ftruncate(part.descriptor, 0)  # first, because bytes without a state count as foreign
    unlink_same(part.paths.state, state_file.identity)
    return PartState(part.source)


def is_begun_by_us(part: FoundPart) -> bool:
    """Return True if a file next to a valid state is the one that the state describes."""
    return not os.fstat(part.descriptor).st_size or part.has_mark is not False


def can_resume(state: PartState, pieces: PieceHashes | None) -> bool:
    """Return True if another attempt may continue from the bytes in `state`."""
    return state.can_resume or (pieces is not None and bool(state.written))


def is_intact(
    descriptor: int, state: PartState, hashing: RunningHash, stop: threading.Event
) -> bool:
    """Return True if the file has every byte listed in `state`; False if stopped."""
    return all(
        crc_of(descriptor, written_range, hashing, stop) == written_range.crc
        for written_range in state.written
    )


def crc_of(
    descriptor: int, written_range: WrittenRange, hashing: RunningHash, stop: threading.Event
) -> int | None:
    """Return the CRC-32 of a range of the file; None if the file is too short, or if stopped."""
    crc, offset = 0, written_range.start
    while offset < written_range.end:
        if stop.is_set():
            return None
        data = os.pread(descriptor, min(_READ_BYTES, written_range.end - offset), offset)
        if not data:
            return None
        crc = isal_zlib.crc32(data, crc)
        hashing.feed(offset, data)
        offset += len(data)
    return crc
