"""PartFile: `NAME.part` with the bytes so far, and `NAME.part.state` that describes them.

All methods block; the engine calls them in its disk threads. `checkpoints.py` decides when a
transfer writes the state.
"""

import errno
import hashlib
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from rheo_core.domain.exceptions import (
    DestinationError,
    DiskFullError,
    FileInUseError,
    ProtocolError,
    ShortageError,
)
from rheo_core.domain.hash_validation import HashAlgorithm, HashConfig, PieceHashes
from rheo_core.infrastructure.files import folder_of, remove_leftover, unfinished
from rheo_core.infrastructure.identity import check_at, unlink_open
from rheo_core.infrastructure.user_key import user_key

from .errors import named_errors
from .part_bytes import PartBytes
from .part_move import begin_move
from .part_names import PartPaths, state_at, states_of, usual_paths
from .part_opening import OpenPart, PartOpener
from .part_owner import PartOwner
from .part_recovery import can_resume
from .part_state import STATE_MARK, Key, PartState
from .part_state_file import PartStateFile
from .running_hash import RunningHash
from .segments import WrittenRange
from .validators import Validator

_BEGINNING_BYTES = 512
"""Number of bytes that show the type of a file."""
_MAX_BUFFERED_BYTES = 256 << 10
"""Size of the largest file that waits in memory for the end of the transfer."""
_STATE_BYTES = 64 << 10
"""Bytes at the end of the file to give up if a full disk has no room for the state."""


