"""One program at a time works on a part file."""

import asyncio
import fcntl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rheo_core import DownloadManager, FileConfig
from rheo_core.domain import DownloadStatus, FileInUseError
from rheo_core.infrastructure import locks
from rheo_core.transfer import PartFile, PartOwner, commit
from rheo_core.transfer.segments import WrittenRange
from rheo_core.transfer.validators import Validator
from tests.core.engine import Gate, error_of, names_in, quick_retries, status_of
from tests.servers.misbehaving import MisbehavingServer, body_of
from tests.waiting import Until

BODY = body_of(3_000_000)

HOLDER = """
import sys
from pathlib import Path
from rheo_core.transfer import PartFile, PartOwner, commit
from rheo_core.transfer.validators import Validator
from rheo_core.transfer.segments import WrittenRange

part = PartFile(Path(sys.argv[1]), PartOwner("source"))
part.open()
print("open", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the part file of `a` open."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "a")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    yield process
    process.kill()
    process.communicate()


@pytest.mark.parametrize("step", ["spare", "final"])
def test_another_process_is_in_the_middle_of_its_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Between the names of a commit that overwrites, a second one opens and discards."""
    final = tmp_path / "a"
    final.write_bytes(b"old")
    part, second = PartFile(final, PartOwner("source")), PartFile(final, PartOwner("source"))
    part.open()
    part.expect(3, Validator('"v1"'))
    part.begin()
    crc = part.write(0, b"new")
    part.checkpoint((WrittenRange(0, 3, crc),))
    spare, replace = tmp_path / "a.part.new", Path.replace

    def interrupted(path: Path, target: Path) -> Path:
        if path != spare:
            return replace(path, target)
        if step == "final":
            replace(path, target)
        before = names_in(tmp_path)
        with pytest.raises(FileInUseError):
            second.open()
        second.discard()
        assert names_in(tmp_path) == before
        return replace(path, target) if step == "spare" else target

    monkeypatch.setattr(Path, "replace", interrupted)
    commit(part, 3, overwrite=True)
    assert names_in(tmp_path) == ["a"]
    assert final.read_bytes() == b"new"


def test_another_process_has_it(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    part = PartFile(tmp_path / "a", PartOwner("source"))
    with pytest.raises(FileInUseError, match="another process is using it"):
        part.open()
    part.discard()
    assert names_in(tmp_path) == ["a.part"]
    holder.kill()
    holder.wait()
    part.open()  # a lock ends with its process
    part.discard()
    assert names_in(tmp_path) == []


def test_another_object_of_this_process_has_it(tmp_path: Path) -> None:
    first, second = (PartFile(tmp_path / "a", PartOwner("source")) for _ in range(2))
    first.open()
    for _ in range(2):  # the first refusal closed a descriptor of the file
        with pytest.raises(FileInUseError):
            second.open()
    first.discard()
    second.open()
    second.discard()


def test_reading_the_file_does_not_drop_the_lock(tmp_path: Path) -> None:
    first, second = (PartFile(tmp_path / "a", PartOwner("source")) for _ in range(2))
    first.open()
    first.path.read_bytes()
    with pytest.raises(FileInUseError):
        second.open()
    first.discard()


def test_a_file_that_was_committed_meanwhile_is_not_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the opening and the lock its owner finished: what was opened is the final file."""
    final, part = tmp_path / "a", PartFile(tmp_path / "a", PartOwner("source"))
    lock = locks.lock

    def commit_then_lock(descriptor: int) -> None:
        if not final.exists():
            part.path.write_bytes(b"whole")
            part.path.rename(final)
        lock(descriptor)

    monkeypatch.setattr(locks, "lock", commit_then_lock)
    part.open()
    part.write(0, b"other")
    assert final.read_bytes() == b"whole"
    part.discard()
    assert names_in(tmp_path) == ["a"]


def test_a_file_system_without_locks_costs_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "fcntl", no_locks)
    monkeypatch.setattr(fcntl, "lockf", no_locks)
    monkeypatch.setattr(locks, "_without_locks", set())
    for name in ("a", "b"):
        PartFile(tmp_path / name, PartOwner("source")).open()
    assert caplog.text.count("does not support locks (no locks available)") == 1


def test_systems_without_locks_of_descriptors_use_those_of_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "HAS_DESCRIPTOR_LOCKS", False)
    PartFile(tmp_path / "b", PartOwner("source")).open()


async def test_two_managers_do_not_write_one_file(
    server: MisbehavingServer, tmp_path: Path, until: Until
) -> None:
    gate = Gate(BODY, 1_000_000, ETag='"v1"')
    config = FileConfig(url=server.on("/f", gate))
    async with (
        DownloadManager(download_dir=tmp_path) as first,
        DownloadManager(download_dir=tmp_path, retry_handler=quick_retries()) as second,
    ):
        await first.add([config])
        await until(lambda: first.snapshot().downloads[0].bytes_downloaded == 1_000_000)
        await second.add([config])
        await second.wait_until_complete(timeout=60)
        assert status_of(second, config) is DownloadStatus.FAILED
        assert "another process is using it" in error_of(second, config)
        gate.opened.set()
        await first.wait_until_complete(timeout=60)
        await second.retry(config.id)
        await second.wait_until_complete(timeout=60)
        assert status_of(second, config) is DownloadStatus.SKIPPED
    assert (tmp_path / "f").read_bytes() == BODY


async def test_the_command_keeps_off_too(
    server: MisbehavingServer, tmp_path: Path, until: Until
) -> None:
    gate = Gate(BODY, 1_000_000, ETag='"v1"')
    config = FileConfig(url=server.on("/f", gate))
    async with DownloadManager(download_dir=tmp_path, connections=1) as manager:
        await manager.add([config])
        await until(lambda: manager.snapshot().downloads[0].bytes_downloaded == 1_000_000)
        command = await asyncio.create_subprocess_exec(
            Path(sys.executable).with_name("rheo"),
            *("download", "-q", "-o", tmp_path, config.url),
            stderr=asyncio.subprocess.PIPE,
        )
        _, told = await command.communicate()
        assert command.returncode == 1
        assert told.decode().count("\n") == 1 and "another process" in told.decode()
        gate.opened.set()
        await manager.wait_until_complete(timeout=60)
    assert (tmp_path / "f").read_bytes() == BODY


def test_only_an_empty_part_file_goes_without_a_state(tmp_path: Path) -> None:
    """A crash before the first response leaves an empty one; bytes may be somebody else's."""
    (tmp_path / "a.part").touch()
    (tmp_path / "b.part").write_bytes(b"mine")
    for name in ("a", "b"):
        PartFile(tmp_path / name, PartOwner("source")).discard()
    assert names_in(tmp_path) == ["b.part"]
