"""SessionStore: real files, real second processes, real faults."""

import os
import random
import shutil
import signal
import socket
import sqlite3
import stat
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, nullcontext
from pathlib import Path
from typing import Any

import pytest

from rheo_core.domain import FileConfig
from rheo_core.infrastructure import session_files, session_schema, session_store
from rheo_core.infrastructure.session_head import LAYOUT
from rheo_core.infrastructure.session_integrity import Seals, seal_with
from rheo_core.infrastructure.session_store import (
    Proof,
    SessionLockedError,
    SessionStore,
    SessionStoreError,
    StoredDownload,
    check_session_path,
)
from rheo_core.infrastructure.session_tally import TallyNote, read_tally
from tests.core.engine import names_in
from tests.core.stored import child, opened, row

ROOT = Path(__file__).parents[2]


def ended(number: int, at: float, status: str = "completed", **values: Any) -> StoredDownload:
    return row(number, status=status, finished_at=at, **values)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "session.db"


def numbers(store: SessionStore) -> list[int]:
    return [int(download.id, 16) for download in store.load()]


def content(path: Path) -> list[int]:
    with opened(path) as store:
        return numbers(store)


def crashed(path: Path, *changes: Callable[[sqlite3.Connection], object]) -> Path:
    """Return a session as a crash leaves it, with row 1 in the file and row 2 in the log."""
    live = path.parent.with_name("live") / path.name
    with opened(live) as store:
        store.save([row(1)])
        connection = store._connection
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        store.save([row(2)])
        for change in changes:
            change(connection)
        path.parent.mkdir(parents=True, exist_ok=True)
        for suffix in ("", "-wal"):
            shutil.copy(f"{live}{suffix}", f"{path}{suffix}")
    return path


class TestContents:
    def test_what_is_saved_is_loaded(self, path: Path) -> None:
        full = StoredDownload(
            id="0123456789abcdef",
            config='{"url":"https://user:pass@example.org/ü?token=1"}',
            status="failed",
            priority=7,
            rank="-7/2",
            added_at=1.5,
            started_at=2.25,
            finished_at=3.125,
            bytes_downloaded=2**62,
            total_bytes=2**63 - 1,
            destination=os.fsdecode(b"/tmp/\xff\xfe/\xc3\xbc"),
            name="ü 'quoted' \"name\"",
            error="ends with NUL \x00 and more",
            attempt=4,
            failures=3,
            validation="{}",
            reason="because",
            max_attempts=5,
            elapsed=12.5,
            transferred=99,
            listed=True,
        )
        with opened(path) as store:
            store.save([full, row()])
        with opened(path) as store:
            assert store.load() == [full, row()]

    def test_the_order_is_that_of_the_queue(self, path: Path) -> None:
        places = [(1, "10"), (1, "9"), (2, "100"), (1, "19/2"), (1, "-1"), (1, "28/3")]
        with opened(path) as store:
            store.save(row(n, priority=p, rank=r) for n, (p, r) in enumerate(places))
            assert numbers(store) == [2, 4, 1, 5, 3, 0]

    def test_only_the_list_is_loaded(self, path: Path) -> None:
        with opened(path) as store:
            store.save([ended(1, 1.0), ended(2, 2.0, listed=False), row(3)])
            assert numbers(store) == [1, 3]
            assert store.find(row(2).id) == ended(2, 2.0, listed=False)
            assert store.find("unknown") is None
            store.save([row(2)])  # added again
            assert numbers(store) == [1, 2, 3]

    def test_rows_that_were_taken_while_the_list_was_read_are_not_kept(self, path: Path) -> None:
        rows = [row(number) for number in range(2500)]
        with opened(path) as store:
            store.save(rows)
        taken: list[StoredDownload] = []
        store = SessionStore.open(path, on_rows=taken.extend).store
        with closing(store):
            assert len(taken) == 2200  # the first piece fills a screen
            store.forget(ended_before=1.0)  # does not change the list
            assert taken + store.load() == rows
            assert store.load() == rows

    def test_save_replaces_and_write_takes_out(self, path: Path) -> None:
        with opened(path) as store:
            store.save([row(1), row(2), row(3)])
            store.save([row(2, status="paused", error="no")])
            store.write([], [row(1).id, "unknown"])
            assert store.load() == [row(2, status="paused", error="no"), row(3)]
            store.write([row(4)], [row(3).id])
            assert numbers(store) == [2, 4]

    def test_a_save_is_whole_or_not_at_all(self, path: Path) -> None:
        def broken() -> Iterator[StoredDownload]:
            yield row(2)
            raise RuntimeError("in the middle")

        with opened(path) as store:
            store.save([row(1)])
            with pytest.raises(RuntimeError):
                store.save(broken())
            store.save([row(3)])
            assert numbers(store) == [1, 3]

    def test_absurd_numbers_do_not_keep_the_rest_from_being_written(self, path: Path) -> None:
        with opened(path) as store:
            store.save([row(1, total_bytes=10**30, priority=10**30), row(2)])
            assert store.load()[0].total_bytes == 2**63 - 1

    def test_ten_thousand(self, path: Path) -> None:
        rows = [row(number) for number in range(10_000)]
        with opened(path) as store:
            store.save(rows)
        with opened(path) as store:
            assert store.load() == rows
        assert path.stat().st_size < 10_000 * 300

    def test_a_closed_store_says_so(self, path: Path) -> None:
        store = SessionStore.open(path).store
        store.close()
        store.close()
        with pytest.raises(SessionStoreError, match="closed"):
            store.load()


