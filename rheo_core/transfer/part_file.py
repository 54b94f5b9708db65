"""PartFile: `NAME.part` with the bytes so far, and `NAME.part.state` with known facts.

All methods block; the engine calls them in its disk threads.
"""

import errno
import hashlib
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from isal import isal_zlib

from rheo_core.domain.exceptions import (
    DestinationError,
    DiskFullError,
    FileValidationError,
    ProtocolError,
    ShortageError,
)
from rheo_core.domain.hash_validation import HashAlgorithm, HashConfig, PieceHashes
from rheo_core.domain.text import printable
from rheo_core.infrastructure.files import folder_of
from rheo_core.infrastructure.identity import (
    ReplacedError,
    check_at,
    give_name,
    identity_of,
    unlink_open,
    unlink_same,
)
from rheo_core.infrastructure.user_key import user_key

from .disk_space import Reserve, check_room
from .errors import named_errors
from .part_names import PartPaths, state_at, states_of, usual_paths
from .part_opening import OpenPart, PartOpener
from .part_recovery import can_resume, crc_of
from .part_state import Key, PartOwner, PartState, write_state
from .response_head import Validator
from .running_hash import RunningHash
from .segments import WrittenRange

_BEGINNING_BYTES = 512
"""Bytes that show the kind of a file."""
_MAX_BUFFERED_BYTES = 256 << 10
"""Largest file that waits in memory for the end of the transfer."""
_STATE_BYTES = 64 << 10
"""Bytes to give up at the end of the file if a full disk has no room for the state."""


