"""Keep or reject complete part files whose checksum is wrong.

All functions block.
"""

import threading
from pathlib import Path

from rheo_core.infrastructure.files import rename_to_first_free

from .errors import named_errors
from .part_file import PartFile
from .part_marks import remove_mark
from .part_names import unverified_name
from .part_state import PartState
from .pieces import check_pieces


def take_out_bad_pieces(part: PartFile, stop: threading.Event) -> dict[int, str]:
    """Check the pieces of a complete file, and save a state with only the good pieces.

    Returns:
        Digests of the bad pieces, by number from 0. If `stop` ended the reading early, the result
        is meaningless and the state is unchanged.

    Raises:
        DestinationError: the state cannot be written.
        OSError: the part file cannot be read.
    """
    assert part.pieces is not None
    part.flush_buffer()
    part.file.note_check()
    state = part.state
    checked = check_pieces(part.descriptor, part.pieces, state.total, state.written, stop)
    if checked.bad and not stop.is_set():
        part.hashing.restart()
        part.state = state._replace(is_rejected=True)
        part.checkpoint(checked.good)  # before the bytes of a bad one change
    return checked.bad


def reject(part: PartFile) -> None:
    """Keep a complete file with a wrong checksum for the user, and never resume it.

    A file from several attempts is discarded. The server may have changed it without changing the
    validator, and a mixture of two versions is useless.

    Raises:
        DestinationError: the state cannot be written.
    """
    if part.was_resumed:
        part.discard()
        return
    try:
        part.flush_buffer()
    finally:
        part.buffered = None  # no other attempt may continue from it, even if the write fails
    owner = part.owner  # with total 0 it would count as complete
    fetched = owner.fetched or None
    part.state = PartState(owner.source, is_rejected=True, link=owner.link, fetched=fetched)
    part.write_state()


def keep_unverified(part: PartFile) -> Path | None:
    """Rename rejected data to the first free name of `NAME.unverified`, `….1` and so on.

    Return the new path; None if this download has no such data.

    Raises:
        DestinationError: the data cannot be renamed. It stays in its place.
    """
    if not part.open_existing():
        return None
    try:
        if not part.is_open or not part.state.is_rejected:
            return None
        with named_errors(part.path):
            name = unverified_name(part.destination)
            path = rename_to_first_free(part.descriptor, part.path, name)
            remove_mark(part.descriptor)
            part.remove_state()
            return path
    finally:
        part.close()
