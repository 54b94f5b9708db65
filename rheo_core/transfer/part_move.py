"""Move a part file to another name in two steps, so that a crash between them loses no byte.

An edit changes the name of a part file, and the session row that leads to it. They cannot change
together. So `begin_move` gives the part file the new name in addition to the old one. Each name has
a state, which contains the other name. Then the session is saved, and `end_move` removes the name
that no row leads to. After a crash, the name that is opened first stays. All functions block.
"""

import os
import stat
from collections.abc import Callable
from contextlib import suppress

from rheo_core.infrastructure.files import remove_leftover, unfinished
from rheo_core.infrastructure.folder_sync import sync_folder
from rheo_core.infrastructure.identity import (
    add_name,
    give_name,
    identity_at,
    identity_of,
    unlink_same,
)
from rheo_core.infrastructure.locks import open_locked

from .part_marks import has_mark
from .part_names import PartPaths
from .part_owner import PartOwner
from .part_state import STATE_MARK, Key, PartState, StateFile, path_of, text_of, write_state

WriteState = Callable[[PartPaths, PartState], None]
"""Write a state durably under these paths."""


def begin_move(
    descriptor: int | None, state: PartState, old: PartPaths, new: PartPaths, write: WriteState
) -> None:
    """Give our part file the name `new` too, or instead of `old` if links are not supported.

    Args:
        descriptor: the open file; None if only its state exists.
        state: its state.
        old: its present paths.
        new: paths without files.
        write: writes a state.

    Raises:
        OSError: the file cannot get the new name. It keeps the old one.
    """
    # The states come first, because bytes without a state count as foreign, and without `moved`,
    # a second name counts as a hard link of another program.
    write(old, state._replace(moved=text_of(new.part)))
    write(new, state._replace(moved=text_of(old.part)))
    if descriptor is not None:
        add_name(descriptor, old.part, new.part)
        sync_folder(new.part.parent)


def end_move(
    paths: PartPaths, state_file: StateFile, owner: PartOwner, key: Key
) -> StateFile | None:
    """End a move at `paths`: remove the other name, and return the state without it.

    Raises:
        FileInUseError: another program uses the file.
        OSError: a file cannot be removed or written.
    """
    state = state_file.state
    assert state is not None and state.moved is not None
    other = PartPaths(path_of(state.moved))
    descriptor = _open_either(paths, other)  # locked, because the move may go on in its program
    try:
        remove_leftover(unfinished(other.state), STATE_MARK)
        left = other.find_state(key)
        if left is not None and owner.has_written(left) and _leads_to(left, state_file):
            if descriptor is not None:
                _leave_one_name(descriptor, other, paths, owner, key)
            unlink_same(other.state, left.identity)
        write_state(paths.state, state._replace(moved=None), paths.part.name, key, durable=True)
    finally:
        if descriptor is not None:
            os.close(descriptor)
    return paths.find_state(key)


def _open_either(paths: PartPaths, other: PartPaths) -> int | None:
    for path in (paths.part, other.part):
        with suppress(FileNotFoundError):
            return open_locked(path)
    return None


def _leads_to(state_file: StateFile, other: StateFile) -> bool:
    """Return True if a state contains the name of `other` as the other name of its part file."""
    state = state_file.state
    if state is None or state.moved is None:
        return False
    return identity_at(PartPaths(path_of(state.moved)).state) == other.identity


def _leave_one_name(
    descriptor: int, other: PartPaths, paths: PartPaths, owner: PartOwner, key: Key
) -> None:
    """Remove the other name of an open part file, and give it this one if it is missing."""
    status = os.fstat(descriptor)
    is_marked = has_mark(descriptor, owner.source, key())
    present = identity_at(paths.part)
    if present == identity_of(status):
        unlink_same(other.part, present)
    elif present is None and stat.S_ISREG(status.st_mode) and is_marked is not False:
        give_name(descriptor, other.part, paths.part)