class PartFile:
    """The file while it is not whole.

    The caller makes sure that one download uses it at a time. A lock keeps other programs away
    while it is open.
    """

    def __init__(
        self,
        destination: Path,
        source: str,
        *,
        links: tuple[str, ...] = (),
        is_new_link: bool = False,
        durable: bool = True,
        pieces: PieceHashes | None = None,
        key: Key = user_key,
        is_read_back: bool = False,
        check_folder: Callable[[Path], None] | None = None,
    ) -> None:
        """Describe a part file without opening it.

        Args:
            destination: path of the finished file.
            source: the download; see `source_of`.
            links: its links, the one that is fetched first; see `PartOwner`.
            is_new_link: the user replaced the link, and bytes of the old one must stay.
            durable: sync bytes to the disk before anything relies on them.
            pieces: checksums of pieces, which will find bad bytes in the whole file.
            key: signs the state.
            is_read_back: `digest` reads the file instead of relying on received bytes.
            check_folder: raises DestinationError for a path whose folder must not be used. Called
                before each file is created or named, because others may change a shared folder.
        """
        self.destination = destination
        self.folder = folder_of(str(destination))  # no change of its name affects it
        self.source = source
        self.owner = self._owner = PartOwner(source, links)
        self._is_new_link = is_new_link
        self.may_share = False  # bytes that another link of its object began
        self._key = key
        self._check_folder = check_folder
        self.state = PartState(source)
        self.durable = durable
        self.pieces = pieces
        self._descriptor: int | None = None
        self._is_read_back = is_read_back
        self.hashing = RunningHash(is_read_back=is_read_back)
        self._checked: tuple[int, int] | None = None  # size and time when its bytes were checked
        self._reach = 0  # offset behind the last byte that is in the file
        self.was_resumed = False
        self.buffered: bytes | None = None  # all bytes of a small file, not on the disk yet
        self.is_begun = False  # the disk has a state of the version in `state`
        self._reserve: Reserve | None = None  # for bodies of unknown length
        self._written_state: os.stat_result | None = None  # of the last state file

    @cached_property
    def _paths(self) -> PartPaths:  # of a file that never has a part file, it is not needed
        return usual_paths(self.destination)

    @property
    def path(self) -> Path:
        """Path of the part file."""
        return self._paths.part

    @property
    def state_path(self) -> Path:
        """Path of the state file."""
        return self._paths.state

    def hear_promise(self, promised: HashConfig | None, validator: Validator) -> None:
        """Use the checksum of the whole file from a 206, unless an earlier reply had one.

        Args:
            promised: the checksum, if the reply has one (RFC 9530 3.1: not that of its range).
            validator: validator of the reply. A 206 of another version is ignored.
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
        return self.hashing.finish(algorithm, self.descriptor, stop)

    def note_check(self) -> None:
        """Note size and time of the file before its bytes are checked."""
        self._checked = self._look()

    def note_commit(self) -> None:
        """Note size and time again after the commit changed them."""
        if self._checked is not None:
            self.note_check()

    def check_unchanged(self) -> None:
        """Check that the file did not change after its bytes were checked, if they were.

        Raises:
            FileValidationError: another program changed it.
        """
        if self._checked is not None and self._checked != self._look():
            name = printable(self.destination.name)
            raise FileValidationError(f"another program changed {name} after its check")

    def check_reach(self) -> None:
        """Check that all written bytes are in the file: a later write would hide a hole.

        Raises:
            FileValidationError: another program shortened it.
        """
        reach = self._reach  # read first, because other threads write meanwhile
        if os.fstat(self.descriptor).st_size < reach:
            name = printable(self.path.name)
            raise FileValidationError(f"another program shortened {name} during the download")

    def _look(self) -> tuple[int, int]:
        status = os.fstat(self.descriptor)
        return status.st_size, status.st_mtime_ns

    def found_state(self) -> PartState | None:
        """Return the signed state that is there; see `state_at`."""
        return state_at(self.destination, self.owner, self._key)

    def expected_size(self) -> int | None:
        """Return the size of the whole file, bytes; None without a signed state that has it."""
        states = states_of(self.destination, self.owner, self._key)
        return next((each.total for each in states if each.total is not None), None)

    def adopt(self, earlier: Path, owner: PartOwner | None = None) -> None:
        """Move the part file of this download from another name to this one.

        If foreign files have the names here, it gets another name, as in `open`.

        Args:
            earlier: path of the finished file under the other name.
            owner: this download with its former link; None: the link is the same.
        """
        source, links = owner or self.owner
        other = PartFile(earlier, source, links=links, key=self._key)
        if not other.open_existing():
            return
        try:
            paths = self._opener.free_paths()
            if paths is None:
                return
            self._paths = paths
            with named_errors(self.path):
                # Bytes without a state count as foreign, so the state comes first and goes last.
                self._write_state(self._relinked(other.state), durable=False)
                if other.is_open:
                    give_name(other.descriptor, other.path, self.path)
                other.remove_state()
        finally:
            other.close()

    @property
    def _opener(self) -> PartOpener:
        return PartOpener(self.destination, self._owner, self._key, self.pieces, self.hashing)

    def _take(self, part: OpenPart) -> None:
        self._paths, self._descriptor, self.state = part

    def open(self, stop: threading.Event | None = None) -> None:
        """Create the file, or resume that of an earlier attempt.

        Afterwards `state` lists only bytes that were read back and are intact. `stop` ends the
        reading early. Files of other programs and downloads are left alone; the part file gets
        another name then.

        Raises:
            FileInUseError: another program uses it.
            DestinationError: it cannot be written.
            ProtocolError: nothing proves that a new link leads to the file that is begun.
        """
        self.check_folder()
        with named_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
        found = self.found_state() if self.may_share else None
        if found is not None and self.is_shared(found):
            self._owner = PartOwner(self.source, (found.link, *self.owner.links))
        self._take(self._opener.resume_or_create(stop or threading.Event()))
        if self._is_new_link and self.state.written and not self._may_continue(self.state):
            self.close()
            raise ProtocolError(
                "no ETag shows that the new link leads to the same file; the "
                f"{self.state.offset:,} bytes from the old link stay. To download the new "
                "file, add its link separately"
            )
        self.was_resumed = self.is_begun = bool(self.state.written)
        self._reach = max((each.end for each in self.state.written), default=0)

    def is_shared(self, state: PartState) -> bool:
        """Return True if another link of this object began bytes that may go on with this one."""
        is_others = state.source == self.source and not self.owner.has_begun(state)
        return is_others and self._may_continue(state)

    def take_over(self) -> None:
        """Make the bytes of another link those of this one, because a reply continues them."""
        if self._is_borrowed:
            self.state = self._relinked(self.state)

    def _relinked(self, state: PartState) -> PartState:
        """Return a state as this link began it, if its bytes may go on with this link."""
        if self.owner.is_link(state) or not self._may_continue(state):
            return state
        return replace(state, link=self.owner.links[0])

    @property
    def _is_borrowed(self) -> bool:
        """True if nothing proves yet that the bytes of another link are those of this one."""
        return self._owner is not self.owner and not self.owner.is_link(self.state)

    def _may_continue(self, state: PartState) -> bool:
        """Return True if bytes may go on with this link: a date does not prove it for another."""
        is_same = PartOwner(self.source, self.owner.links[:1]).is_link(state)
        is_verified = self._is_read_back or self.pieces is not None
        return is_same or is_verified or state.validator.etag is not None

    def check_folder(self) -> None:
        """Check that the folder may still be used. Blocks.

        Raises:
            DestinationError: it may not.
        """
        if self._check_folder is not None:
            self._check_folder(self.destination)

    def prepare(self) -> None:
        """Check before the first request that a file can be created here.

        Raises:
            DestinationError, FileInUseError: as `open`.
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
        """Start again: the next bytes are those of this version from offset 0.

        This does not block, and the disk changes with `begin` only. Bytes of another link stay.

        Args:
            total: size of the file, bytes; None: unknown.
            validator: validator of the version.
            promised: checksum from the server.
            modified: Last-Modified, seconds since the epoch.
            media_type: media type from the server.
        """
        if self._owner is not self.owner:  # the other link may be that of another file
            self.close()
            self._owner, self.may_share = self.owner, False
        self.state = PartState(
            self.source,
            total,
            validator,
            promised=promised,
            modified=modified,
            media_type=media_type,
            link=self.owner.links[0] if self.owner.links else "",
        )
        self._checked = None
        self.buffered = None
        self.was_resumed = False
        self.is_begun = False
        self._reserve = None

    def begin(self) -> None:
        """Prepare the disk for the expected version.

        Raises:
            DiskFullError: the file does not fit on the disk.
            FileInUseError, DestinationError: as `open`.
        """
        expected = self.state.with_written(())  # buffered bytes are not on the disk yet
        if not self.is_open:
            self.open()
        if expected.total is not None:
            self.check_room(expected.total)
        self.state, self.was_resumed = expected, False
        self.hashing.restart()
        with named_errors(self.path):
            # The state comes first, because a part file with bytes and no state counts as foreign.
            # It must only exist together with the part file, so it is not synced.
            self._write_state(self.state, durable=False)
            os.ftruncate(self.descriptor, 0)
        self.is_begun, self._reach = True, 0

    def fits_in_memory(self, size: int | None) -> bool:
        """Return True if a file of `size` bytes can wait in memory for its `commit`.

        A crash loses these bytes, but the disk saves two files and their names.
        """
        return size is not None and 0 < size <= _MAX_BUFFERED_BYTES and not self.is_open

    def buffer(self, data: bytes | memoryview) -> None:
        """Keep all bytes of the expected version in memory; `commit` writes them."""
        self.buffered = bytes(data)

    @property
    def size(self) -> int:
        """Bytes that wait in memory, or else those that the state lists."""
        return self.state.offset if self.buffered is None else len(self.buffered)

    @property
    def is_buffering(self) -> bool:
        """True if bytes wait in memory."""
        return self.buffered is not None

    def flush_buffer(self) -> None:
        """Write buffered bytes to the part file, and list them in `state`."""
        if self.buffered is not None:
            self.begin()
            crc = self.write(0, self.buffered)
            self.state = self.state.with_written((WrittenRange(0, len(self.buffered), crc),))
            self.buffered = None
            if self._is_read_back:  # its bytes were checked in memory, or will be
                self.note_check()

    def check_in_place(self) -> None:
        """Check that the name of the part file still leads to it.

        Raises:
            DestinationError: another program replaced it.
        """
        with named_errors(self.path):
            check_at(self.descriptor, self.path)

    def check_room(self, size: int) -> None:
        """Check that the rest of a file of `size` bytes fits on the disk.

        Raises:
            DiskFullError: it does not.
            DestinationError: it is larger than the whole disk, so waiting is useless.
        """
        with named_errors(self.path):
            check_room(self.descriptor, self.path, size)

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
            FileValidationError: another program shortened the file.
        """
        total = self.state.total
        if total is None or offset + len(data) > total:  # its end is unknown
            self._keep_reserve(len(data))
        with named_errors(self.path):
            self.check_reach()
            view = memoryview(data)
            while view:
                written = os.pwrite(self.descriptor, view, offset)
                self.hashing.feed(offset, view[:written])
                view = view[written:]
                offset += written
        self._reach = max(self._reach, offset)  # a race of threads can only lower it
        return isal_zlib.crc32(data, crc)

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
        if self._descriptor is not None:
            check_at(self._descriptor, self.path)
        state_file = self._paths.find_state(self._key)
        if state_file is not None and not state_file.proves(self._owner):
            raise ReplacedError(self.state_path)
        self._written_state = write_state(
            self.state_path, state, self.path.name, self._key, durable=durable
        )

    def checkpoint_on_full_disk(self, written: tuple[WrittenRange, ...]) -> None:
        """Make a checkpoint; give up the last bytes if the state has no room.

        Raises:
            DestinationError: this failed too. The last checkpoint stays valid.
        """
        try:
            self.checkpoint(written)
        except DiskFullError:
            if not written:
                raise
            self.checkpoint(self._without_tail(written))

    def _without_tail(self, written: tuple[WrittenRange, ...]) -> tuple[WrittenRange, ...]:
        """Truncate the last bytes to free their blocks; return the remaining ranges."""
        *others, last = sorted(written, key=lambda each: each.start)
        rest = replace(last, end=max(last.end - _STATE_BYTES, last.start))
        with named_errors(self.path):
            os.ftruncate(self.descriptor, rest.end)
            self._reach = rest.end
            self.state = replace(self.state, is_rejected=False)  # not whole any more
            self.hashing.restart()
            crc = crc_of(self.descriptor, rest, self.hashing, threading.Event())
        return (*others, replace(rest, crc=crc or 0)) if rest.end > rest.start else tuple(others)

    def release(self, *, keep: bool) -> None:
        """Close the file. With `keep`, data that another attempt or the user can use stays."""
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
                with suppress(ShortageError):  # the next attempt removes it
                    self.discard()
        finally:
            self.close()  # always, because the lock would block that attempt

    def _is_there(self) -> bool:
        """Return True if the name still leads to the file."""
        with suppress(OSError):
            check_at(self.descriptor, self.path)
            return True
        return False

    def discard(self) -> None:
        """Remove both files if they belong to this download and no other program uses them."""
        self.buffered = None
        if self._is_borrowed:
            self.close()
            return
        if self._descriptor is None:
            leftover = self._opener.open_leftover()
            if leftover is None:
                return
            self._take(leftover)
        with suppress(OSError):
            if self._descriptor is not None:
                unlink_open(self.path, self._descriptor)
        self.remove_state()
        self.close()

    def remove_state(self) -> None:
        """Remove the state file, if this program wrote it."""
        with suppress(OSError):
            if self._has_written_state():  # without a descriptor, of which there may be none left
                self.state_path.unlink()
                return
            state_file = self._paths.find_state(self._key)
            if state_file is not None and state_file.proves(self._owner):
                unlink_same(self.state_path, state_file.identity)

    def _has_written_state(self) -> bool:
        """Return True if the state file is the one that this object wrote, and unchanged since."""
        written = self._written_state
        if written is None:
            return False
        found = self.state_path.lstat()
        return (
            identity_of(found) == identity_of(written) and found.st_ctime_ns == written.st_ctime_ns
        )

    def open_existing(self) -> bool:
        """Open the file if it belongs to this download and is not in use; return success.

        `state` is as an earlier attempt left it. Nothing is read back. The part file may be
        missing although this returns True; see `is_open`.
        """
        part = self._opener.open_existing()
        if part is not None:
            self._take(part)
        return part is not None

    def close(self) -> None:
        """Close the file and leave it unchanged."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    @property
    def is_resumable(self) -> bool:
        """True if it may have bytes of several requests, guarded by a validator or pieces."""
        return self.state.validator.if_range is not None or self.pieces is not None

    @property
    def is_open(self) -> bool:
        """True if the file is open and locked."""
        return self._descriptor is not None

    @property
    def descriptor(self) -> int:
        """Descriptor of the open file."""
        assert self._descriptor is not None, "the part file is not open"
        return self._descriptor
