"""`NAME.part` and `NAME.part.state`: the bytes so far, and what is known of them.

Every function here blocks; the engine calls them in its disk threads.
"""

import errno
import hashlib
import logging
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
    FileValidationError,
    ShortageError,
)
from rheo_core.domain.hash_validation import HashAlgorithm, HashConfig, PieceHashes
from rheo_core.domain.sizes import size_text
from rheo_core.domain.text import printable
from rheo_core.infrastructure.files import (
    remove_leftover,
    unfinished,
    write_atomically,
)
from rheo_core.infrastructure.identity import (
    ReplacedError,
    check_at,
    give_name,
    unlink_open,
    unlink_same,
)
from rheo_core.infrastructure.locks import is_open_elsewhere, open_locked
from rheo_core.infrastructure.user_key import user_key

from .errors import named_errors
from .part_place import (
    Place,
    is_empty_of_another_user,
    may_be_ours,
    own_places,
    owner_of,
    places,
    put_mark,
    tidy_up,
    usual_place,
)
from .part_recovery import (
    FoundPart,
    can_resume,
    crc_of,
    is_begun_by_us,
    is_intact,
    is_unproven,
    set_aside,
    take_up,
)
from .reserve import Reserve
from .response_head import Validator
from .running_hash import RunningHash
from .segments import WrittenRange
from .state import STATE_MARK, Key, PartState, StateFile, encode_state

