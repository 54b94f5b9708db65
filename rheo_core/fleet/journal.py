"""Journal and lock of an unfinished shard, so that a killed worker loses little work.

The journal lists the entries of the shard that have ended. Its first line names the run. Each
further line is an `EntryOutcome` or marks the start of a worker. If a worker is killed, the last
line may be incomplete, and the next worker removes it.
"""

import json
import os
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from rheo_core.domain.exceptions import RheoError
from rheo_core.domain.fleet import MAX_SHARD_SIZE, EntryOutcome, FleetEntry
from rheo_core.domain.units import duration_text
from rheo_core.user_files import open_regular

from .checksums import blocks_of, matches
from .file_locks import (
    MACHINE,
    HeldError,
    check_alone,
    line_of_this_process,
    open_locked,
    reader_of,
    this_machine,
)
from .output_files import journal_lines
from .targets import file_errors

IDLE_SECONDS = 60.0
"""Age of a journal after which its worker may hang, or be gone."""
BEAT_SECONDS = 15.0
"""Interval at which a worker shows that it is working, with `Journal.beat`."""


class ShardBusyError(RheoError):
    """Another worker has the journal of the shard.

    Attributes:
        is_idle: that worker has shown no activity for a minute, so it may hang.
    """

    def __init__(self, message: str, *, is_idle: bool = False) -> None:
        super().__init__(message)
        self.is_idle = is_idle


class Journal:
    """Open and locked journal of one shard.

    Attributes:
        outcomes: ended entries of earlier workers, by key.
        is_continued: files in the folder of the shard belong to this run. If False, there is no
            journal of this run, or this machine restarted. Its files may then lack data, because
            they are synced only with the facts.
    """

    def __init__(self, path: Path, run: str) -> None:
        """Open or create the journal, and lock it.

        Args:
            path: the journal; its folder exists.
            run: identifies the run and the shard.

        Raises:
            ShardBusyError: another worker has it.
            OSError: it cannot be opened or locked.
        """
        self._path = path
        self._descriptor = _open_locked(path)
        self._unwritten: list[bytes] = []
        self.outcomes: dict[str, EntryOutcome] = {}
        self.is_continued = False
        try:
            self._read(run)
            self._write(line_of_this_process())
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def note(self, outcome: EntryOutcome) -> None:
        """Record the end of an entry; `flush` writes it."""
        self._unwritten.append(outcome.to_line())

    def flush(self) -> None:
        """Write the recorded ends.

        Raises:
            OSError: the disk is full. They are kept for the next call.
        """
        self._write(b"".join(self._unwritten))
        self._unwritten.clear()

    def beat(self) -> None:
        """Show other workers that this one is working, by the time of the file."""
        with suppress(OSError):  # other workers may then believe that this one hangs
            os.utime(self._descriptor)

    def close(self) -> None:
        """Close the journal, which releases its lock."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def _read(self, run: str) -> None:
        head = json.dumps({"run": run}).encode() + b"\n"
        with reader_of(self._descriptor) as file:
            lines = journal_lines(file)
            if next(lines, b"") != head:
                check_alone(self._descriptor, self._path)
                os.ftruncate(self._descriptor, 0)
                self._write(head)
                return
            machines: dict[str, str] = {}  # ids of boots, by machine
            end = len(head)
            for line in lines:
                if not self._take(line, machines):
                    break
                end += len(line)
        os.ftruncate(self._descriptor, end)
        host, boot = this_machine()
        self.is_continued = machines.get(host, boot) == boot
        if not self.is_continued:
            os.ftruncate(self._descriptor, len(head))
            self.outcomes.clear()

    def _take(self, line: bytes, machines: dict[str, str]) -> bool:
        """Read a line; return False if it is not one of ours."""
        try:
            if line.startswith(MACHINE):
                machine = json.loads(line)
                machines[machine["host"]] = machine["boot"]
            else:
                outcome = EntryOutcome.from_line(line)
                self.outcomes[outcome.key] = outcome
        except (ValueError, TypeError, KeyError, RecursionError):
            return False
        return max(len(self.outcomes), len(machines)) <= MAX_SHARD_SIZE

    def _write(self, line: bytes) -> None:
        rest = memoryview(line)
        with file_errors(self._path):
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]


def believed(
    outcomes: Mapping[str, EntryOutcome], entries: Iterable[FleetEntry], folder: Path
) -> dict[str, EntryOutcome]:
    """Return the outcomes that the files in `folder` confirm. Blocks.

    This compares a file with its size, and with the checksums of its entry and its outcome. It
    removes a different file, because rheo downloads the entry again.

    Raises:
        OSError: a file cannot be read.
    """
    confirmed = {}
    for entry in entries:
        if (outcome := outcomes.get(entry.key)) is None:
            continue
        if outcome.file is None or _is_file_of(folder / outcome.file, outcome, entry):
            confirmed[entry.key] = outcome
        else:
            (folder / outcome.file).unlink(missing_ok=True)
    return confirmed


def _is_file_of(path: Path, outcome: EntryOutcome, entry: FleetEntry) -> bool:
    checksums = {each for each in (entry.hash, outcome.hash) if each is not None}
    try:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_size != outcome.size:
            return False
        if not checksums:
            return True
        with open_regular(path) as file:
            return matches(blocks_of(file, status.st_size), checksums)
    except (FileNotFoundError, ValueError):  # its checksum is not valid
        return False


def _open_locked(path: Path) -> int:
    """Open and lock a journal.

    Raises:
        ShardBusyError, OSError: as for `Journal`.
    """
    try:
        return open_locked(path)
    except HeldError as error:
        if error.idle < IDLE_SECONDS:
            raise ShardBusyError(str(error)) from None
        raise ShardBusyError(
            f"{error} but has shown no activity for {duration_text(error.idle)}; end that process",
            is_idle=True,
        ) from None
