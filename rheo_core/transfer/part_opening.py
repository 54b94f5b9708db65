"""Open a part file: resume an earlier attempt, avoid a foreign file, or create a new one.

All functions block.
"""

import logging
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from rheo_core.domain.exceptions import DestinationError, FileInUseError
from rheo_core.domain.hash_validation import PieceHashes
from rheo_core.domain.text import printable
from rheo_core.infrastructure.files import remove_leftover, set_mode, unfinished
from rheo_core.infrastructure.locks import is_open_elsewhere, open_locked

from .errors import named_errors
from .part_marks import put_mark
from .part_names import PartPaths, own_paths, unverified_name, usual_paths
from .part_owner import PartOwner
from .part_recovery import (
    FoundPart,
    is_begun_by_us,
    is_intact,
    is_unproven,
    set_aside,
    take_up,
    tidy_up,
)
from .part_state import STATE_MARK, Key, PartState, StateFile
from .running_hash import RunningHash

_log = logging.getLogger(__name__)


class OpenPart(NamedTuple):
    """An open part file.

    Attributes:
        paths: its path, and that of its state.
        descriptor: the file, locked; None if only its state exists.
        state: facts about its bytes that this download may rely on.
    """

    paths: PartPaths
    descriptor: int | None
    state: PartState


@dataclass(frozen=True, slots=True)
class PartOpener:
    """Opens the part file of one download.

    Attributes:
        destination: path of the finished file.
        owner: the download.
        key: signs states and marks.
        pieces: checksums that find good bytes if the state cannot.
        hashing: checksum of the file, which gets all bytes read back.
    """

    destination: Path
    owner: PartOwner
    key: Key
    pieces: PieceHashes | None
    hashing: RunningHash

    def resume_or_create(self, stop: threading.Event) -> OpenPart:
        """Resume the file of an earlier attempt, or create one, under the first possible name.

        The state lists only bytes that were read back and are intact. `stop` ends the reading
        early. Files of other programs and downloads are left alone.

        Raises:
            FileInUseError: another program uses it.
            DestinationError: it cannot be written.
        """
        for paths in _paths_to_try(self.destination, self.owner, self.key):
            with named_errors(paths.part):
                part = self._open_at(paths, stop)
            if part is not None:
                return part
        usual = usual_paths(self.destination).part
        raise DestinationError(usual, "other programs use this name and all alternatives")

    def _open_at(self, paths: PartPaths, stop: threading.Event) -> OpenPart | None:
        """Open the file at these paths; None if it or its state is foreign."""
        state_file = tidy_up(paths, self.destination, self.owner, self.key)
        if not may_be_ours(paths, state_file, self.owner):
            return None
        was_there = os.path.lexists(paths.part)
        descriptor = open_locked(paths.part, os.O_CREAT)
        state = None
        try:
            if not was_there:
                _let_owner_resume(descriptor)
            part = self._examine(paths, descriptor, state_file)
            if was_there and _is_anothers(part):
                return None
            is_unknown = is_unproven(part)
            if is_unknown:
                set_aside(part, unverified_name(self.destination))
            else:
                state = self._believe(part, stop)
        finally:
            if state is None:
                os.close(descriptor)
        if is_unknown:
            return self._open_at(paths, stop)
        return None if state is None else OpenPart(paths, descriptor, state)

    def _believe(self, part: FoundPart, stop: threading.Event) -> PartState | None:
        """Adopt a file that was found for this download; None if it is foreign."""
        recorded = part.state_file and part.state_file.state
        state = take_up(part, self.hashing, stop)
        if state is not None and not state.written and recorded and self.owner.borrows(recorded):
            return None  # bytes of another link that are not intact
        if state is not None:
            if part.state_file is not None:
                remove_leftover(unfinished(part.paths.state), STATE_MARK)
            put_mark(part.descriptor, self.owner.source, self.key())
        return state

    def _examine(
        self, paths: PartPaths, descriptor: int, state_file: StateFile | None
    ) -> FoundPart:
        """Return an open file with the state that was found next to it."""
        return FoundPart(descriptor, paths, self.owner.source, self.key, state_file, self.pieces)

    def open_existing(self) -> OpenPart | None:
        """Open the file of an earlier attempt; None if there is none, or if it is in use.

        The state is as that attempt left it, and nothing is created. The part file may be missing.
        """
        try:
            paths, state_file = self._find_own()
        except FileInUseError:
            return None
        return None if state_file is None else self._open_existing(paths, state_file)

    def check_usable(self) -> None:
        """Check that nothing keeps this program from opening files with the usual names.

        Raises:
            FileInUseError: another program uses one.
            DestinationError: this user may not open one, or may not look into the folder.
        """
        paths = usual_paths(self.destination)
        for path in (paths.part, paths.state):
            with named_errors(path):
                try:
                    os.close(open_locked(path))
                except PermissionError:
                    raise
                except OSError:  # it does not exist, or is not a file
                    continue

    def open_leftover(self) -> OpenPart | None:
        """Open the file as `open_existing` does, or the empty file that a crash left; else None."""
        try:
            paths, state_file = self._find_own()
        except FileInUseError:
            return None
        if state_file is None:
            return self._open_blank(paths)
        return self._open_existing(paths, state_file)

    def _find_own(self) -> tuple[PartPaths, StateFile | None]:
        """Return the paths with a state of this download, or the usual ones and None.

        Raises:
            FileInUseError: another program uses the file.
        """
        usual = usual_paths(self.destination)
        for paths in (usual, *own_paths(self.destination, self.owner)):
            state_file = tidy_up(paths, self.destination, self.owner, self.key)
            if self.owner.has_written(state_file):
                return paths, state_file
        return usual, None

    def _open_existing(self, paths: PartPaths, state_file: StateFile) -> OpenPart | None:
        """Open the file that a state of this download describes; None if it was replaced."""
        state = state_file.state
        assert state is not None
        try:
            descriptor = open_locked(paths.part)
        except FileNotFoundError:
            return OpenPart(paths, None, state)  # a state without a part file is not in use
        except (OSError, FileInUseError):
            return None
        part = self._examine(paths, descriptor, state_file)
        is_regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
        if is_regular and (is_begun_by_us(part) or self._has_all_bytes(part, state)):
            return OpenPart(paths, descriptor, state)
        os.close(descriptor)
        _log.warning(
            "%s was replaced by another program, so rheo leaves it alone",
            printable(paths.part.name),
        )
        return None

    def _has_all_bytes(self, part: FoundPart, state: PartState) -> bool:
        """Return True if the bytes alone prove that the state describes this file."""
        return bool(state.written) and is_intact(
            part.descriptor, state, self.hashing, threading.Event()
        )

    def _open_blank(self, paths: PartPaths) -> OpenPart | None:
        """Open the empty file without a state that a crash before the first response left."""
        if os.path.lexists(paths.state):
            return None
        with suppress(OSError, FileInUseError):
            status = paths.part.lstat()
            is_empty = stat.S_ISREG(status.st_mode) and not status.st_size
            if is_empty and not is_empty_of_another_user(status):
                descriptor = open_locked(paths.part)
                if not _is_anothers(self._examine(paths, descriptor, None)):
                    return OpenPart(paths, descriptor, PartState(self.owner.source))
                os.close(descriptor)
        return None

    def free_paths(self) -> PartPaths | None:
        """Return paths without files; None if there is none, or if a part file of ours exists."""
        for paths in _paths_to_try(self.destination, self.owner, self.key):
            if not (os.path.lexists(paths.part) or os.path.lexists(paths.state)):
                return paths
            state_file = paths.find_state(self.key)
            if self.owner.has_written(state_file):
                return None
        return None


