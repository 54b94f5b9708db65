"""Number of concurrent downloads during a shortage on the machine."""

import asyncio
import errno
import os
from pathlib import Path

import pytest

from rheo_core import FileConfig
from rheo_core.domain.exceptions import DestinationError, ShortageError
from rheo_core.domain.tuning import Tuning
from rheo_core.downloads.attempt import Attempt
from rheo_core.downloads.shortage import Shortage
from rheo_core.infrastructure.shortage_errors import shortage_of_sockets
from rheo_core.transfer.errors import named_errors
from rheo_core.transfer.part_state import PartState, encode_state, find_state
from tests.core.engine import error_of, fetch, serving
from tests.servers.misbehaving import MisbehavingServer
from tests.waiting import Until

ERROR = ShortageError("too many open files")


def pass_time(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    time = loop.time
    monkeypatch.setattr(loop, "time", lambda: time() + seconds)


async def test_those_that_fail_at_once_leave_room_for_those_that_do_not() -> None:
    """Of eight that run, four fail before any of them has left."""
    short = Shortage(lambda: 8, lambda: None, Tuning())
    assert all(short.note(ERROR) for _ in range(4))
    assert short.allowed(20) == 4 and short.is_on


async def test_one_more_may_run_from_time_to_time(until: Until) -> None:
    seen: list[int] = []
    tuning = Tuning(shortage_growth_seconds=0.01)
    short = Shortage(lambda: 5, lambda: seen.append(short.allowed(20)), tuning)
    for _ in range(9):
        short.note(ERROR)
    assert short.allowed(20) == 1
    await until(lambda: not short.is_on)
    assert seen == [2, 3, 4, 20]


async def test_one_that_is_alone_tries_again_after_a_rest_and_fails_in_the_end(
    monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    rooms: list[int] = []
    tuning = Tuning(shortage_rest_seconds=0.01, shortage_patience_seconds=10.0)
    short = Shortage(lambda: 1, lambda: rooms.append(short.allowed(20)), tuning)
    assert short.note(ERROR)
    assert short.allowed(20) == 0  # nobody tries meanwhile
    await until(lambda: rooms)
    assert rooms == [1]
    pass_time(monkeypatch, 11.0)
    assert not short.note(ERROR)
    short.over()  # another one got through
    assert short.note(ERROR)


async def test_patience_begins_again_once_others_have_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shortage of long ago says nothing about this one."""
    running = 1
    short = Shortage(lambda: running, lambda: None, Tuning(shortage_patience_seconds=10.0))
    assert short.note(ERROR)
    running = 3
    assert short.note(ERROR)
    pass_time(monkeypatch, 11.0)
    running = 1
    assert short.note(ERROR)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
def test_a_state_that_cannot_be_opened_now_is_not_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Taken for missing, it would cost the bytes that it tells of."""
    path = tmp_path / "a.part.state"
    key = bytes(32)
    path.write_bytes(encode_state(PartState("source"), "a.part", key))
    found = find_state(path, "a.part", lambda: key)
    assert found is not None and found.state is not None

    def open_nothing(*_: object, **__: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "open", open_nothing)
    with pytest.raises(ShortageError):
        find_state(path, "a.part", lambda: key)


def test_a_disk_that_fails_is_not_a_shortage(tmp_path: Path) -> None:
    for number in (errno.EIO, errno.ENOMEM, errno.EACCES):
        with pytest.raises(DestinationError), named_errors(tmp_path):
            raise OSError(number, os.strerror(number))
    with pytest.raises(ShortageError, match="ulimit -n"), named_errors(tmp_path):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


@pytest.mark.parametrize(
    ("number", "words", "is_short"),
    [
        (errno.EADDRNOTAVAIL, "Cannot assign requested address", True),
        (errno.EADDRNOTAVAIL, "error while attempting to bind on address ('10.9.9.9', 0)", False),
        (errno.EADDRNOTAVAIL, "Multiple exceptions: [Errno 99] ..., [Errno 111] ...", False),
        (errno.ECONNREFUSED, "Connection refused", False),
        (errno.ENETUNREACH, "Network is unreachable", False),
    ],
)
def test_what_the_other_side_does_is_not_a_shortage(
    number: int, words: str, is_short: bool
) -> None:
    assert (shortage_of_sockets(OSError(number, words)) is not None) is is_short


@pytest.mark.parametrize("times", [5, None], ids=["for a while", "for good"])
async def test_memory_that_python_does_not_get_is_a_shortage(
    server: MisbehavingServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    times: int | None,
) -> None:
    patience = 10.0 if times else 0.0
    tuning = Tuning(shortage_rest_seconds=0.01, shortage_patience_seconds=patience)
    attempts, run = 0, Attempt.run

    async def starved(attempt: Attempt, asked: Path) -> None:
        nonlocal attempts
        attempts += 1
        if times is None or attempts <= times:
            raise MemoryError
        await run(attempt, asked)

    monkeypatch.setattr(Attempt, "run", starved)
    configs = [FileConfig(url=server.on(f"/{n}", serving(b"data"))) for n in range(3)]
    manager, _ = await fetch(tmp_path, configs, tuning=tuning)
    errors = {error_of(manager, config) for config in configs}
    assert errors == ({""} if times else {"out of memory"})
    assert "bug" not in caplog.text
