"""Disks that are small, full or failing; and what a folder must look like afterwards."""

import os
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from rheo_core.infrastructure.user_key import user_key
from rheo_core.transfer.part_state import PartState, decode_state, encode_state
from tests.programs import limited


@contextmanager
def small_disk(path: Path, size: int) -> Iterator[Path]:
    """A disk of `size` bytes at `path`; the test is skipped where none can be mounted."""
    path.mkdir(parents=True)
    mount = shutil.which("mount")
    command = [mount or "mount", "-t", "tmpfs", "-o", f"size={size}", "rheo-test", str(path)]
    if mount is None or os.geteuid() or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("mounting a tmpfs needs root")
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


def fill(folder: Path, *, leave: int = 0) -> Path:
    """Fill the disk of `folder` but for `leave` bytes; returns the file to be removed again."""
    filler = folder / "filler"
    with filler.open("wb") as file:
        while (room := free_bytes(folder) - leave) > 0:
            with suppress(OSError):  # the program under test wrote something meanwhile
                os.posix_fallocate(file.fileno(), 0, room)
                break
    return filler


def free_bytes(folder: Path) -> int:
    """Bytes that are free on the disk of `folder`."""
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


def limit_file_size(size: int) -> Callable[[int], None]:
    """Let no file of a program grow beyond `size` bytes (EFBIG)."""
    return limited(resource.RLIMIT_FSIZE, size)


def state_of(part: Path) -> PartState:
    """Return the state of a part file."""
    return decode_state(part.with_name(f"{part.name}.state").read_bytes(), part.name, user_key())


def tell(part: Path, state: PartState) -> None:
    """Have the state file beside a part file say this."""
    data = encode_state(state, part.name, user_key())
    part.with_name(f"{part.name}.state").write_bytes(data)


def kept_so_far(part: Path) -> int:
    """Return the number of bytes in the state; 0 if there is none."""
    with suppress(OSError, ValueError):  # the first one is there before it is written
        return state_of(part).offset
    return 0


def check_kept(final: Path, body: bytes) -> int:
    """A broken-off download of `body`: returns how many bytes of it another run can go on from.

    Nothing is under the final name, both of our files are there, and every byte that the state
    speaks of is in the part file.
    """
    part = final.with_name(f"{final.name}.part")
    assert not final.exists()
    state, data = state_of(part), part.read_bytes()
    assert len(data) <= len(body)
    for piece in state.written:
        assert data[piece.start : piece.end] == body[piece.start : piece.end]
    return state.offset