_log = logging.getLogger(__name__)
_READ_BYTES = 1 << 20
_BEGINNING_BYTES = 512
"""Enough to see which kind of file it is."""
_MAX_BUFFERED_BYTES = 256 << 10
"""Bytes of a file that may wait in memory for the end of the transfer."""
_STATE_BYTES = 64 << 10
"""Bytes given up at the end of what came when a full disk leaves no room for the state."""


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
        key: Key = user_key,
        is_read_back: bool = False,
    ) -> None:
        """Open nothing yet.

        Args:
            destination: where the finished file goes.
            source: the download that it is of; see `source_of`.
            durable: whether bytes are synced to the disk before anything relies on them.
            pieces: by which whoever finishes the file will tell its good bytes from bad ones.
            key: signs the state.
            is_read_back: whether `digest` reads the file instead of relying on what came.
        """
        self.destination = destination
        self.source = source
        self._key = key
        self._go_to(usual_place(destination))
        self.state = PartState(source)
        self.durable = durable
        self.pieces = pieces
        self._descriptor: int | None = None
        self._running: RunningHash | None = None
        self._is_read_back = is_read_back
        self._checked: tuple[int, int] | None = None  # size and time as its bytes were checked
        self.was_resumed = False
        self.buffered: bytes | None = None  # all there is of a small file, not on the disk yet
        self.is_begun = False  # the disk knows of the version that `state` tells of
        self._reserve: Reserve | None = None  # for bodies of unknown length

    def _go_to(self, place: Place) -> None:
        self._place = place
        self.path, self.state_path = place

    def hash_with(self, algorithm: HashAlgorithm, *, instead: bool = True) -> None:
        """Take a checksum of the bytes while they come, for `digest`.

        One of another algorithm that is being taken already goes, or without `instead` stays.
        """
        if self._is_read_back:
            return
        if self._running is None or (instead and self._running.algorithm is not algorithm):
            self._running = RunningHash(algorithm)

    def hear_promise(self, promised: HashConfig | None, validator: Validator) -> None:
        """Take the checksum of the whole that a 206 gives, unless an earlier reply gave one.

        Args:
            promised: the checksum, if the reply has one (RFC 9530 3.1: not that of its range).
            validator: of the reply. A 206 of another version promises nothing of this file.
        """
        if promised is None or self.state.promised is not None:
            return
        known = self.state.validator
        if known.if_range is not None and known.may_be(validator):
            self.state = replace(self.state, promised=promised)

    def digest(self, algorithm: HashAlgorithm, stop: threading.Event) -> str:
        """Return the checksum of the file, in hexadecimal.

        Raises:
            OSError: it cannot be read.
        """
        if self.buffered is not None:
            return hashlib.new(algorithm, self.buffered, usedforsecurity=False).hexdigest()
        if self._is_read_back:
            self.note_check()
            return RunningHash(algorithm).finish(self.descriptor, stop)
        self.hash_with(algorithm)
        assert self._running is not None
        return self._running.finish(self.descriptor, stop)

    def restart_hash(self) -> None:
        """Begin the checksum again: bytes that were written have changed."""
        if self._running is not None:
            self._running.restart()

    def note_check(self) -> None:
        """Note how the file looks as its bytes are about to be read and checked."""
        self._checked = self._look()

    def note_commit(self) -> None:
        """Note that the file looks otherwise because the commit changed its length and time."""
        if self._checked is not None:
            self.note_check()

    def check_unchanged(self) -> None:
        """See that nobody wrote to the file since its bytes were checked, if they were.

        Raises:
            FileValidationError: somebody did.
        """
        if self._checked is not None and self._checked != self._look():
            name = printable(self.destination.name)
            raise FileValidationError(f"another program changed {name} after its check")

    def _look(self) -> tuple[int, int]:
        status = os.fstat(self.descriptor)
        return status.st_size, status.st_mtime_ns

    def owner(self) -> str | None:
        """Return the download that began what is there; None if no state proves it."""
        return owner_of(self._place, self.destination, self.source, self._key)

    def adopt(self, earlier: Path) -> None:
        """Take over what this download began under another name."""
        other = PartFile(earlier, self.source, key=self._key)
        is_taken = os.path.lexists(self.path) or os.path.lexists(self.state_path)
        if is_taken or not other.take_alone():
            return
        try:
            with named_errors(self.path):
                # Bytes without a state are somebody else's: it is there first and goes last.
                self._write_state(other.state, durable=False)
                if other.is_open:
                    give_name(other.descriptor, other.path, self.path)
                other.remove_state()
        finally:
            other.close()

    def open(self, stop: threading.Event | None = None) -> None:
        """Create it, or take up what an earlier attempt left.

        `state` tells afterwards what can be relied on, if anything: every byte that it names
        has been read back and is as it was written. `stop` ends the reading early. Files of
        other programs and other downloads are left alone: then it has another name.

        Raises:
            FileInUseError: another program works on it.
            DestinationError: it cannot be written.
        """
        with named_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
        for place in places(self.destination, self.source, self._key):
            self._go_to(place)
            with named_errors(self.path):
                if self._open_here(stop or threading.Event()):
                    return
        usual = usual_place(self.destination).part
        raise DestinationError(
            usual, "other programs have files of this name and of the four names tried instead"
        )

    def _open_here(self, stop: threading.Event) -> bool:
        """Open the file if nothing under its name or that of its state is somebody else's."""
        state_file = tidy_up(self._place, self.destination, self.source, self._key)
        if not may_be_ours(self._place, state_file, self.source):
            return False
        was_there = os.path.lexists(self.path)
        self._descriptor = open_locked(self.path, os.O_CREAT)
        try:
            part = self._found_with(state_file)
            if was_there and self._is_anothers(part):
                self.close()
                return False
            if is_unproven(part):
                set_aside(part, unverified_name(self.destination))
                self.close()
                return self._open_here(stop)
            state = take_up(part, self, stop)
            if state is None:
                self.close()
                return False
            if state_file is not None:
                remove_leftover(unfinished(self.state_path), STATE_MARK)
            put_mark(self.descriptor, self.source, self._key())
        except BaseException:
            self.close()
            raise
        self.state = state
        self.was_resumed = self.is_begun = bool(state.written)
        return True

    @staticmethod
    def _is_anothers(part: FoundPart) -> bool:
        """Tell whether an empty file is one that another program is about to write."""
        is_empty = not os.fstat(part.descriptor).st_size
        return is_empty and not part.has_mark and is_open_elsewhere(part.descriptor)

    def _found_with(self, state_file: StateFile | None) -> FoundPart:
        """The open file, with the state that was found beside it."""
        return FoundPart(
            self.descriptor, self._place, self.source, self._key, state_file, self.pieces
        )

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

    def feed_hash(self, offset: int, data: bytes | memoryview) -> None:
        """Take note of bytes that are in the file now."""
        if self._running is not None:
            self._running.feed(offset, data)

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
        self._checked = None
        self.buffered = None
        self.was_resumed = False
        self.is_begun = False
        self._reserve = None

    def begin(self) -> None:
        """Make the disk ready for the version that is expected.

        Raises:
            DiskFullError: the file does not fit on the disk.
            FileInUseError, DestinationError: as `open`.
        """
        expected = replace(self.state, written=())  # what is buffered is not on the disk yet
        if not self.is_open:
            self.open()
        if expected.total is not None:
            self.check_room(expected.total)
        self.state, self.was_resumed = expected, False
        self.restart_hash()
        with named_errors(self.path):
            # The state comes first: a part file with bytes and no state is somebody else's. It
            # only has to be there while the part file is, so nothing is synced.
            self._write_state(self.state, durable=False)
            os.ftruncate(self.descriptor, 0)
        self.is_begun = True

    def fits_in_memory(self, size: int | None) -> bool:
        """Whether a file of `size` bytes can wait in memory for its `commit`.

        It costs a crash so many bytes, and spares the disk two files and their names.
        """
        return size is not None and 0 < size <= _MAX_BUFFERED_BYTES and not self.is_open

    def buffer(self, data: bytes | memoryview) -> None:
        """Take all bytes of the expected version; they go to the disk with `commit`."""
        self.buffered = bytes(data)

    @property
    def is_buffering(self) -> bool:
        """Whether bytes wait in memory."""
        return self.buffered is not None

    def flush_buffer(self) -> None:
        """Put what waits in memory into the part file after all, and into `state`."""
        if self.buffered is not None:
            self.begin()
            crc = self.write(0, self.buffered)
            self.state = replace(self.state, written=(WrittenRange(0, len(self.buffered), crc),))
            self.buffered = None
            if self._is_read_back:  # it was checked in memory, or is about to be
                self.note_check()

    def check_in_place(self) -> None:
        """See that the part file's name still leads to it.

        Raises:
            DestinationError: another program replaced it.
        """
        with named_errors(self.path):
            check_at(self.descriptor, self.path)

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
            raise DestinationError(self.path, f"disk full, {missing:,} bytes short: {facts}")
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
                self.feed_hash(offset, view[:written])
                view = view[written:]
                offset += written
        return isal_zlib.crc32(data, crc)

    def checkpoint(self, written: tuple[WrittenRange, ...]) -> None:
        """Make these bytes durable, then the state that says so."""
        state = replace(self.state, written=written)
        with named_errors(self.path):
            if self.durable:
                os.fdatasync(self.descriptor)
            self._write_state(state, durable=self.durable)
        self.state = state

    def write_state(self) -> None:
        """Put `state` on the disk.

        Raises:
            DestinationError: the disk refuses, or one of the files was replaced.
        """
        with named_errors(self.path):
            self._write_state(self.state, durable=self.durable)

    def _write_state(self, state: PartState, *, durable: bool) -> None:
        if self._descriptor is not None:
            check_at(self._descriptor, self.path)
        state_file = self._place.find_state(self._key)
        if state_file is not None and not state_file.proves(self.source):
            raise ReplacedError(self.state_path)
        data = encode_state(state, self.path.name, self._key())
        write_atomically(self.state_path, data, durable=durable, mark=STATE_MARK)

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
        *others, last = sorted(written, key=lambda each: each.start)
        rest = replace(last, end=max(last.end - _STATE_BYTES, last.start))
        with named_errors(self.path):
            os.ftruncate(self.descriptor, rest.end)
            self.state = replace(self.state, is_rejected=False)  # not whole any more
            self.restart_hash()
            crc = crc_of(self.descriptor, rest, self, threading.Event())
        return (*others, replace(rest, crc=crc or 0)) if rest.end > rest.start else tuple(others)

    def release(self, *, keep: bool) -> None:
        """Let go of the file; what another attempt or the user can use stays if `keep`."""
        if keep and self.buffered is not None:
            with suppress(DestinationError, ShortageError):
                self.flush_buffer()
                self.checkpoint(self.state.written)
        self.buffered = None
        if self._descriptor is None:
            return
        try:
            is_of_use = can_resume(self.state, self.pieces) or self.state.is_rejected
            if not (keep and is_of_use and self._is_there()):
                with suppress(ShortageError):  # the next attempt tidies up
                    self.discard()
        finally:
            self.close()  # whatever happens: the lock would keep that attempt out

    def _is_there(self) -> bool:
        """Tell whether the bytes can be found again under their name."""
        with suppress(OSError):
            check_at(self.descriptor, self.path)
            return True
        return False

    def discard(self) -> None:
        """Remove both files, if they are of this download and no other program works on them."""
        self.buffered = None
        if self._descriptor is None and not self.take_alone() and not self._is_blank():
            return
        with suppress(OSError):
            if self._descriptor is not None:
                unlink_open(self.path, self._descriptor)
        self.remove_state()
        self.close()

    def remove_state(self) -> None:
        """Remove the state file, if this program wrote it."""
        with suppress(OSError):
            state_file = self._place.find_state(self._key)
            if state_file is not None and state_file.proves(self.source):
                unlink_same(self.state_path, state_file.identity)

    def take_alone(self) -> bool:
        """Tell whether what is there is of this download alone.

        It is open then, if it exists, and `state` is as it was left; nothing is read back.
        """
        usual = usual_place(self.destination)
        for place in (usual, *own_places(self.destination, self.source)):
            self._go_to(place)
            try:
                state_file = tidy_up(place, self.destination, self.source, self._key)
            except FileInUseError:
                return False
            if state_file is not None and state_file.proves(self.source):
                return self._open_alone(state_file)
        self._go_to(usual)
        return False

    def _open_alone(self, state_file: StateFile) -> bool:
        assert state_file.state is not None
        self.state = state_file.state
        try:
            self._descriptor = open_locked(self.path)
        except FileNotFoundError:
            return True  # nobody works on a state without a part file
        except (OSError, FileInUseError):
            return False
        state, part = state_file.state, self._found_with(state_file)
        is_regular = stat.S_ISREG(os.fstat(self.descriptor).st_mode)
        if is_regular and (
            is_begun_by_us(part)
            or (state.written and is_intact(self.descriptor, state, self, threading.Event()))
        ):
            return True
        self.close()
        _log.warning(
            "%s was replaced by another program: it is left alone", printable(self.path.name)
        )
        return False

    def _is_blank(self) -> bool:
        """Tell whether it is as a crash leaves it before the first reply: empty, and no state."""
        if os.path.lexists(self.state_path):
            return False
        with suppress(OSError, FileInUseError):
            status = self.path.lstat()
            is_empty = stat.S_ISREG(status.st_mode) and not status.st_size
            if is_empty and not is_empty_of_another_user(status):
                self._descriptor = open_locked(self.path)
                if not self._is_anothers(self._found_with(None)):
                    return True
                self.close()
        return False

    def close(self) -> None:
        """Let go of the file and leave it as it is."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    @property
    def is_resumable(self) -> bool:
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


def unverified_name(destination: Path) -> str:
    """The name of bytes that are kept although nothing vouches for them."""
    return f"{destination.name}.unverified"