class TestHistory:
    @pytest.fixture
    def store(self, path: Path) -> Iterator[SessionStore]:
        with opened(path) as store:
            store.save(
                [
                    row(1, name="ubuntu.iso"),
                    ended(2, 20.0, name="Ubuntu.ISO"),
                    ended(3, 30.0, "failed", name="ÜBUNG 100%.pdf", listed=False),
                    ended(
                        4,
                        40.0,
                        "skipped",
                        config='{"url":"https://example.org/?q=UBUNTU"}',
                        listed=False,
                    ),
                    ended(5, 50.0, "cancelled", listed=False),
                    row(6, status="paused", name="ubuntu"),
                ]
            )
            yield store

    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ("ubuntu", [4, 2]),
            ("übung", [3]),
            ("100%", [3]),
            ("", [5, 4, 3, 2]),
            ("url", []),
            ("_", []),
            ("' OR 1", []),
            ('"', []),
            ("%", [3]),
        ],
    )
    def test_search(self, store: SessionStore, text: str, found: list[int]) -> None:
        assert [int(download.id, 16) for download in store.search(text, 10)] == found

    def test_search_by_pages(self, store: SessionStore) -> None:
        pages = [store.search("", 3, offset) for offset in (0, 3, 6)]
        assert [len(page) for page in pages] == [3, 1, 0]
        assert pages[1][0].id == row(2).id

    def test_search_does_not_mind_a_damaged_row(self, store: SessionStore) -> None:
        store.save(
            [
                ended(7, 70.0, config="{ubuntu"),
                ended(8, 80.0, config='["ubuntu"]', name="\\"),
                ended(9, 90.0, config="[" * 10_000 + "ubuntu"),
            ]
        )
        assert [int(download.id, 16) for download in store.search("ubuntu", 10)] == [4, 2]

    def test_search_reads_what_the_json_escapes(self, store: SessionStore) -> None:
        store.save([ended(7, 70.0, config='{"url":"https://example.org/\\u00fc\\"b"}')])
        assert [int(download.id, 16) for download in store.search('Ü"B', 10)] == [7]

    def test_a_page_of_a_long_history_costs_a_page(self, store: SessionStore) -> None:
        plan = store._connection.execute(
            f"EXPLAIN QUERY PLAN {session_store._SEARCH}",
            {"text": "", "limit": 1, "offset": 0, "failed": True},
        ).fetchall()
        assert ["by_end" in step[3] for step in plan] == [True]  # and nothing is sorted

    @pytest.mark.parametrize(
        ("arguments", "left"),
        [
            ({}, {1, 2, 6}),
            ({"ended_before": 40.0}, {1, 2, 4, 5, 6}),
            ({"text": "Ubuntu"}, {1, 2, 3, 5, 6}),
            ({"text": "ubuntu", "ended_before": 40.0}, {1, 2, 3, 4, 5, 6}),
            ({"ids": [row(n).id for n in (1, 2, 3, 6)]}, {1, 2, 4, 5, 6}),
            ({"ids": []}, {1, 2, 3, 4, 5, 6}),
        ],
    )
    def test_forget(self, store: SessionStore, arguments: Any, left: set[int]) -> None:
        assert store.forget(**arguments) == 6 - len(left)
        assert {number for number in range(1, 7) if store.find(row(number).id)} == left

    def test_the_version_tells_what_others_write(self, store: SessionStore, path: Path) -> None:
        with opened(path, read_only=True) as reader:
            before = reader.version()
            assert reader.version() == before
            store.save([row(9)])
            assert reader.version() != before
            assert 9 in numbers(reader)


class TestPermissions:
    def test_for_the_user_alone_whatever_the_umask(self, path: Path) -> None:
        code = """
os.umask(0)
store = SessionStore.open(path).store
store.save([row(1)])
print("saved", flush=True)
sys.stdin.read()
"""
        with child(code, path) as process:
            assert process.stdout.readline() == "saved\n"
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
        assert modes == dict.fromkeys(
            ["session.db", "session.db-wal", "session.db-shm", "session.lock", "session.tally"],
            0o600,
        )
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700

    def test_a_file_that_others_could_read_is_closed_to_them(self, path: Path) -> None:
        for name in (crashed(path), Path(f"{path}-wal")):
            name.chmod(0o666)
        with opened(path) as store:
            assert numbers(store) == [1, 2]
            assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}

    def test_a_folder_that_is_there_is_left_as_it_is(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o755)
        with opened(tmp_path / "session.db"):
            assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


