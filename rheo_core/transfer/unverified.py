"""Part files that are whole and not what was promised: for the user alone, or of use in pieces.

All of it blocks.
"""

import threading
from dataclasses import replace
from pathlib import Path

from rheo_core.infrastructure.files import rename_to_first_free

from .errors import named_errors
from .part_file import PartFile, unverified_name
from .part_place import take_mark
from .pieces import check_pieces
from .state import PartState


def take_out_bad_pieces(part: PartFile, stop: threading.Event) -> dict[int, str]:
    """Read the pieces of a whole file; its state, on the disk too, tells of the good ones only.

    Returns:
        The digests that the bad ones have, by their numbers from 0; where `stop` ended the
        reading early, it means nothing, and the state is as before.

    Raises:
        DestinationError: the disk refuses.
        OSError: the part file cannot be read.
    """
    assert part.pieces is not None
    part.flush_buffer()
    part.note_check()
    state = part.state
    checked = check_pieces(part.descriptor, part.pieces, state.total, state.written, stop)
    if checked.bad and not stop.is_set():
        part.restart_hash()
        part.state = replace(state, is_rejected=True)
        part.checkpoint(checked.good)  # before the bytes of a bad one change
    return checked.bad


def reject(part: PartFile) -> None:
    """The file is whole and not what its checksum promised: resume nothing of it.

    The user may want it all the same. Not so where it came over several attempts: the server
    may have changed it meanwhile under the same validator, and a splice is of no use.

    Raises:
        DestinationError: the disk refuses.
    """
    if part.was_resumed:
        part.discard()
        return
    try:
        part.flush_buffer()
    finally:
        part.buffered = None  # where it cannot be written, no other attempt may go on from it
    part.state = PartState(part.source, is_rejected=True)  # total 0 would pass for whole
    part.write_state()


def keep_unverified(part: PartFile) -> Path | None:
    """Give rejected data the first free of the names `NAME.unverified`, `….1` and so on.

    None where there is none of this download.

    Raises:
        DestinationError: the name cannot be given; the data is where it was.
    """
    if not part.take_alone():
        return None
    try:
        if not part.is_open or not part.state.is_rejected:
            return None
        with named_errors(part.path):
            name = unverified_name(part.destination)
            path = rename_to_first_free(part.descriptor, part.path, name)
            take_mark(part.descriptor)
            part.remove_state()
            return path
    finally:
        part.close()
