"""`NAME.part` and `NAME.part.state`: the bytes so far, and what is known of them.

Every function here blocks; the engine calls them in its disk threads.
"""

import errno
import hashlib
import os
import stat
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from isal import isal_zlib

from rheo_core.domain.exceptions import (
    DestinationError,
    DiskFullError,
    FileInUseError,
    ShortageError,
)
from rheo_core.domain.hash_validation import HashAlgorithm, HashConfig, PieceHashes
from rheo_core.domain.sizes import size_text
from rheo_core.infrastructure.files import (
    open_locked,
    unfinished,
    write_atomically,
)

from .disk_errors import named_errors
from .pieces import check_pieces
from .plan import Validator
from .reserve import Reserve
from .running_hash import RunningHash
from .segments import WrittenRange
from .state import PartState, encode_state, read_state, state_bytes

_READ_BYTES = 1 << 20
_MOST_HELD = 256 << 10
"""Bytes of a file that may wait in memory for the end of the transfer."""
_ROOM_FOR_STATE = 64 << 10
"""Bytes given up at the end of what came, where a full disk leaves no room for the state."""


class PartFile:
    """The file while it is not whole.

    Within this program the caller sees to it that it has one owner at a time; a lock keeps other
    programs away while it is open.
    """

    def __init__(
        self,
        destination: Path,
        source: str,
        *,
        durable: bool = True,
        pieces: PieceHashes | None = None,
    ) -> None:
        """Nothing is opened yet.

        Args:
            destination: where the finished file goes.
            source: tells which download it is of; see `source_of`.
            durable: whether bytes are synced to the disk before anything relies on them.
            pieces: by which whoever finishes the file will tell its good bytes from bad ones.
        """
        self.destination = destination
        self.source = source
        self.path, self.state_path = _paths(destination)
        self.state = PartState(source)
        self.durable = durable
        self.pieces = pieces
        self._descriptor: int | None = None
        self._running: RunningHash | None = None
        self.was_resumed = False
        self.held: bytes | None = None  # all there is of a small file, not on the disk yet
        self.is_begun = False  # the disk knows of the version that `state` tells of
        self._reserve: Reserve | None = None  # for bodies of unknown length

    def hash_with(self, algorithm: HashAlgorithm, *, instead: bool = True) -> None:
        """Take a checksum of the bytes while they come, for `digest`.

        One of another algorithm that is being taken already goes, or without `instead` stays.
        """
        if self._running is None or (instead and self._running.algorithm is not algorithm):
            self._running = RunningHash(algorithm)

    def digest(self, algorithm: HashAlgorithm, stop: threading.Event) -> str:
        """The checksum of the file, in hexadecimal; what came in order is not read again.

        Raises:
            OSError: it cannot be read.
        """
        if self.held is not None:
            return hashlib.new(algorithm, self.held, usedforsecurity=False).hexdigest()
        self.hash_with(algorithm)
        assert self._running is not None
        return self._running.finish(self.descriptor, stop)

    def restart_hash(self) -> None:
        """Bytes that were written have changed."""
        if self._running is not None:
            self._running.restart()

    def owner(self) -> str | None:
        """Which download began what is there; None where no state tells."""
        state = read_state(self.state_path)
        return state.source if state is not None else None

    def adopt(self, earlier: Path) -> None:
        """Take over what this download began under another name."""
        other = PartFile(earlier, self.source)
        if os.path.lexists(self.path) or not other.take_alone():
            return
        try:
            with named_errors(self.path):
                # Bytes without a state are somebody else's: it is there first and goes last.
                write_atomically(self.state_path, other.state_path.read_bytes(), durable=False)
                with suppress(FileNotFoundError):
                    other.path.replace(self.path)
                other.state_path.unlink()
        finally:
            other.close()

    def open(self, stop: threading.Event | None = None) -> None:
        """Create it, or take up what an earlier attempt left.

        `state` tells afterwards what can be relied on, if anything: every byte that it names
        has been read back and is as it was written. `stop` ends the reading early.

        Raises:
            FileInUseError: another program works on it.
            DestinationError: it cannot be written, or is no regular file of this download.
        """
        with named_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._drop_committed()
            self._descriptor = open_locked(self.path, os.O_CREAT)
            try:
                self.state = self._take_up(stop or threading.Event())
                self.was_resumed = self.is_begun = bool(self.state.written)
            except BaseException:
                self.close()
                raise

    def prepare(self) -> None:
        """Where nothing is known to be: see that a file can be there, before anybody asks for it.

        Raises:
            DestinationError, FileInUseError: as `open`.
        """
        folder = self.path.parent
        with named_errors(self.path):
            if os.path.lexists(self.path):
                self.open()  # left by a crash before its first byte, or somebody else's
            elif not os.access(folder, os.W_OK | os.X_OK):
                folder.mkdir(parents=True, exist_ok=True)
                if not os.access(folder, os.W_OK | os.X_OK):
                    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))

    def _drop_committed(self) -> None:
        """Tidy up after a crash in the middle of the commit, or after the power went just then.

        The finished file may still have both names; and the state may be lost, because nothing
        waits for the first one to reach the disk.
        """
        data = state_bytes(self.state_path)
        if data is None or (data.strip(b"\0") and self.owner() != self.source):
            return
        with suppress(OSError):
            if os.path.lexists(self.path):
                if not self.path.samefile(self.destination):
                    return
                self.path.unlink()
            self.state_path.unlink()

    def _take_up(self, stop: threading.Event) -> PartState:
        """What of the bytes found can be relied on."""
        found = os.fstat(self.descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise DestinationError(self.path, "not a regular file")
        if found.st_nlink > 1:
            raise DestinationError(self.path, "is another name of a file")
        if found.st_size and not os.path.lexists(self.state_path):
            raise DestinationError(self.path, "exists and was not begun by this program")
        state = read_state(self.state_path)
        if state is None or state.source != self.source:
            return PartState(self.source)
        with suppress(FileNotFoundError):  # what a kill in the middle of a checkpoint leaves
            unfinished(self.state_path).unlink()
        if state.is_rejected and not state.written:
            return state  # kept for the user until a new version of it begins
        if not self._can_resume(state):
            return PartState(self.source)
        if self._running is None and state.promised is not None:
            self.hash_with(state.promised.algorithm)
        # Nobody may have cut or changed them since.
        intact = all(self._crc_of(there, stop) == there.crc for there in state.written)
        if intact or stop.is_set():  # stopped: what nobody has checked stays for the next time
            return state
        self.restart_hash()
        if self.pieces is None:
            return PartState(self.source)
        checked = check_pieces(self.descriptor, self.pieces, state.total, state.written, stop)
        return state if stop.is_set() else replace(state, written=checked.good)

    def _can_resume(self, state: PartState) -> bool:
        """Whether another attempt may go on from what `state` tells of."""
        return state.can_resume or (self.pieces is not None and bool(state.written))

    def _crc_of(self, there: WrittenRange, stop: threading.Event) -> int | None:
        """CRC-32 of what the file holds there; None where it is too short, or when stopped."""
        crc, offset = 0, there.start
        while offset < there.end:
            if stop.is_set():
                return None
            data = os.pread(self.descriptor, min(_READ_BYTES, there.end - offset), offset)
            if not data:
                return None
            crc = isal_zlib.crc32(data, crc)
            self._hash(offset, data)
            offset += len(data)
        return crc

    def _hash(self, offset: int, data: bytes | memoryview) -> None:
        if self._running is not None:
            self._running.feed(offset, data)

    def expect(
        self,
        total: int | None,
        validator: Validator,
        promised: HashConfig | None = None,
        modified: int | None = None,
        media_type: str | None = None,
    ) -> None:
        """Start over: the bytes to come are those of this version from offset 0.

        The disk does not know of it before `begin`; nothing blocks here. `promised` is the
        checksum that the server gives for it, `modified` the time (seconds since the epoch), and
        `media_type` what it says the file is.
        """
        self.state = PartState(
            self.source,
            total,
            validator,
            promised=promised,
            modified=modified,
            media_type=media_type,
        )
        self.held = None
        self.was_resumed = False
        self.is_begun = False
        self._reserve = None

    def begin(self) -> None:
        """Make the disk ready for the version that is expected.

        Raises:
            DiskFullError: the file does not fit on the disk.
            FileInUseError, DestinationError: as `open`.
        """
        expected = replace(self.state, written=())  # what is held is not on the disk yet
        if not self.is_open:
            self.open()
        if expected.total is not None:
            self.check_room(expected.total)
        self.state, self.was_resumed = expected, False
        self.restart_hash()
        with named_errors(self.path):
            # The state comes first: a part file with bytes and no state is somebody else's. It
            # only has to be there while the part file is, so nothing is synced.
            write_atomically(self.state_path, encode_state(self.state), durable=False)
            os.ftruncate(self.descriptor, 0)
        self.is_begun = True

    def can_hold(self, size: int | None) -> bool:
        """Whether a file of `size` bytes can wait in memory for its `commit`.

        It costs a crash so many bytes, and spares the disk two files and their names.
        """
        return size is not None and 0 < size <= _MOST_HELD and not self.is_open

    def hold(self, data: bytes | memoryview) -> None:
        """Take all bytes of the expected version; they go to the disk with `commit`."""
        self.held = bytes(data)

    @property
    def is_holding(self) -> bool:
        """Whether bytes wait in memory."""
        return self.held is not None

    def write_held(self) -> None:
        """Put what waits in memory into the part file after all, and into `state`."""
        if self.held is not None:
            self.begin()
            crc = self.write(0, self.held)
            self.state = replace(self.state, written=(WrittenRange(0, len(self.held), crc),))
            self.held = None

    def check_room(self, size: int) -> None:
        """See that the rest of a file of `size` bytes fits on the disk.

        Raises:
            DiskFullError: it does not.
            DestinationError: it is larger than the whole disk, so waiting is useless.
        """
        with named_errors(self.path):
            disk = os.fstatvfs(self.descriptor)
            written = os.fstat(self.descriptor).st_blocks * 512
            missing = size - written - disk.f_bavail * disk.f_frsize
        if missing <= 0 or not disk.f_blocks:  # some file systems do not know their size
            return
        if size > (whole := disk.f_blocks * disk.f_frsize):
            facts = f"the file ({size_text(size)}) is larger than the disk ({size_text(whole)})"
            raise DestinationError(self.path, f"disk full by {missing:,} bytes: {facts}")
        raise DiskFullError(self.path, missing)

    def _keep_reserve(self, count: int) -> None:
        """Check the reserve before `count` more bytes of a body of unknown length are written."""
        with named_errors(self.path):
            if self._reserve is None:
                self._reserve = Reserve(self.descriptor)
            is_allowed = self._reserve.allows(count, self.descriptor)
        if not is_allowed:
            raise DiskFullError(self.path, reserve=self._reserve.bytes)

    def write(self, offset: int, data: bytes | memoryview, crc: int = 0) -> int:
        """Write all of `data` at `offset`; return its CRC-32, continued from `crc`.

        Raises:
            DiskFullError: the disk is full, or only the reserve is left.
            DestinationError: it cannot be written.
        """
        if self.state.total is None:
            self._keep_reserve(len(data))
        with named_errors(self.path):
            view = memoryview(data)
            while view:
                written = os.pwrite(self.descriptor, view, offset)
                self._hash(offset, view[:written])
                view = view[written:]
                offset += written
        return isal_zlib.crc32(data, crc)

    def checkpoint(self, written: tuple[WrittenRange, ...]) -> None:
        """Make these bytes durable, then the state that says so."""
        state = replace(self.state, written=written)
        with named_errors(self.path):
            if self.durable:
                os.fdatasync(self.descriptor)
            write_atomically(self.state_path, encode_state(state), durable=self.durable)
        self.state = state

    def checkpoint_on_full_disk(self, written: tuple[WrittenRange, ...]) -> None:
        """As `checkpoint`; where there is no room for the state, the last bytes make it.

        Raises:
            DestinationError: it is not to be helped; the last checkpoint stays true.
        """
        try:
            self.checkpoint(written)
        except DiskFullError:
            if not written:
                raise
            self.checkpoint(self._without_tail(written))

    def _without_tail(self, written: tuple[WrittenRange, ...]) -> tuple[WrittenRange, ...]:
        """Give up the last bytes that came, and their blocks with them."""
        *others, last = sorted(written, key=lambda there: there.start)
        rest = replace(last, end=max(last.end - _ROOM_FOR_STATE, last.start))
        with named_errors(self.path):
            os.ftruncate(self.descriptor, rest.end)
            self.state = replace(self.state, is_rejected=False)  # not whole any more
            self.restart_hash()
            crc = self._crc_of(rest, threading.Event())
        return (*others, replace(rest, crc=crc or 0)) if rest.end > rest.start else tuple(others)

    def release(self, *, keep: bool) -> None:
        """Let go of the file; what another attempt or the user can use stays if `keep`."""
        if keep and self.held is not None:
            with suppress(DestinationError, ShortageError):
                self.write_held()
                self.checkpoint(self.state.written)
        self.held = None
        if self._descriptor is None:
            return
        try:
            if not keep or not (self._can_resume(self.state) or self.state.is_rejected):
                with suppress(ShortageError):  # the next attempt tidies up
                    self.discard()
        finally:
            self.close()  # whatever happens: the lock would keep that attempt out

    def discard(self) -> None:
        """Remove both files, if they are of this download and no other program works on them."""
        self.held = None
        self._drop_committed()
        if self._descriptor is None and not self.take_alone() and not self._is_blank():
            return
        for path in (self.path, self.state_path):
            with suppress(OSError):
                path.unlink()
        self.close()

    def take_alone(self) -> bool:
        """Whether what is there is of this download alone; it is open then, where it exists."""
        if self.owner() != self.source:
            return False
        try:
            self._descriptor = open_locked(self.path)
        except FileNotFoundError:
            return True  # nobody works on a state without a part file
        except (OSError, FileInUseError):
            return False
        return True

    def _is_blank(self) -> bool:
        """Whether it is as a crash leaves it before the first reply: empty, and without a state."""
        if os.path.lexists(self.state_path):
            return False
        with suppress(OSError, FileInUseError):
            found = self.path.lstat()
            if stat.S_ISREG(found.st_mode) and not found.st_size:
                self._descriptor = open_locked(self.path)
                return True
        return False

    def close(self) -> None:
        """Let go of the file and leave it as it is."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    @property
    def is_guarded(self) -> bool:
        """Whether bytes of several requests may meet in it: a validator or pieces guard it."""
        return self.state.validator.if_range is not None or self.pieces is not None

    @property
    def is_open(self) -> bool:
        """Whether it is, and locked."""
        return self._descriptor is not None

    @property
    def descriptor(self) -> int:
        """Of the open file."""
        assert self._descriptor is not None, "the part file is not open"
        return self._descriptor


def _paths(destination: Path) -> tuple[Path, Path]:
    """The part file and the state file of a destination."""
    part = destination.with_name(f"{destination.name}.part")
    return part, part.with_name(f"{part.name}.state")