class TestCrashes:
    def test_killed_after_save_returned(self, path: Path) -> None:
        code = """
store = SessionStore.open(path).store
store.save([row(1), row(2)])
os.kill(os.getpid(), signal.SIGKILL)
"""
        with child(code, path) as process:
            assert process.wait() == -signal.SIGKILL
        assert content(path) == [1, 2]

    def test_killed_anywhere(self, path: Path) -> None:
        """Every acknowledged row is there, and no other."""
        code = """
store = SessionStore.open(path).store
for number in range(int(sys.argv[2]), 10**9):
    store.write([row(number, error="x" * 3000)], [row(number - 50).id])
    print(number, flush=True)
"""
        last = 0
        for kill_after in (1, 2, 30, 190, 400):  # the log is copied into the file now and then
            with child(code, path, last + 1) as process:
                for _ in range(kill_after):
                    last = int(process.stdout.readline())
                process.kill()
                last = int((process.stdout.readlines() or [last])[-1])
            there = content(path)
            assert set(range(max(last - 49, 1), last + 1)) - {last - 49} <= set(there)
            assert there[-1] <= last + 1
            last = there[-1]

    def test_a_log_that_ends_in_the_middle_is_no_damage(self, path: Path) -> None:
        log = Path(f"{crashed(path)}-wal")
        log.write_bytes(log.read_bytes()[:-5000])
        assert content(path) == [1]

    @pytest.mark.parametrize("is_ours", [True, False])
    def test_a_half_made_session_is_made_again(self, path: Path, is_ours: bool) -> None:
        with opened(path):
            pass
        head = path.read_bytes()[:72] if is_ours else b"half"
        path.unlink()
        new = path.with_name(".session.db.unfinished")
        new.write_bytes(head + b"half")
        assert content(path) == []
        assert new.exists() == (not is_ours)
        assert is_ours or new.read_bytes() == b"halfhalf"

    def test_a_session_that_was_mended_but_not_yet_put_in_place(self, path: Path) -> None:
        with opened(path) as store:
            store.save([row(1)])
        path.rename(path.with_name(".session.db.unfinished"))
        assert content(path) == [1]

    def test_without_a_write_ahead_log(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(session_files, "connect", without_shared_memory)
        with opened(path) as store:
            store.save([row(1, error="x" * 100_000)])
            assert store._connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
            assert content_of_reader(path) == [1]
        assert content(path) == [1]

    def test_half_a_transaction_without_a_write_ahead_log(self, path: Path) -> None:
        live = path.parent.with_name("live") / path.name
        path.parent.mkdir()
        with opened(live) as store:
            store.save(row(n, error="x" * 2000) for n in (1, 2))
        with closing(sqlite3.connect(live, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = DELETE")
            connection.execute("PRAGMA cache_size = 2")  # so that pages reach the file early
            connection.execute("BEGIN")
            connection.execute("UPDATE downloads SET error = hex(zeroblob(50000)), name = 'half'")
            for suffix in ("", "-journal"):
                shutil.copy(f"{live}{suffix}", f"{path}{suffix}")
        with opened(path) as store:
            assert [download.name for download in store.load()] == ["file-1", "file-2"]


def without_shared_memory(path: Path, mode: str) -> sqlite3.Connection:
    """`connect` as on a file system without shared memory: this VFS has none."""
    return sqlite3.connect(
        f"file:{path}?mode={mode}&vfs=unix-dotfile",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
    )


def content_of_reader(path: Path) -> list[int]:
    with opened(path, read_only=True) as store:
        return numbers(store)


def overwrite(at: int, data: bytes) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        with path.open("r+b") as file:
            file.seek(at)
            file.write(data)

    return damage


def run_sql(*statements: str) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            for statement in statements:
                connection.execute(statement)

    return damage


DAMAGES: dict[str, tuple[Callable[[Path], object], str, int]] = {
    "corrupt header": (overwrite(0, b"garbage!" * 4), "damaged header", 200),
    "corrupt page": (overwrite(4096, b"\xff" * 4096), "damaged", 200),
    "cut short": (lambda path: os.truncate(path, 6000), "damaged", 0),
    "another number": (run_sql("PRAGMA application_id = 1"), "damaged header", 200),
    "no version": (run_sql("PRAGMA user_version = 0"), "damaged", 200),
    "an older version": (run_sql("PRAGMA user_version = 2"), "damaged", 200),
    "no table": (run_sql("ALTER TABLE downloads RENAME TO uploads"), "damaged", 200),
    "no column": (run_sql("ALTER TABLE downloads RENAME COLUMN rank TO place"), "damaged", 200),
    "a trigger": (
        run_sql("CREATE TRIGGER x AFTER INSERT ON downloads BEGIN DELETE FROM downloads; END"),
        "damaged",
        200,
    ),
    "no tally": (run_sql("DELETE FROM tally"), "tally", 200),
    "a wrong tally": (run_sql("UPDATE tally SET downloads = 7"), "tally", 200),
    "a row without an index": (
        run_sql("PRAGMA writable_schema = ON", "DELETE FROM sqlite_schema WHERE name = 'by_end'"),
        "damaged",
        200,
    ),
}


def make_foreign(*statements: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        path.unlink()
        run_sql(*statements)(path)

    return make


FOREIGN: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (lambda path: os.truncate(path, 0), "is empty"),
    "a few bytes": (lambda path: os.truncate(path, 10), "is not a session"),
    "a text file": (lambda path: path.write_text("dear diary\n" * 500), "is not a session"),
    "another program's": (
        make_foreign("PRAGMA journal_mode = WAL", "CREATE TABLE moz_places (url TEXT)"),
        "another program",
    ),
    "one with our table": (
        make_foreign("CREATE TABLE downloads (url TEXT)", "CREATE TABLE tally (a, b, c, d)"),
        "another program",
    ),
    "the future": (run_sql("PRAGMA user_version = 99"), "newer version"),
}


def files_in(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


class TestDamage:
    @pytest.mark.parametrize("name", DAMAGES)
    def test_it_is_set_aside_and_its_rows_are_saved(self, path: Path, name: str) -> None:
        damage, word, count = DAMAGES[name]
        rows = [row(number) for number in range(200)]
        with opened(path) as store:
            store.save(rows)
        (path.parent / "file.part").write_bytes(b"of a download")
        damage(path)
        before = path.read_bytes()

        check_session_path(path)
        assert path.read_bytes() == before
        session = SessionStore.open(path)
        with closing(session.store) as store:
            (problem,) = session.problems
            assert word in problem
            told = f"all of its {count}" if count == 200 else f"{count} of its 200"
            assert f"{told} downloads were saved" in problem
            assert store.load() == rows[:count]
            store.save([row(1000)])
        assert content(path) == [*range(count), 1000]
        after = files_in(path.parent)
        (aside,) = (n for n in after if ".damaged-" in n and not n.endswith(("-wal", "-shm")))
        assert after[aside] == before
        assert aside in problem
        assert stat.S_IMODE((path.parent / aside).stat().st_mode) == 0o600
        assert after["file.part"] == b"of a download"

    @pytest.mark.parametrize("name", [n for n in DAMAGES | FOREIGN if "tally" not in n])
    def test_a_reader_changes_nothing(self, path: Path, name: str) -> None:
        damage, *_ = (DAMAGES | FOREIGN)[name]
        with opened(path) as store:
            store.save(row(number) for number in range(200))
        damage(path)
        before = path.read_bytes()
        with pytest.raises(SessionStoreError, match=r"cannot be read: it|newer version"):
            SessionStore.open(path, read_only=True)
        assert path.read_bytes() == before
        assert not [file for file in path.parent.iterdir() if "damaged" in file.name]

    @pytest.mark.parametrize("name", FOREIGN)
    def test_what_is_not_ours_is_left_alone(self, path: Path, name: str) -> None:
        damage, word = FOREIGN[name]
        with opened(path) as store:
            check_session_path(path)
            store.save(row(number) for number in range(200))
        damage(path)
        path.chmod(0o644)
        before = files_in(path.parent)
        with pytest.raises(SessionStoreError, match=word):
            check_session_path(path)
        assert files_in(path.parent) == before
        with pytest.raises(SessionStoreError, match=word):
            SessionStore.open(path)
        assert files_in(path.parent) == before
        assert stat.S_IMODE(path.stat().st_mode) == 0o644

    @pytest.mark.parametrize("name", FOREIGN)
    def test_at_the_place_of_our_own_it_is_set_aside(self, state_home: Path, name: str) -> None:
        damage, word = FOREIGN[name]
        path = state_home / "rheo" / "session.db"
        with opened(path) as store:
            store.save(row(number) for number in range(200))
        damage(path)
        before = path.read_bytes()
        if name == "the future":
            with pytest.raises(SessionStoreError, match="newer version"):
                SessionStore.open(path)
            assert path.read_bytes() == before
            return
        session = SessionStore.open(path)
        session.store.close()
        assert word in session.problems[0] and "0 of its 200" in session.problems[0]
        assert content(path) == []
        assert before in files_in(path.parent).values()

    def test_a_place_needs_its_folder(self, path: Path) -> None:
        path.parent.mkdir()
        check_session_path(path)
        with pytest.raises(SessionStoreError, match="its folder does not exist"):
            check_session_path(path / "new.db")
        assert list(path.parent.iterdir()) == []

    def test_the_log_of_a_newer_version_is_kept_as_it_is(self, path: Path) -> None:
        crashed(path, lambda connection: connection.execute("PRAGMA user_version = 99"))
        before = files_in(path.parent)
        with pytest.raises(SessionStoreError, match="newer version"):
            SessionStore.open(path)
        after = files_in(path.parent)
        assert {name: after[name] for name in before} == before

    def test_a_log_of_garbage(self, path: Path) -> None:
        Path(f"{crashed(path)}-wal").write_bytes(b"garbage!" * 2000)
        session = SessionStore.open(path)
        with closing(session.store) as store:
            (problem,) = session.problems
            assert "journal: all of its 1 downloads were saved, except changes that" in problem
            assert numbers(store) == [1]
            store.save([row(3)])
        assert content(path) == [1, 3]
        assert b"garbage!" * 2000 in files_in(path.parent).values()

    def test_a_log_without_its_file(self, path: Path) -> None:
        """Its one page of rows holds both."""
        crashed(path).unlink()
        session = SessionStore.open(path)
        session.store.close()
        assert "is missing, but its journal exists: all of its 2 down" in session.problems[0]
        assert content(path) == [1, 2]
        assert [name for name in files_in(path.parent) if name.endswith("-wal")]

    def test_a_log_of_somebody_else(self, path: Path) -> None:
        path.parent.mkdir()
        Path(f"{path}-wal").write_text("dear diary")
        for refused in (check_session_path, SessionStore.open):
            with pytest.raises(SessionStoreError, match="its journal exists"):
                refused(path)
        assert Path(f"{path}-wal").read_text() == "dear diary"

    def test_twice_in_one_second(self, state_home: Path) -> None:
        path = state_home / "rheo" / "session.db"
        path.parent.mkdir()
        for text in ("first", "second", "third"):
            path.write_text(text)
            SessionStore.open(path).store.close()
        asides = {data for name, data in files_in(path.parent).items() if "damaged" in name}
        assert asides == {b"first", b"second", b"third"}

    def test_flipped_bytes(self, path: Path) -> None:
        """Anywhere in the file: it opens, whatever it says, and what can be read is read."""
        with opened(path) as store:
            store.save(row(number, error="ü" * 50) for number in range(60))
        good = path.read_bytes()
        chance = random.Random(20_250_101)
        for _ in range(60):
            data = bytearray(good)
            for _ in range(chance.choice((1, 1, 20))):
                data[chance.randrange(len(data))] = chance.randrange(256)
            for file in path.parent.iterdir():
                file.unlink()
            path.write_bytes(data)
            session = SessionStore.open(path)
            with closing(session.store) as store:
                assert session.problems or store.load()
                store.load()
                store.save([row(1000)])
                assert row(1000) in store.load()

    def test_what_is_no_file_is_not_touched(self, path: Path) -> None:
        path.mkdir(parents=True)
        with pytest.raises(SessionStoreError, match="not a regular file"):
            SessionStore.open(path)
        assert path.is_dir()

    def test_no_folder_can_be_made(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(SessionStoreError, match="file exists"):
            SessionStore.open(tmp_path / "file" / "session.db")


class TestLock:
    holding = """
store = SessionStore.open(path).store
store.save([row(1)])
print("open", flush=True)
sys.stdin.readline()
store.close()
print("closed", flush=True)
sys.stdin.readline()
"""

    def test_one_process_at_a_time(self, path: Path) -> None:
        with child(self.holding, path) as process:
            process.stdout.readline()
            for name in (path, path.parent / ".." / "state" / "session.db"):
                with pytest.raises(SessionLockedError) as caught:
                    SessionStore.open(name)
                assert caught.value.pid == process.pid
                assert caught.value.host == socket.gethostname()
                assert caught.value.path == path
                assert str(process.pid) in str(caught.value)
            process.stdin.write("close\n")
            process.stdin.flush()
            assert process.stdout.readline() == "closed\n"
            assert content(path) == [1]

    def test_a_dead_process_holds_nothing(self, path: Path) -> None:
        with child(self.holding, path) as process:
            process.stdout.readline()
            process.kill()
            process.wait()
            assert str(process.pid) in path.with_name("session.lock").read_text()
            assert content(path) == [1]

    def test_the_second_one_may_read(self, path: Path) -> None:
        with child(self.holding, path) as process:
            process.stdout.readline()
            with opened(path, read_only=True) as store:
                assert numbers(store) == [1]
                with pytest.raises(SessionStoreError, match="readonly"):
                    store.save([row(2)])
                with pytest.raises(SessionLockedError):
                    SessionStore.open(path)
            process.stdin.write("close\n")
            process.stdin.flush()
            assert process.stdout.readline() == "closed\n"

    def test_not_even_this_process_twice(self, path: Path) -> None:
        with opened(path):
            for _ in range(2):  # the attempt itself must not drop the lock
                with pytest.raises(SessionLockedError) as caught:
                    SessionStore.open(path)
                assert caught.value.pid == os.getpid()
            with child(self.holding, path) as process:
                assert process.stdout.readline() == ""
                assert process.wait() == 1
        assert content(path) == []

    def test_sessions_do_not_mind_each_other(self, path: Path) -> None:
        with opened(path), opened(path.with_name("other.db")) as other:
            other.save([row(1)])
        assert content(path) == []

    def test_a_lock_file_without_sense(self, path: Path) -> None:
        with child(self.holding, path) as process:
            process.stdout.readline()
            path.with_name("session.lock").write_text('{"pid": "\\u001b[31m"')
            with pytest.raises(SessionLockedError, match="another process") as caught:
                SessionStore.open(path)
            assert caught.value.pid is None

    @pytest.mark.parametrize("is_replaced", [True, False])
    def test_a_lock_that_is_removed_keeps_a_second_writer_out_all_the_same(
        self, path: Path, is_replaced: bool
    ) -> None:
        with child(self.holding, path) as process:
            process.stdout.readline()
            path.with_name("session.lock").unlink()
            if is_replaced:
                path.with_name("session.lock").touch()
            for _ in range(2):
                with pytest.raises(SessionLockedError, match="another process"):
                    SessionStore.open(path)
            with opened(path, read_only=True) as store:
                assert numbers(store) == [1]
            process.stdin.write("close\n")
            process.stdin.flush()
            assert process.stdout.readline() == "closed\n"
            assert content(path) == [1]

    def test_a_removed_lock_keeps_even_this_process_out(self, path: Path) -> None:
        with opened(path) as store:
            path.with_name("session.lock").unlink()
            with pytest.raises(SessionLockedError):
                SessionStore.open(path)
            store.save([row(1)])
            with child(self.holding, path) as process:
                assert process.stdout.readline() == ""
        assert content(path) == [1]

    def test_the_writer_of_a_mended_session_holds_it_too(self, path: Path) -> None:
        with opened(path) as store:
            store.save([row(1), row(2)])
        overwrite(0, b"garbage!")(path)
        session = SessionStore.open(path)
        with closing(session.store):
            assert session.problems
            path.with_name("session.lock").unlink()
            with child(self.holding, path) as process:
                assert process.stdout.readline() == ""
        assert content(path) == [1, 2]

    @pytest.mark.parametrize("suffix", [".lock", ".db-wal", ".db-shm", ".db-journal", ".tally"])
    @pytest.mark.parametrize("kind", ["text", "hard link", "symbolic link", "folder", "fifo"])
    @pytest.mark.parametrize("is_there", [True, False])
    def test_what_stands_at_the_names_beside_it_is_left_alone(
        self, path: Path, suffix: str, kind: str, is_there: bool
    ) -> None:
        path.parent.mkdir()
        if is_there:
            with opened(path) as store:
                store.save([row(1)])
        beside, precious = path.with_name(f"session{suffix}"), path.with_name("precious")
        precious.write_text("precious")
        beside.unlink(missing_ok=True)
        makers: dict[str, Callable[[], object]] = {
            "text": lambda: beside.write_text("precious"),
            "hard link": lambda: beside.hardlink_to(precious),
            "symbolic link": lambda: beside.symlink_to(precious),
            "folder": beside.mkdir,
            "fifo": lambda: os.mkfifo(beside),
        }
        makers[kind]()
        before = beside.lstat()
        # SQLite's own files, however damaged: its index, and its log beside a session of ours.
        is_of_sqlite = suffix == ".db-shm" or (suffix == ".db-wal" and is_there)
        is_opened = suffix == ".tally" or (kind == "text" and is_of_sqlite)
        with nullcontext() if is_opened else pytest.raises(SessionStoreError):
            SessionStore.open(path).store.close()
        assert precious.read_text() == "precious"
        after = [file.lstat() for file in path.parent.iterdir()]
        assert (before.st_ino, before.st_size) in [
            (file.st_ino, file.st_size) for file in after
        ] or (
            suffix == ".db-shm"  # SQLite's, whatever was in it
        )

    def test_nothing_to_read(self, path: Path) -> None:
        with pytest.raises(SessionStoreError, match="no such file"):
            SessionStore.open(path, read_only=True)
        assert not path.parent.exists()


class TestFullDisk:
    """The state before the write that did not fit stays, and the store goes on afterwards."""

    code = """
import resource
from rheo_core.infrastructure.session_store import SessionStoreError
kind = sys.argv[2]
store = SessionStore.open(path).store
store.save([row(1), row(2)])
if kind == "limit":
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
try:
    store.write([row(3, error="x" * 2_000_000)], [row(1).id])
except SessionStoreError as error:
    print(error.problem)
print([int(download.id, 16) for download in store.load()])
if kind == "limit":
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
store.save([row(4)])
store.close()
store = SessionStore.open(path).store
print([int(download.id, 16) for download in store.load()])
"""

    def run(self, folder: Path, kind: str, prefix: tuple[str, ...] = ()) -> list[str]:
        with child(self.code, folder / "session.db", kind, prefix=prefix) as process:
            lines = [str(line).rstrip("\n") for line in process.stdout]
            assert process.wait() == 0
        return lines

    def test_no_space(self, tmp_path: Path) -> None:
        mount = f'mount -t tmpfs -o size=1m tmpfs {tmp_path} && exec "$@"'
        prefix = ("unshare", "-rm", "sh", "-c", mount, "sh")
        if (
            shutil.which("unshare") is None
            or subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode
        ):
            pytest.skip("no file system can be mounted here")
        assert self.run(tmp_path, "space", prefix) == ["disk full", "[1, 2]", "[1, 2, 4]"]

    def test_no_larger_file(self, tmp_path: Path) -> None:
        assert self.run(tmp_path, "limit") == ["disk I/O error", "[1, 2]", "[1, 2, 4]"]

    def test_no_space_for_a_new_session(self, tmp_path: Path) -> None:
        code = """
import resource
from rheo_core.infrastructure.session_store import SessionStoreError
resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, resource.RLIM_INFINITY))
try:
    SessionStore.open(path)
except SessionStoreError:
    print(path.exists())
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
print(SessionStore.open(path).problems)
"""
        with child(code, tmp_path / "session.db") as process:
            assert process.stdout.read() == "False\n()\n"


VERSION_1 = """
PRAGMA journal_mode = WAL;
PRAGMA application_id = 1382573423;
CREATE TABLE downloads (
    id TEXT NOT NULL PRIMARY KEY,
    config TEXT NOT NULL,
    status TEXT NOT NULL,
    priority INTEGER NOT NULL,
    rank TEXT NOT NULL,
    added_at REAL NOT NULL,
    started_at REAL,
    finished_at REAL,
    bytes_downloaded INTEGER NOT NULL,
    total_bytes INTEGER,
    destination BLOB,
    name TEXT NOT NULL,
    error TEXT,
    attempt INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    validation TEXT,
    reason TEXT NOT NULL,
    max_attempts INTEGER NOT NULL,
    elapsed REAL NOT NULL,
    transferred INTEGER NOT NULL
);
INSERT INTO downloads VALUES (
    '0000000000000001', '{"url":"https://example.org/file-1"}', 'queued', 1, '1', 1.5, NULL, NULL,
    0, NULL, NULL, 'file-1', NULL, 0, 0, NULL, '', 1, 0.0, 0
);
INSERT INTO downloads VALUES (
    '0000000000000002', '{"url":"https://example.org/file-2"}', 'completed', 1, '2', 1.5, 2.5, 3.5,
    7, 7, CAST('/tmp/file-2' AS BLOB), 'file-2', NULL, 1, 0, NULL, '', 6, 0.5, 7
);
PRAGMA user_version = 1;
"""
"""Statements of the first version, word for word; never change them."""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_session_of_another_user_gets_nothing_beside_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock of ours would keep its owner out, even if all may write to the session."""
    with opened(path) as store:
        store.save([row(1)])
    for beside in ("session.lock", "session.tally"):
        path.with_name(beside).unlink()
    path.chmod(0o666)
    os.chown(path, 12345, -1)
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    for refuse in (check_session_path, SessionStore.open):
        with pytest.raises(SessionStoreError, match="belongs to another user"):
            refuse(path)
    assert names_in(path.parent) == ["session.db"]
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    os.chown(path, 0, -1)
    with opened(path) as store:
        assert len(store.load()) == 1


@pytest.mark.parametrize("name", ["session.lock", "session.tally"])
def test_zeros_that_a_loss_of_power_left_are_ours(path: Path, name: str) -> None:
    with opened(path) as store:
        store.save([row(1)])
    beside = path.with_name(name)
    beside.write_bytes(bytes(57))
    check_session_path(path)
    with opened(path) as store:
        store.save([row(2)])
        assert beside.read_bytes().startswith((b"{", b"rheo tally "))
        assert len(store.load()) == 2


def test_links_in_a_circle_are_refused_in_a_sentence(path: Path) -> None:
    path.parent.mkdir()
    path.symlink_to(path.name)
    for refuse in (check_session_path, SessionStore.open):
        with pytest.raises(SessionStoreError, match="links cannot be followed"):
            refuse(path)


def test_a_circle_at_the_place_of_our_own_does_not_matter_to_another(
    path: Path, state_home: Path
) -> None:
    own = state_home / "rheo" / "session.db"
    own.parent.mkdir()
    own.symlink_to(own.name)
    with opened(path) as store:
        assert store.load() == []


def test_a_reader_that_fails_leaves_nothing_open(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(path):
        pass
    connections = []

    def connect(*arguments: Any) -> sqlite3.Connection:
        connections.append(sqlite_connect(*arguments))
        return connections[-1]

    sqlite_connect = session_files.connect
    monkeypatch.setattr(session_files, "connect", connect)

    def damaged(connection: sqlite3.Connection) -> int:
        if len(connections) > 1:  # between the check and the use
            raise sqlite3.OperationalError("disk I/O error")
        return version_of(connection)

    version_of = session_schema.version_of
    monkeypatch.setattr(session_schema, "version_of", damaged)
    with pytest.raises(SessionStoreError, match="disk I/O error"):
        SessionStore.open(path, read_only=True)
    for connection in connections:
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            connection.execute("SELECT 1")


@pytest.mark.parametrize("value", ["zeroblob({})", "printf('%.*c', {}, 'x')"])
@pytest.mark.parametrize("read_only", [True, False])
def test_a_value_that_takes_too_much_memory_is_not_read(
    path: Path, value: str, read_only: bool
) -> None:
    with opened(path) as store:
        store.save(row(number) for number in range(3))
    run_sql(f"UPDATE downloads SET reason = {value.format(65 << 20)} WHERE rowid = 2")(path)
    before = path.stat().st_size
    with (
        pytest.raises(SessionStoreError, match=r"session .*: a value in it is too long$"),
        opened(path, read_only=read_only) as store,
    ):
        store.load()
    assert path.stat().st_size == before
    assert not [file for file in path.parent.iterdir() if "damaged" in file.name]


def test_sessions_of_similar_names_share_nothing(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("c", "c.db", "c.db.db", ".db", "db")]
    with ExitStack() as stack:
        stores = [stack.enter_context(opened(path)) for path in paths]
        for number, store in enumerate(stores):
            store.save([row(number)])
    for number, path in enumerate(paths):
        check_session_path(path)
        with opened(path) as store:
            assert numbers(store) == [number]


@pytest.mark.parametrize("ending", ["-wal", "-shm", "-journal"])
def test_no_session_has_the_name_of_a_file_beside_another(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"session.db{ending}"
    link = tmp_path / "link.db"
    link.symlink_to(path)
    for refused in (path, link):
        for refuse in (check_session_path, SessionStore.open):
            with pytest.raises(SessionStoreError, match="which SQLite uses itself"):
                refuse(refused)
    assert list(tmp_path.iterdir()) == [link]


def layout_3(path: Path, seals: Seals) -> None:
    """Make a session as the version with layout 3 did."""
    path.parent.mkdir(exist_ok=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(VERSION_1)
        seal_with(connection, seals)
        session_schema.migrate(connection, session_schema.MIGRATIONS[:3])


class TestMigrations:
    def test_a_file_of_version_1(self, state_home: Path) -> None:
        path = state_home / "rheo" / "session.db"
        path.parent.mkdir()
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.executescript(VERSION_1)
        with pytest.raises(SessionStoreError, match="older version"):
            SessionStore.open(path, read_only=True)
        first = row(1, added_at=1.5, id_rule=0)
        second = ended(2, 3.5, added_at=1.5, started_at=2.5, id_rule=0)
        second = second._replace(
            bytes_downloaded=7, total_bytes=7, destination="/tmp/file-2", attempt=1,
            max_attempts=6, elapsed=0.5, transferred=7,
        )  # fmt: skip
        for _ in range(2):
            with opened(path) as store:
                assert store.load() == [first, second]
                assert store.search("", 10) == [second]
                assert session_schema.version_of(store._connection) == LAYOUT
        with opened(path) as store:
            store.save([second._replace(listed=False)])
            assert store.load() == [first]

    def test_a_file_of_version_1_from_elsewhere_proves_nothing(self, path: Path) -> None:
        path.parent.mkdir()
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.executescript(VERSION_1)
        for _ in range(2):
            with opened(path) as store:
                assert [found.proof for found in store.load()] == [Proof.INTACT] * 2

    def test_rows_sealed_without_a_key_prove_nothing(self, path: Path, state_home: Path) -> None:
        """If no key can be kept here, anybody can make the same seals."""
        (state_home / "rheo" / "key").mkdir(parents=True)
        bad = ": it is not a regular file of this user"
        with opened(path, bad) as store:
            store.save([row(1, destination="/etc/cron.d/file-1")])
        with opened(path, bad) as store:
            assert [found.proof for found in store.load()] == [Proof.INTACT]
        own = state_home / "rheo" / "session.db"
        shutil.copy(path, own)
        with opened(own, bad) as store:  # what is there is ours, whatever it holds
            assert [found.proof for found in store.load()] == [Proof.OURS]

    @pytest.mark.parametrize("is_our_own", [True, False])
    def test_a_damaged_file_of_version_1(self, state_home: Path, is_our_own: bool) -> None:
        """Without seals, the id of a row says whether its URL is as it was."""
        path = state_home / "rheo" / ("session.db" if is_our_own else "other.db")
        path.parent.mkdir()
        urls = [f"https://example.org/file-{number}" for number in range(3)]
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.executescript(VERSION_1)
            connection.execute("DELETE FROM downloads")
            for url in urls:
                values = list(row(config=f'{{"url":"{url}"}}', id=FileConfig(url=url).id))[:20]
                marks = ", ".join("?" * 20)
                connection.execute(f"INSERT INTO downloads VALUES ({marks})", values)
        data = path.read_bytes().replace(b"example.org/file-1", b"example.org/filE-1")
        path.write_bytes(data[:100] + b"\xff" + data[101:])  # and no table can be found
        session = SessionStore.open(path)
        with closing(session.store) as store:
            assert {found.config for found in store.load()} == {
                f'{{"url":"{url}"}}' for url in (urls[0], urls[2])
            }
            proof = Proof.OURS if is_our_own else Proof.INTACT
            assert {found.proof for found in store.load()} == {proof}
        assert "2 of its 3 downloads were saved" in session.problems[0]

    @pytest.mark.parametrize("is_damaged", [False, True])
    @pytest.mark.parametrize(("key", "proof"), [("ours", Proof.OURS), ("theirs", Proof.INTACT)])
    def test_a_file_of_layout_3(
        self, path: Path, state_home: Path, key: str, proof: Proof, is_damaged: bool
    ) -> None:
        """New seals prove what the old ones did, also if only the pages can be read."""
        with opened(state_home / "rheo" / "session.db"):  # makes the key
            pass
        own = (state_home / "rheo" / "key").read_bytes()
        layout_3(path, Seals(own if key == "ours" else b"another", owns_unsealed=True))
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("UPDATE downloads SET error = 'changed' WHERE name = 'file-2'")
        if is_damaged:
            data = path.read_bytes()
            path.write_bytes(data[:100] + b"\xff" + data[101:])
        session = SessionStore.open(path)
        with closing(session.store) as store:
            (first,) = store.load()
            assert (first.name, first.proof, first.failure) == ("file-1", proof, None)
            store.save([first._replace(failure="timeout no data for 3 s")])
        assert "1 of its 2 downloads were saved" in session.problems[0]
        with opened(path) as store:
            (again,) = store.load()
            assert again.failure == "timeout no data for 3 s"
            assert session_schema.version_of(store._connection) == LAYOUT

    def test_commits_that_a_file_of_layout_3_lost_are_missed(self, path: Path) -> None:
        seals = Seals(b"another", owns_unsealed=True)
        layout_3(path, seals)
        with closing(sqlite3.connect(path)) as connection:
            tally = read_tally(connection, seals)
        assert tally is not None
        with closing(TallyNote(path)) as note:
            note.write(tally._replace(commits=tally.commits + 5, downloads=7))
        session = SessionStore.open(path)
        session.store.close()
        assert "lost part of its journal: 2 of its 7 downloads" in session.problems[0]

    @pytest.mark.parametrize(
        "change", ["UPDATE tally SET commits = commits + 5", "DELETE FROM tally"]
    )
    def test_a_file_of_layout_3_with_a_wrong_tally_is_rebuilt(
        self, path: Path, change: str
    ) -> None:
        layout_3(path, Seals(b"another", owns_unsealed=True))
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(change)
            connection.commit()
        session = SessionStore.open(path)
        with closing(session.store) as store:
            assert len(store.load()) == 2
        assert "its tally is wrong" in session.problems[0]

    @pytest.fixture
    def old(self, path: Path) -> Path:
        with opened(path) as store:
            store.save([row(1), row(2)])
        return path

    def test_steps_are_made_in_turn_and_once(
        self, old: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def second(connection: sqlite3.Connection) -> None:
            connection.execute("ALTER TABLE downloads ADD COLUMN colour TEXT DEFAULT 'blue'")

        def third(connection: sqlite3.Connection) -> None:
            connection.execute("CREATE TABLE colours AS SELECT id, colour FROM downloads")

        steps = (*session_schema.MIGRATIONS, second, third)
        monkeypatch.setattr(session_schema, "MIGRATIONS", steps)
        for _ in range(2):
            with opened(old) as store:
                assert [download.name for download in store.load()] == ["file-1", "file-2"]
                colours = store._connection.execute("SELECT colour FROM colours")
                assert colours.fetchall() == [("blue",), ("blue",)]
                assert session_schema.version_of(store._connection) == len(steps)

    def test_a_step_that_fails_leaves_the_version_before_it(
        self, old: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM downloads")
            raise sqlite3.OperationalError("no")

        with monkeypatch.context() as patch:
            patch.setattr(session_schema, "MIGRATIONS", (*session_schema.MIGRATIONS, broken))
            with pytest.raises(SessionStoreError):
                SessionStore.open(old)
        assert content(old) == [1, 2]  # and the lock was given back

    def test_a_reader_does_not_migrate(self, old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        steps = (*session_schema.MIGRATIONS, lambda connection: None)
        monkeypatch.setattr(session_schema, "MIGRATIONS", steps)
        with pytest.raises(SessionStoreError, match="older version"):
            SessionStore.open(old, read_only=True)

    def test_the_file_says_what_it_is(self, old: Path) -> None:
        head = old.read_bytes()[:100]
        assert head[68:72] == b"Rheo"
        assert int.from_bytes(head[60:64], "big") == len(session_schema.MIGRATIONS)


@pytest.mark.parametrize("is_replaced", [True, False])
def test_a_session_that_was_restored_or_removed_meanwhile_takes_nothing_more(
    path: Path, is_replaced: bool
) -> None:
    """Acknowledged rows would go to a file without a name."""
    with opened(path) as store:
        store.save([row(1)])
    backup = path.with_name("backup")
    shutil.copy(path, backup)
    store = SessionStore.open(path).store
    store.save([row(2)])
    if is_replaced:
        backup.rename(path)
    else:
        path.unlink()
    for write in (
        lambda: store.save([row(3)]),
        lambda: store.forget(),
        store.empty_log,  # else nothing has row 2 any more
    ):
        with pytest.raises(SessionStoreError, match="another program replaced or removed it"):
            write()
    assert numbers(store) == [1, 2]
    store.close()
    again = SessionStore.open(path)
    assert numbers(again.store) == [1, 2]
    again.store.close()
