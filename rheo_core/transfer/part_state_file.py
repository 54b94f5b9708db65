"""PartStateFile: the open state file, which no other program may replace."""

import os
from contextlib import suppress
from pathlib import Path

from rheo_core.infrastructure.identity import ReplacedError, identity_of, unlink_same

from .part_names import PartPaths
from .part_owner import PartOwner
from .part_state import Key, PartState, write_state


class PartStateFile:
    """Writes and removes the state of one part file. All methods block.

    Args:
        owner: the download.
        key: signs the state.
    """

    def __init__(self, owner: PartOwner, key: Key) -> None:
        self._owner = owner
        self._key = key
        self._written: os.stat_result | None = None  # of the last state file

    def write(self, paths: PartPaths, state: PartState, *, durable: bool) -> None:
        """Write or replace the state.

        Raises:
            ReplacedError: another program replaced the file.
            OSError: it cannot be written.
        """
        file = paths.find_state(self._key)
        if file is not None and not self._owner.has_written(file):
            raise ReplacedError(paths.state)
        name = paths.part.name
        self._written = write_state(paths.state, state, name, self._key, durable=durable)

    def remove(self, paths: PartPaths) -> None:
        """Remove the state, if this program wrote it."""
        path = paths.state
        with suppress(OSError):
            if self._has_written(path):  # without a descriptor, because none may be left
                path.unlink()
                return
            file = paths.find_state(self._key)
            if file is not None and self._owner.has_written(file):
                unlink_same(path, file.identity)

    def _has_written(self, path: Path) -> bool:
        """Return True if the file is the one that this object wrote, and unchanged since."""
        written = self._written
        if written is None:
            return False
        present = path.lstat()
        is_same = identity_of(present) == identity_of(written)
        return is_same and present.st_ctime_ns == written.st_ctime_ns
