"""`NAME.part` and `NAME.part.state`: the bytes so far, and what is known of them.

Every function here blocks; the engine calls them in its disk threads.
"""

import errno
import os
import stat
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from rheo_core.domain.exceptions import DestinationError, DiskFullError, FileExistsError
from rheo_core.domain.text import printable
from rheo_core.infrastructure.files import rename_without_clobbering, sync_folder, write_atomically

from .plan import Validator
from .segments import WrittenRange
from .state import PartState, decode_state, encode_state

_DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_READ_BYTES = 1 << 20
_LARGEST_STATE = 1 << 20


class PartFile:
    """The file while it is not whole. One owner at a time, which the caller sees to."""

    def __init__(self, destination: Path, source: str) -> None:
        """`source` tells which download it is of; see `source_of`."""
        self.destination = destination
        self.source = source
        self.path, self.state_path = _paths(destination)
        self.state = PartState(source)
        self._descriptor: int | None = None

    def owner(self) -> str | None:
        """Which download began what is there; None where no state tells."""
        state = self._read_state()
        return state.source if state is not None else None

    def adopt(self, earlier: Path) -> None:
        """Take over what this download began under another name."""
        other = PartFile(earlier, self.source)
        if other.owner() == self.source and not os.path.lexists(self.path):
            with _named_errors(self.path):
                other.state_path.replace(self.state_path)
                with suppress(FileNotFoundError):
                    other.path.replace(self.path)

    def open(self, stop: threading.Event | None = None) -> None:
        """Create it, or take up what an earlier attempt left.

        `state` tells afterwards what can be relied on, if anything: every byte that it names
        has been read back and is as it was written. `stop` ends the reading early.

        Raises:
            DestinationError: it cannot be written, or is no regular file of this download.
        """
        with _named_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._drop_committed()
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            descriptor = os.open(self.path, flags, 0o666)
            try:
                self.state = self._take_up(descriptor, stop or threading.Event())
            except BaseException:
                os.close(descriptor)
                raise
            self._descriptor = descriptor

    def _drop_committed(self) -> None:
        """A crash in the middle of the commit leaves the finished file under both names."""
        with suppress(OSError):
            if self.path.samefile(self.destination) and self.owner() == self.source:
                self.path.unlink()

    def _take_up(self, descriptor: int, stop: threading.Event) -> PartState:
        """What of the bytes found can be relied on."""
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise DestinationError(self.path, "not a regular file")
        if found.st_nlink > 1:
            raise DestinationError(self.path, "is another name of a file")
        if found.st_size and not os.path.lexists(self.state_path):
            raise DestinationError(self.path, "exists and was not begun by this program")
        state = self._read_state()
        if state is None or state.source != self.source or not state.can_resume:
            return PartState(self.source)
        # Nobody may have cut or changed them since.
        is_true = all(_crc_of(descriptor, piece, stop) == piece.crc for piece in state.written)
        return state if is_true else PartState(self.source)

    def begin(self, total: int | None, validator: Validator) -> None:
        """Start over: the bytes to come are those of this version from offset 0."""
        self.state = PartState(self.source, total, validator)
        with _named_errors(self.path):
            # The state comes first: a part file with bytes and no state is somebody else's.
            self._write_first_state()
            os.ftruncate(self._fd, 0)

    def check_room(self, size: int) -> None:
        """See that the rest of a file of `size` bytes fits on the disk.

        Raises:
            DiskFullError: it does not.
        """
        with _named_errors(self.path):
            disk = os.fstatvfs(self._fd)
            written = os.fstat(self._fd).st_blocks * 512
            missing = size - written - disk.f_bavail * disk.f_frsize
        if missing > 0 and disk.f_blocks:  # some file systems do not know their size
            raise DiskFullError(self.path, missing)

    def write(self, offset: int, data: bytes | memoryview, crc: int = 0) -> int:
        """Write all of `data` at `offset`; return the CRC-32 of it, continued from `crc`."""
        with _named_errors(self.path):
            view = memoryview(data)
            while view:
                written = os.pwrite(self._fd, view, offset)
                view = view[written:]
                offset += written
        return zlib.crc32(data, crc)

    def checkpoint(self, written: tuple[WrittenRange, ...]) -> None:
        """Make these bytes durable, then the state that says so."""
        state = replace(self.state, written=written)
        with _named_errors(self.path):
            os.fdatasync(self._fd)
            write_atomically(self.state_path, encode_state(state))
        self.state = state

    def commit(self, size: int, *, overwrite: bool) -> None:
        """Give the finished file its name, durably.

        Raises:
            FileExistsError: the name was taken meanwhile; the part file stays.
        """
        with _named_errors(self.destination):
            os.ftruncate(self._fd, size)
            os.fsync(self._fd)
            try:
                if overwrite:
                    _refuse_special(self.destination)
                    self.path.replace(self.destination)
                else:
                    rename_without_clobbering(self.path, self.destination)
            except OSError as error:
                if error.errno == errno.EEXIST:
                    raise FileExistsError(self.destination) from None
                raise
            with suppress(FileNotFoundError):
                self.state_path.unlink()
            sync_folder(self.destination.parent)
            self._close()

    def release(self, *, keep: bool) -> None:
        """Let go of the file; what another attempt can go on from stays if `keep`."""
        if self._descriptor is None:
            return
        if keep and self.state.can_resume:
            self._close()
        else:
            self.discard()

    def discard(self) -> None:
        """Remove both files, if they are of this download."""
        if self._descriptor is None and self.owner() != self.source:
            return
        self._close()
        for path in (self.path, self.state_path):
            with suppress(OSError):
                path.unlink()

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    @property
    def _fd(self) -> int:
        assert self._descriptor is not None, "the part file is not open"
        return self._descriptor

    def _write_first_state(self) -> None:
        """Without a sync: it only has to be there while the part file is."""
        with suppress(FileNotFoundError):
            self.state_path.unlink()  # it may be another name of somebody's file
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with os.fdopen(os.open(self.state_path, flags | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(encode_state(self.state))

    def _read_state(self) -> PartState | None:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            with os.fdopen(os.open(self.state_path, flags), "rb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    return None
                return decode_state(file.read(_LARGEST_STATE))
        except (OSError, ValueError):
            return None


def _paths(destination: Path) -> tuple[Path, Path]:
    """The part file and the state file of a destination."""
    part = destination.with_name(f"{destination.name}.part")
    return part, part.with_name(f"{part.name}.state")


def _crc_of(descriptor: int, piece: WrittenRange, stop: threading.Event) -> int | None:
    """CRC-32 of what the file holds there; None where it is too short, or when stopped."""
    crc, offset = 0, piece.start
    while offset < piece.end:
        if stop.is_set():
            return None
        data = os.pread(descriptor, min(_READ_BYTES, piece.end - offset), offset)
        if not data:
            return None
        crc = zlib.crc32(data, crc)
        offset += len(data)
    return crc


def _refuse_special(path: Path) -> None:
    """Overwriting means a regular file: not a folder, a device or where a link points."""
    with suppress(FileNotFoundError):
        if not stat.S_ISREG(path.lstat().st_mode):
            raise DestinationError(path, "exists and is not a regular file")


@contextmanager
def _named_errors(path: Path) -> Iterator[None]:
    """Turn OSError into DestinationError with the path and the reason."""
    try:
        yield
    except OSError as error:
        if error.errno in _DISK_FULL:
            raise DiskFullError(path) from error
        if error.errno == errno.ELOOP:
            raise DestinationError(path, "is a symbolic link") from error
        raise DestinationError(path, printable(error.strerror or str(error)).lower()) from error
