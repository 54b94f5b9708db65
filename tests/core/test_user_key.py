"""The user's key: created once by the first caller, and used only if it is private."""

import asyncio
import os
import resource
import stat
from pathlib import Path

import pytest

from rheo_core.domain.exceptions import ShortageError
from rheo_core.infrastructure import user_key as module
from rheo_core.infrastructure.user_key import user_key, user_key_path
from tests.core.engine import names_in
from tests.programs import start_program


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "rheo" / "key"


def forget() -> None:
    """As in another process."""
    module._keys.clear()


def test_it_is_made_when_it_is_first_asked_for(path: Path) -> None:
    assert user_key_path() == path
    key = user_key()
    assert len(key) == 32 and path.read_bytes() == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert names_in(path.parent) == ["key"]
    forget()
    assert user_key() == key


@pytest.mark.parametrize("way", ["create_whole", "a file system without unnamed files"])
async def test_processes_that_ask_at_once_agree(path: Path, way: str) -> None:
    program = "import sys\nfrom rheo_core.infrastructure import user_key\n"
    if way != "create_whole":
        program += "user_key.create_whole = lambda *_, **__: None\n"
    program += "sys.stdin.readline()\nsys.stdout.write(user_key.user_key().hex())"
    processes = [await start_program(program, (), os.environ) for _ in range(4)]
    told = await asyncio.gather(*(process.communicate(b"\n") for process in processes))
    assert {out.decode() for out, _ in told} == {path.read_bytes().hex()}
    assert names_in(path.parent) == ["key"]


def test_it_is_not_replaced_because_too_many_files_are_open(path: Path) -> None:
    """With another key this run would disown the part files of earlier ones."""
    key = user_key()
    forget()
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = os.open(os.devnull, os.O_RDONLY)  # the lowest that is free
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (taken, limit[1]))
        with pytest.raises(ShortageError, match="too many open files"):
            user_key()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)
        os.close(taken)
    assert user_key() == key


@pytest.mark.parametrize("kind", ["short", "long", "empty", "link", "folder", "fifo", "blocked"])
def test_what_is_no_key_of_this_user_is_not_used(
    path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Downloads go on with a key for this process, and the log says so once."""
    path.parent.mkdir(parents=True)
    match kind:
        case "short" | "long" | "empty":
            path.touch(0o600)
            path.write_bytes(bytes({"short": 31, "long": 33, "empty": 0}[kind]))
        case "link":
            path.with_name("other").write_bytes(bytes(32))
            path.symlink_to("other")
        case "folder":
            path.mkdir()
        case "fifo":
            os.mkfifo(path)
        case _:
            path.parent.rmdir()
            path.parent.write_bytes(b"a file where the folder should be")
    before = names_in(path.parents[1])
    key = user_key()
    assert len(key) == 32 and key != bytes(32)
    assert user_key() == key
    forget()
    assert user_key() != key
    assert names_in(path.parents[1]) == before
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 2 and all("cannot use the key" in message for message in messages)


def test_one_that_others_can_read_is_made_private(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(bytes(range(32)))
    path.chmod(0o644)
    assert user_key() == bytes(range(32))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "private now" in caplog.text
