"""Journals: cut anywhere, of another run, locked by another worker.

Their lines count only as far as the files exist.
"""

import hashlib
import os
import pickle
import platform
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheo_core.domain.fleet import EntryOutcome, FleetEntry
from rheo_core.fleet import file_locks
from rheo_core.fleet.journal import Journal, ShardBusyError, believed
from rheo_core.infrastructure.locks import lock

DONE = EntryOutcome("00000100000", "completed", file="00000100000.jpg", status=200, size=3)
FAILED = EntryOutcome("00000100001", "failed", error="the server\nhas {it}", kind="http_404")
EMPTY = EntryOutcome("00000100002", "completed", file="00000100002", size=0)
ALL = [DONE, FAILED, EMPTY]


def written(path: Path, outcomes: list[EntryOutcome], run: str = "run") -> bytes:
    with Journal(path, run) as journal:
        for outcome in outcomes:
            journal.note(outcome)
        journal.flush()
    return path.read_bytes()


def read(path: Path, run: str = "run") -> dict[str, EntryOutcome] | None:
    with Journal(path, run) as journal:
        return journal.outcomes if journal.is_continued else None


def test_what_is_noted_is_read(tmp_path: Path) -> None:
    path = tmp_path / "j"
    written(path, ALL)
    assert read(path) == {each.key: each for each in ALL}
    written(path, [replace(DONE, size=4)])
    found = read(path)
    assert found is not None and found[DONE.key].size == 4


def test_a_new_one_and_one_of_another_run_continue_nothing(tmp_path: Path) -> None:
    path = tmp_path / "j"
    assert read(path) is None
    written(path, ALL)
    assert read(path, "other") is None
    assert read(path, "other") == {}
    assert read(path) is None