class PartFile:
    """Partial file of a download.

    The caller ensures that only one download uses it at a time. While the file is open, a lock
    keeps other programs away.
    """

    def __init__(
        self,
        destination: Path,
        owner: PartOwner,
        *,
        durable: bool = True,
        pieces: PieceHashes | None = None,
        key: Key = user_key,
        is_read_back: bool = False,
        check_folder: Callable[[Path], None] | None = None,
    ) -> None:
        """Describe a part file without opening it.

        Args:
            destination: path of the finished file.
            owner: the download.
            durable: sync data to the disk before anything relies on it.
            pieces: checksums of the pieces, which locate bad bytes in the complete file.
            key: signs the state.
            is_read_back: `digest` reads the file instead of relying on received bytes.
            check_folder: raises DestinationError if the folder of a path must not be used. Called
                before a file is created or named, because others may change a shared folder.
        """
        self.destination = destination
        self.folder = folder_of(str(destination))  # a change of the name does not affect it
        self.owner = owner
        self._key = key
        self._check_folder = check_folder
        self.state = PartState(owner.source)
        self.durable = durable
        self.pieces = pieces
        self._file: PartBytes | None = None  # while it is open
        self._is_read_back = is_read_back
        self.hashing = RunningHash(is_read_back=is_read_back)
        self.was_resumed = False
        self.buffered: bytes | None = None  # all bytes of a small file, not on the disk yet
        self.is_begun = False  # the disk has a state of the version in `state`

    @cached_property
    def paths(self) -> PartPaths:
        """Paths of the part file and its state, computed only if they are needed."""
        return usual_paths(self.destination)

    @cached_property
    def _state_file(self) -> PartStateFile:
        return PartStateFile(self.owner, self._key)

    @property
    def path(self) -> Path:
        """Path of the part file."""
        return self.paths.part

    def digest(self, algorithm: HashAlgorithm, stop: threading.Event) -> str:
        """Return the checksum of the file, in hexadecimal.

        Raises:
            OSError: the file cannot be read.
        """
        if self.buffered is not None:
            return hashlib.new(algorithm, self.buffered, usedforsecurity=False).hexdigest()
        if self._is_read_back:
            self.file.note_check()
        return self.hashing.finish(algorithm, self.descriptor, stop)

    def found_state(self) -> PartState | None:
        """Return the signed state on the disk; see `state_at`."""
        return state_at(self.destination, self.owner, self._key)

    def expected_size(self) -> int | None:
        """Return the size of the complete file in bytes; None if no signed state has it."""
        states = states_of(self.destination, self.owner, self._key)
        return next((each.total for each in states if each.total is not None), None)

    def adopt(self, earlier: Path) -> None:
        """Move the part file of this download from another name to this one at once.

        Arguments and errors are those of `begin_move`.
        """
        if (moved := self.begin_move(earlier)) is not None:
            self.end_move(moved)

    def begin_move(self, earlier: Path) -> "PartFile | None":
        """Move the part file of this download from another name to this one; see `part_move.py`.

        If foreign files have the names here, the part file gets another name, as in `open`.

        Args:
            earlier: path of the finished file under the other name.

        Returns:
            The part file, open and so locked for other programs, for `end_move`. None if there is
            nothing to move.

        Raises:
            DestinationError: it cannot be moved. It stays in its place.
        """
        other = PartFile(earlier, self.owner, key=self._key)
        if not other.open_existing():
            return None
        try:
            paths = self._opener.free_paths()
            if paths is None:
                other.close()
                return None
            self.paths = paths
            with named_errors(self.path):
                descriptor = other.descriptor if other.is_open else None
                begin_move(descriptor, other.state, other.paths, paths, self._write_durably)
        except BaseException:
            other.end_move(other)
            raise
        return other

    def end_move(self, moved: "PartFile") -> None:
        """Leave the moved part file only its name here, after the session has that name."""
        moved.close()
        with suppress(FileInUseError):  # then the next attempt does it
            if self.open_existing():
                self.close()

    def _write_durably(self, paths: PartPaths, state: PartState) -> None:
        self._state_file.write(paths, state, durable=self.durable)

    @property
    def _opener(self) -> PartOpener:
        return PartOpener(self.destination, self.owner, self._key, self.pieces, self.hashing)

    def _take(self, part: OpenPart) -> None:
        self.paths, descriptor, self.state = part
        reach = max((each.end for each in self.state.written), default=0)
        if descriptor is not None:
            self._file = PartBytes(descriptor, self.path, self.hashing, reach)

    def open(self, stop: threading.Event | None = None) -> None:
        """Create the file, or resume the file of an earlier attempt.

        Afterwards `state` lists only bytes that were read back and are intact. `stop` ends the
        reading early. Files of other programs and downloads are left alone. In this case the part
        file gets another name.

        Raises:
            FileInUseError: another program uses the file.
            DestinationError: the file cannot be written.
            ProtocolError: nothing proves that the user's new link leads to the same file.
        """
        self.check_folder()
        with named_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
        self._take(self._opener.resume_or_create(stop or threading.Event()))
        if self.state.written and not self.owner.may_continue(self.state):
            # Either a former checksum proved them, or a program signs its link anew in each run.
            # Only the bytes of the first link are kept for it.
            if not self.owner.fetched or self.state.fetched:
                self.state = PartState(self.owner.source)
                return
            self.close()
            raise ProtocolError(
                "no ETag shows that the new link leads to the same file; the "
                f"{self.state.offset:,} bytes from the old link stay. To download the new "
                "file, add its link separately"
            )
        self.was_resumed = self.is_begun = bool(self.state.written)

    @property
    def is_borrowed(self) -> bool:
        """True if nothing proves yet that the bytes of another link belong to this download."""
        return self.owner.borrows(self.state)

    def take_over(self) -> None:
        """Take over the bytes of another link, because a response continues them."""
        if self.is_borrowed:
            self.state = self.owner.taking_over(self.state)

    def check_folder(self) -> None:
        """Check that the folder may still be used. Blocks.

        Raises:
            DestinationError: the folder must not be used.
        """
        if self._check_folder is not None:
            self._check_folder(self.destination)

    def prepare(self) -> None:
        """Check before the first request that a file can be created here.

        Raises:
            DestinationError, FileInUseError: see `open`.
        """
        if os.path.lexists(f"{self.destination}.part"):
            self.open()  # a crash left it before its first byte, or it is foreign
        elif not os.access(self.folder, os.W_OK | os.X_OK):
            with named_errors(self.path):
                Path(self.folder).mkdir(parents=True, exist_ok=True)
                if not os.access(self.folder, os.W_OK | os.X_OK):
                    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), self.folder)

    def beginning(self) -> bytes:
        """Return the first bytes of an open file."""
        return os.pread(self.descriptor, _BEGINNING_BYTES, 0) if self.is_open else b""

    def expect(
        self,
        total: int | None,
        validator: Validator,
        promised: HashConfig | None = None,
        modified: int | None = None,
        media_type: str | None = None,
    ) -> None:
        """Start over with this version, at offset 0.

        This does not block. Only `begin` changes the disk.

        Args:
            total: size of the file, bytes; None: unknown.
            validator: validator of the version.
            promised: checksum from the server.
            modified: Last-Modified, seconds since the epoch.
            media_type: media type from the server.
        """
        self.state = PartState(
            self.owner.source,
            total,
            validator,
            promised=promised,
            modified=modified,
            media_type=media_type,
            link=self.owner.link,
            fetched=self.owner.fetched or None,
        )
        if self._file is not None:
            self._file.forget()
        self.buffered = None
        self.was_resumed = False
        self.is_begun = False

    def begin(self) -> None:
        """Prepare the disk for the expected version.

        Raises:
            DiskFullError: the file does not fit on the disk.
            FileInUseError, DestinationError: see `open`.
        """
        expected = self.state.with_written(())  # buffered bytes are not on the disk yet
        if not self.is_open:
            self.open()
        if expected.total is not None:
            self.file.check_room(expected.total)
        self.state, self.was_resumed = expected, False
        self.hashing.restart()
        with named_errors(self.path):
            # The state comes first, because a part file with bytes and no state counts as foreign.
            # It must only exist together with the part file, so it is not synced.
            self._write_state(self.state, durable=False)
            self.file.truncate()
        self.is_begun = True

    def fits_in_memory(self, size: int | None) -> bool:
        """Return True if a file of `size` bytes can wait in memory for its `commit`.

        A crash loses these bytes, but the disk does not have to create two more files.
        """
        return size is not None and 0 < size <= _MAX_BUFFERED_BYTES and not self.is_open

    def buffer(self, data: bytes | memoryview) -> None:
        """Keep all bytes of the expected version in memory; `commit` writes them."""
        self.buffered = bytes(data)

    @property
    def size(self) -> int:
        """Number of bytes in memory, or else of those that the state lists."""
        return self.state.offset if self.buffered is None else len(self.buffered)

    @property
    def is_buffering(self) -> bool:
        """True if bytes are waiting in memory."""
        return self.buffered is not None

    def flush_buffer(self) -> None:
        """Write buffered bytes to the part file, and list them in `state`."""
        if self.buffered is not None:
            self.begin()
            crc = self.write(0, self.buffered)
            self.state = self.state.with_written((WrittenRange(0, len(self.buffered), crc),))
            self.buffered = None
            if self._is_read_back:  # its bytes were checked in memory, or will be
                self.file.note_check()

    def write(self, offset: int, data: bytes | memoryview, crc: int = 0) -> int:
        """Write all of `data` at `offset`. Return its CRC-32. See `PartBytes.write`."""
        return self.file.write(offset, data, crc, self.state.total)

    def checkpoint(self, written: tuple[WrittenRange, ...]) -> None:
        """Sync these bytes, then the state that lists them."""
        state = self.state.with_written(written)
        with named_errors(self.path):
            if self.durable:
                os.fdatasync(self.descriptor)
            self._write_state(state, durable=self.durable)
        self.state = state

    def write_state(self) -> None:
        """Write `state` to the disk.

        Raises:
            DestinationError: the disk reports an error, or one of the files was replaced.
        """
        with named_errors(self.path):
            self._write_state(self.state, durable=self.durable)

    def _write_state(self, state: PartState, *, durable: bool) -> None:
        if self._file is not None:
            check_at(self._file.descriptor, self.path)
        self._state_file.write(self.paths, state, durable=durable)

    def checkpoint_on_full_disk(self, written: tuple[WrittenRange, ...]) -> None:
        """Make a checkpoint. If the disk has no room for the state, give up the last bytes.

        Raises:
            DestinationError: this fails too. The last checkpoint stays valid.
        """
        try:
            self.checkpoint(written)
        except DiskFullError:
            # The second attempt may fail too. Bytes of the last checkpoint are not given up.
            saved = max((each.end for each in self.state.written), default=0)
            if max((each.end for each in written), default=0) <= saved:
                raise
            self.checkpoint(self._without_tail(written, saved))

    def _without_tail(
        self, written: tuple[WrittenRange, ...], saved: int
    ) -> tuple[WrittenRange, ...]:
        """Truncate the last bytes, but none before `saved`. Return the remaining ranges."""
        *others, last = sorted(written, key=lambda each: each.start)
        end = max(last.end - _STATE_BYTES, last.start, saved)
        rest = self.file.truncate_range(last, end)
        self.state = self.state._replace(is_rejected=False)  # not whole any more
        return (*others, rest) if rest.end > rest.start else tuple(others)

    def release(self, *, keep: bool) -> None:
        """Close the file. With `keep`, keep data that another attempt or the user can use."""
        if keep and self.buffered is not None:
            with suppress(DestinationError, ShortageError):
                self.flush_buffer()
                self.checkpoint(self.state.written)
        self.buffered = None
        if self._file is None:
            return
        try:
            is_of_use = can_resume(self.state, self.pieces) or self.state.is_rejected
            if not (keep and is_of_use and self._is_there()):
                with suppress(ShortageError):  # the next attempt removes it
                    self.discard()
        finally:
            self.close()  # always, because the lock would block that attempt

    def _is_there(self) -> bool:
        """Return True if the name still leads to the open file."""
        with suppress(OSError):
            check_at(self.descriptor, self.path)
            return True
        return False

    def discard(self) -> None:
        """Remove both files if they belong to this download and no other program uses them."""
        self.buffered = None
        if self.is_borrowed:
            self.close()
            return
        if self._file is None:
            leftover = self._opener.open_leftover()
            if leftover is None:
                return
            self._take(leftover)
        with suppress(OSError):
            if self._file is not None:
                unlink_open(self.path, self._file.descriptor)
        self.remove_state()
        remove_leftover(unfinished(self.paths.state), STATE_MARK)  # of a crash before its rename
        self.close()

    def remove_state(self) -> None:
        """Remove the state file, if this program wrote it."""
        self._state_file.remove(self.paths)

    def open_existing(self) -> bool:
        """Open the file if it belongs to this download and is not in use.

        Return True if this succeeded. `state` is as an earlier attempt left it, and nothing is read
        back. The part file may be missing even then; see `is_open`.
        """
        part = self._opener.open_existing()
        if part is not None:
            self._take(part)
        return part is not None

    def check_usable(self) -> None:
        """Check that nothing keeps this program from opening the file. See `PartOpener`."""
        self._opener.check_usable()

    def close(self) -> None:
        """Close the file and leave it unchanged."""
        if self._file is not None:
            self._file.close()
            self._file = None

    @property
    def is_resumable(self) -> bool:
        """True if the file may have bytes of several requests, guarded by a validator or pieces."""
        return self.state.validator.if_range is not None or self.pieces is not None

    @property
    def is_open(self) -> bool:
        """True if the file is open and locked."""
        return self._file is not None

    @property
    def file(self) -> PartBytes:
        """Bytes of the open file."""
        assert self._file is not None, "the part file is not open"
        return self._file

    @property
    def descriptor(self) -> int:
        """Descriptor of the open file."""
        return self.file.descriptor