def _paths_to_try(destination: Path, owner: PartOwner, key: Key) -> Iterator[PartPaths]:
    """Yield the paths that a part file may have, those with a state of this download first."""
    every = [usual_paths(destination), *own_paths(destination, owner)]
    ours = [owner.has_written(paths.find_state(key)) for paths in every]
    yield from (paths for paths, is_ours in zip(every, ours, strict=True) if is_ours)
    yield from (paths for paths, is_ours in zip(every, ours, strict=True) if not is_ours)


def _let_owner_resume(descriptor: int) -> None:
    """Let the user read and write a new file; otherwise no later run could resume it."""
    mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
    if mode & 0o600 != 0o600:  # an odd umask
        set_mode(descriptor, mode | 0o600)


def _is_anothers(part: FoundPart) -> bool:
    """Return True if another program is about to write an empty file."""
    is_empty = not os.fstat(part.descriptor).st_size
    return is_empty and not part.has_mark and is_open_elsewhere(part.descriptor)


def may_be_ours(paths: PartPaths, state_file: StateFile | None, owner: PartOwner) -> bool:
    """Return True if a part file may be opened at these paths, because no file there is foreign.

    Args:
        paths: those of the part file and its state.
        state_file: the file with the name of the state; None if there is none.
        owner: the download.
    """
    if state_file is not None and not _is_or_was_ours(state_file, owner):
        return False
    try:
        status = paths.part.lstat()
    except FileNotFoundError:
        if state_file is None:
            return True
        return owner.has_written(state_file) or state_file.is_blank or state_file.is_marked
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        return False
    if is_empty_of_another_user(status):
        return False
    return state_file is not None or not status.st_size


def is_empty_of_another_user(status: os.stat_result) -> bool:
    """Return True if another user owns an empty file, and would own the data written to it."""
    return not status.st_size and status.st_uid != os.geteuid()


def _is_or_was_ours(state_file: StateFile, owner: PartOwner) -> bool:
    """Return True if this program wrote the state, or may have before it was damaged."""
    if state_file.state is not None:
        return owner.has_written(state_file)
    return state_file.is_private and state_file.claimed_source in (None, owner.source)