@given(data=st.data())
def test_a_cut_costs_only_the_lines_behind_it(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "cut"
    path.unlink(missing_ok=True)
    text = written(path, ALL)
    cut = data.draw(st.integers(0, len(text)))
    tail = data.draw(st.sampled_from([b"", b"\0" * 40, b"{", b"\n", b'{"key":1}\n', b"null\n"]))
    path.write_bytes(text[:cut] + tail)
    lines = text.splitlines(keepends=True)
    whole = sum(
        path.read_bytes().startswith(b"".join(lines[: number + 1])) for number in range(len(lines))
    )
    expected = {each.key: each for each in ALL[: max(whole - 2, 0)]}  # after head and machine
    found = read(path)
    if not whole:
        assert found is None
    else:
        assert found == expected
    written(path, [FAILED])  # a torn line does not swallow the next one
    again = read(path)
    assert again is not None and again[FAILED.key] == FAILED


@pytest.mark.parametrize(
    "changes",
    [
        {"file": "/etc/passwd"},
        {"file": "../00000100000.jpg"},
        {"file": "00000100000/../../x"},
        {"file": "00000100001.jpg"},
        {"file": ""},
        {"file": None},
        {"size": None},
        {"outcome": "failed"},
        {"outcome": "done"},
        {"kind": ["timeout"]},
        {"attempts": "many"},
    ],
    ids=str,
)
def test_an_outcome_that_names_no_file_of_its_own_is_not_believed(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    """The output folder may come from somebody else, who would choose the file to remove."""
    written(tmp_path / "j", [EMPTY, replace(DONE, **changes), FAILED])
    assert read(tmp_path / "j") == {EMPTY.key: EMPTY}


def test_a_restart_of_the_machine_makes_it_worthless(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files are synced with the facts only, so a loss of power may have emptied them."""
    path = tmp_path / "j"
    boot = tmp_path / "boot_id"
    monkeypatch.setattr(file_locks, "_BOOT_ID", boot)
    boot.write_text("first\n")
    written(path, ALL)
    assert read(path)
    boot.write_text("second\n")
    assert read(path) is None
    assert read(path) == {}
    with monkeypatch.context() as other:
        other.setattr("platform.node", lambda: "elsewhere")
        boot.write_text("third\n")
        written(path, ALL)
    boot.write_text("second\n")
    assert read(path)  # another machine went on


def test_one_worker_at_a_time(tmp_path: Path) -> None:
    with Journal(tmp_path / "j", "run"), pytest.raises(ShardBusyError) as caught:
        Journal(tmp_path / "j", "run")
    assert str(caught.value) == f"process {os.getpid()} on {platform.node()} is working on it"
    assert not caught.value.is_idle
    assert read(tmp_path / "j") == {}


def test_a_worker_without_a_sign_of_life_is_named(tmp_path: Path) -> None:
    path = tmp_path / "j"
    written(path, ALL)
    with Journal(path, "run") as journal:
        journal.note(DONE)
        journal.flush()
        os.utime(path, (0, time.time() - 90))
        with pytest.raises(ShardBusyError) as caught:
            Journal(path, "run")
        assert caught.value.is_idle
        assert f"process {os.getpid()} on {platform.node()} is working on it but" in str(
            caught.value
        )
        copy = pickle.loads(pickle.dumps(caught.value))  # as it comes from a worker
        assert copy.is_idle and str(copy) == str(caught.value)
        journal.beat()
        with pytest.raises(ShardBusyError) as caught:
            Journal(path, "run")
        assert not caught.value.is_idle


def test_a_holder_that_has_written_nothing_is_another_worker(tmp_path: Path) -> None:
    with (tmp_path / "j").open("wb") as file:
        lock(file.fileno())
        with pytest.raises(ShardBusyError, match=r"^another process is working on it$"):
            Journal(tmp_path / "j", "run")


def test_a_file_system_without_locks_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(_: int) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(file_locks, "lock", no_locks)
    with pytest.raises(OSError, match="does not support locks"):
        Journal(tmp_path / "j", "run")


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    (tmp_path / "link").symlink_to(tmp_path / "j")
    with pytest.raises(OSError):
        Journal(tmp_path / "link", "run")
    with Journal(tmp_path / "j", "run"), pytest.raises(ShardBusyError):
        Journal(tmp_path / "j", "run")
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize("found", [b"abc", b"ab", b"abcd", None])
def test_it_is_believed_only_with_the_file(tmp_path: Path, found: bytes | None) -> None:
    path = tmp_path / (DONE.file or "")
    if found is not None:
        path.write_bytes(found)
    outcomes = {each.key: each for each in (DONE, FAILED)}
    entries = [FleetEntry(key, "http://h/") for key in (DONE.key, FAILED.key, "other")]
    confirmed = believed(outcomes, entries, tmp_path)
    assert (DONE.key in confirmed) is (found == b"abc")
    assert confirmed[FAILED.key] == FAILED
    assert path.exists() is (found == b"abc")


def test_a_journal_that_is_a_link_truncates_no_other_file(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.write_bytes(b"mine")
    (tmp_path / "j").hardlink_to(mine)
    with pytest.raises(OSError, match="is a link to another file; remove it"):
        read(tmp_path / "j")
    assert mine.read_bytes() == b"mine"


def test_a_backup_made_of_links_stops_no_run(tmp_path: Path) -> None:
    path = tmp_path / "j"
    written(path, ALL)
    (tmp_path / "backup").hardlink_to(path)
    assert read(path) == {each.key: each for each in ALL}


def test_a_line_too_deep_to_read_ends_what_is_believed(tmp_path: Path) -> None:
    path = tmp_path / "j"
    path.write_bytes(written(path, [DONE]) + b'{"host":' + b"[" * 100_000 + b"\n")
    assert read(path) == {DONE.key: DONE}


GOOD, WRONG = (f"sha256:{hashlib.sha256(data).hexdigest()}" for data in (b"abc", b"xyz"))
MD5 = f"md5:{hashlib.md5(b'abc').hexdigest()}"


@pytest.mark.parametrize(
    ("of_entry", "of_journal", "is_believed"),
    [
        (None, None, True),
        (GOOD, None, True),
        (None, GOOD, True),
        (GOOD, GOOD, True),
        (GOOD, MD5, True),
        (WRONG, None, False),
        (WRONG, GOOD, False),
        (WRONG, WRONG, False),
        (GOOD, WRONG, False),
        (None, WRONG, False),
        (None, "shake_128:00", False),
        (None, "abc", False),
        (GOOD, "", False),
    ],
)
def test_it_is_believed_only_with_the_checksums(
    tmp_path: Path, of_entry: str | None, of_journal: str | None, is_believed: bool
) -> None:
    """Somebody else may have written both the journal and the file."""
    path = tmp_path / (DONE.file or "")
    path.write_bytes(b"abc")
    entry = FleetEntry(DONE.key, "http://h/", hash=of_entry)
    outcome = replace(DONE, hash=of_journal)
    confirmed = believed({DONE.key: outcome}, [entry], tmp_path)
    assert confirmed == ({DONE.key: outcome} if is_believed else {})
    assert path.exists() is is_believed


def test_only_a_file_is_believed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"abc")
    path = tmp_path / (DONE.file or "")
    entry = FleetEntry(DONE.key, "http://h/", hash=GOOD)
    for make in (os.mkfifo, lambda link: link.symlink_to("elsewhere")):
        make(path)
        outcome = replace(DONE, size=path.lstat().st_size)
        assert believed({DONE.key: outcome}, [entry], tmp_path) == {}
        assert not path.is_symlink() and not path.exists()
    assert elsewhere.read_bytes() == b"abc"
