"""Damaged sessions: bits flipped anywhere, logs that are torn, cut or gone.

The oracle: each download that comes back is one that was added, word for word; what does not come
back is counted; and the damaged bytes are kept.
"""

import os
import random
import re
import shutil
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from rheo_core.infrastructure import session_schema
from rheo_core.infrastructure.session_files import find_fault
from rheo_core.infrastructure.session_head import APPLICATION_ID, LAYOUT
from rheo_core.infrastructure.session_integrity import Seals
from rheo_core.infrastructure.session_store import Proof, SessionStore
from tests.core.stored import COUNT, child, downloads, opened, row

SIDES = ("", "-wal", "-shm")
BATCHES = {"in one go": [COUNT], "a few at a time": [100, 1, 99, 50, 50]}

_ADDING = """
from tests.core.stored import downloads
store = SessionStore.open(path).store
rows = iter(downloads())
for size in map(int, sys.argv[2:]):
    store.save([next(rows) for _ in range(size)])
os.kill(os.getpid(), signal.SIGKILL)
"""


class Kept:
    """A session on the disk, to be damaged and opened again and again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files = {name: name.read_bytes() for name in path.parent.iterdir()}

    def restore(self) -> None:
        for name in self.path.parent.iterdir():
            name.unlink()
        for name, data in self.files.items():
            name.write_bytes(data)

    def check(self, least: int) -> str:
        """Open it and compare it with the oracle; return the sentence for the user."""
        before = [name.read_bytes() for name in self.sides() if name.stat().st_size]
        session = SessionStore.open(self.path)
        told = list(session.problems)
        with closing(session.store) as store:
            rows = store.load()
            assert {found.proof for found in rows} <= {Proof.OURS}
            added = {download.id: download for download in downloads()}
            assert all(found == added[found.id] for found in rows)
            assert len({found.id for found in rows}) == len(rows)
            assert len(rows) >= least
            store.save([row(COUNT + 1)])  # it can be worked with
            assert len(store.load()) == len(rows) + 1
        assert len(told) <= 1
        sentence = told[0] if told else ""
        if sentence:
            assert counted(sentence) == (len(rows), COUNT)
            kept = [name.read_bytes() for name in self.path.parent.glob("*.damaged-*")]
            assert all(data in kept for data in before)
        else:
            assert len(rows) == COUNT
        return sentence

    def sides(self) -> Iterator[Path]:
        for suffix in ("", "-wal"):
            name = Path(f"{self.path}{suffix}")
            if name.exists():
                yield name


def counted(sentence: str) -> tuple[int, int]:
    """Return the number of saved downloads in a sentence, and their total."""
    found = re.search(r"(?:all of its (\d+)|(\d+) of its (\d+)) downloads were saved", sentence)
    assert found, sentence
    return (int(found[1]), int(found[1])) if found[1] else (int(found[2]), int(found[3]))


@pytest.fixture
def closed(tmp_path: Path) -> Kept:
    """All rows are in the file."""
    path = tmp_path / "state" / "session.db"
    with opened(path) as store:
        store.save(downloads())
    return Kept(path)


@pytest.fixture(scope="module", params=BATCHES)
def left_by_a_kill(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, bytes]:
    """The session that a process left when it was killed, and the key of its seals."""
    state = tmp_path_factory.mktemp("state")
    path = state / "rheo" / "session.db"
    with pytest.MonkeyPatch.context() as context:
        context.setenv("XDG_STATE_HOME", str(state))
        with child(_ADDING, path, *BATCHES[request.param]) as process:
            assert process.wait() == -signal.SIGKILL
    return {name.name: name.read_bytes() for name in path.parent.iterdir()}


@pytest.fixture
def killed(tmp_path: Path, state_home: Path, left_by_a_kill: dict[str, bytes]) -> Kept:
    """Most rows are in the write-ahead log."""
    keys, session = state_home / "rheo", tmp_path / "state" / "session.db"
    for folder in (keys, session.parent):
        folder.mkdir(mode=0o700)
    for name, data in left_by_a_kill.items():
        file = (keys if name == "key" else session.parent) / name
        file.touch(0o600)
        file.write_bytes(data)
    assert Path(f"{session}-wal").stat().st_size > 50_000
    return Kept(session)


def flip(path: Path, chance: random.Random, within: range | None = None) -> None:
    data = bytearray(path.read_bytes())
    place = chance.choice(within or range(len(data)))
    data[place] ^= 1 << chance.randrange(8)
    path.write_bytes(data)


NEWER = range(60, 64)
"""The layout's number: a flipped bit may make it that of a newer version, which is left alone."""


halves = pytest.mark.parametrize("half", [0, pytest.param(1, marks=pytest.mark.long)])
"""Two portions of the places that are damaged; one of them is enough for `make test`."""


class TestFlippedBits:
    @pytest.mark.parametrize("flips", [1, 3])
    @pytest.mark.parametrize("seed", range(3))
    @pytest.mark.halved("seed", "flips")
    def test_anywhere_in_the_file(self, closed: Kept, seed: int, flips: int) -> None:
        chance = random.Random(seed)
        places = [place for place in range(closed.path.stat().st_size) if place not in NEWER]
        for _ in range(20):
            closed.restore()
            for _ in range(flips):
                flip(closed.path, chance, places)  # type: ignore[arg-type]
            closed.check(least=COUNT - 40 * flips)

    @halves
    @pytest.mark.parametrize("page", [1, 2, 3])
    def test_in_the_heads_of_the_first_pages(self, closed: Kept, page: int, half: int) -> None:
        chance = random.Random(f"heads {page} {half}")
        head = [at for at in range((page - 1) * 4096, (page - 1) * 4096 + 108) if at not in NEWER]
        for _ in range(15):
            closed.restore()
            flip(closed.path, chance, head)  # type: ignore[arg-type]
            closed.check(least=COUNT - 40)

    @halves
    def test_in_the_log(self, killed: Kept, half: int) -> None:
        chance = random.Random(f"log {half}")
        for _ in range(20):
            killed.restore()
            flip(Path(f"{killed.path}-wal"), chance)
            assert killed.check(least=COUNT - 40)

    @halves
    def test_in_the_heads_of_the_log_and_its_frames(self, killed: Kept, half: int) -> None:
        chance = random.Random(f"frames {half}")
        log = Path(f"{killed.path}-wal")
        frames = range(32, log.stat().st_size, 4120)
        for start, length in [(0, 32), *((chance.choice(frames), 24) for _ in range(15))]:
            killed.restore()
            flip(log, chance, range(start, start + length))
            killed.check(least=COUNT - 40)

    @halves
    def test_in_the_log_without_the_note_beside_it(self, killed: Kept, half: int) -> None:
        del killed.files[killed.path.with_name("session.tally")]
        chance = random.Random(f"note {half}")
        last = Path(f"{killed.path}-wal").stat().st_size - 4120  # before the last commit
        for _ in range(10):
            killed.restore()
            flip(Path(f"{killed.path}-wal"), chance, range(4, last))
            session = SessionStore.open(killed.path)
            with closing(session.store) as store:
                there = len(store.load())
            assert there >= COUNT - 40
            assert there == COUNT or session.problems

    def test_in_the_note(self, killed: Kept) -> None:
        note = killed.path.with_name("session.tally")
        chance = random.Random(22)
        for _ in range(20):
            killed.restore()
            flip(note, chance)
            assert killed.check(least=COUNT) == ""

    def test_in_the_shared_memory(self, killed: Kept) -> None:
        """SQLite recreates it after a crash, with any content."""
        shm = Path(f"{killed.path}-shm")
        for data in (b"", b"garbage!" * 4096, random.Random(1).randbytes(32768)):
            killed.restore()
            shm.write_bytes(data)
            assert killed.check(least=COUNT) == ""


def cut(share: float) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])

    return damage


class TestLost:
    @pytest.mark.parametrize("share", [0.0, 0.001, 0.2, 0.5, 0.9, 0.999])
    def test_a_log_that_was_cut(self, killed: Kept, share: float) -> None:
        killed.restore()
        cut(share)(Path(f"{killed.path}-wal"))
        sentence = killed.check(least=0)
        assert "lost part of its journal" in sentence

    def test_a_log_that_was_removed(self, killed: Kept) -> None:
        Path(f"{killed.path}-wal").unlink()
        assert "lost part of its journal" in killed.check(least=0)

    def test_a_log_of_zeros(self, killed: Kept) -> None:
        log = Path(f"{killed.path}-wal")
        log.write_bytes(bytes(log.stat().st_size))
        assert "lost part of its journal" in killed.check(least=0)

    def test_the_file_itself_while_there_is_a_log(self, killed: Kept) -> None:
        killed.path.unlink()
        assert "is missing, but its journal exists" in killed.check(least=COUNT)

    @pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.9, 0.999])
    def test_a_file_that_was_cut(self, closed: Kept, share: float) -> None:
        cut(share)(closed.path)
        assert closed.check(least=0)

    @pytest.mark.parametrize("size", [0, 1, 512, 1024, 8192, 65535, 3])
    def test_a_wrong_page_size(self, closed: Kept, size: int) -> None:
        data = closed.path.read_bytes()
        closed.path.write_bytes(data[:16] + size.to_bytes(2, "big") + data[18:])
        assert closed.check(least=COUNT)

    @halves
    def test_pages_of_garbage(self, closed: Kept, half: int) -> None:
        chance = random.Random(23)
        pages = range(half, closed.path.stat().st_size // 4096, 2)
        for page in pages:
            closed.restore()
            with closed.path.open("r+b") as file:
                file.seek(page * 4096)
                file.write(chance.randbytes(4096))
            assert closed.check(least=COUNT - 60)

    @pytest.mark.parametrize("what", [bytes, random.Random(24).randbytes])
    @pytest.mark.parametrize("count", [1, 8, 60])
    @pytest.mark.halved("what", "count")
    @halves
    def test_the_heads_of_pages(
        self, closed: Kept, what: Callable[[int], bytes], count: int, half: int
    ) -> None:
        """The rows of such a page are found by their records, but for one that went on there."""
        pages = range(half, closed.path.stat().st_size // 4096, 2)
        for page in pages:
            closed.restore()
            with closed.path.open("r+b") as file:
                file.seek(page * 4096)
                file.write(what(count))
            closed.check(least=COUNT - 1)

    def test_the_heads_of_all_pages(self, closed: Kept) -> None:
        data = bytearray(closed.path.read_bytes())
        for start in range(4096, len(data), 4096):
            data[start : start + 8] = bytes(8)
        closed.path.write_bytes(data)
        assert closed.check(least=COUNT - 3)

    def test_an_older_copy_of_the_file(self, closed: Kept) -> None:
        closed.path.unlink()
        closed.restore()
        with opened(closed.path) as store:
            store.save([row(COUNT + 2)])
        newer = closed.path.with_name("session.tally").read_bytes()
        closed.restore()
        closed.path.with_name("session.tally").write_bytes(newer)
        session = SessionStore.open(closed.path)
        with closing(session.store) as store:
            assert len(store.load()) == COUNT
        assert f"{COUNT} of its {COUNT + 1}" in session.problems[0]

    def test_another_session_in_its_place_is_none_the_worse_for_its_note(
        self, closed: Kept, tmp_path: Path
    ) -> None:
        with opened(tmp_path / "other.db") as store:
            store.save([row(1)])
        shutil.copy(tmp_path / "other.db", closed.path)
        with opened(closed.path) as store:
            assert store.load() == [row(1)]


def test_a_row_of_another_user_has_a_limit() -> None:
    """Values of JSON take many times the memory of their text: `[],[],` becomes lists."""
    limit = session_schema.MAX_ROW_BYTES
    own, other = Seals(b"own", owns_unsealed=False), Seals(b"other", owns_unsealed=False)
    short, long = row(0, config="x" * limit), row(0, config="x" * (limit + 1))
    assert own.to_download(other.to_values(short)).proof is Proof.INTACT
    assert own.to_download(other.to_values(long)).proof is Proof.DAMAGED
    assert own.to_download(own.to_values(long)).proof is Proof.OURS


def circular_session(path: Path, pages: int, pointers: int) -> None:
    """Write a session whose cells all lead to one overflow page, which names itself.

    Each of its leaf pages names one cell `pointers` times (sqlite.org/fileformat2.html, 1.6).
    """
    head = bytearray(4096)
    head[:16], head[16:18], head[18:21] = b"SQLite format 3\0", b"\x10\x00", b"\1\1\0"
    head[21:24] = b"\x40\x20\x20"
    fields = (28, pages + 2), (44, 4), (56, 1), (60, LAYOUT), (68, APPLICATION_ID)
    for offset, value in fields:
        head[offset : offset + 4] = value.to_bytes(4, "big")
    last = (pages + 2).to_bytes(4, "big")
    at = 8 + 2 * pointers
    leaf = b"\x0d\0\0" + pointers.to_bytes(2, "big") + b"\0\0\0" + pointers * at.to_bytes(2, "big")
    local, size = 489, 489 + 4099 * 4092  # bytes in the leaf page, and of all
    length = bytes([size >> 21 | 0x80, size >> 14 & 0x7F | 0x80, size >> 7 & 0x7F | 0x80])
    cell = length + bytes([size & 0x7F, 1]) + b"\x19".ljust(local, b"\0") + last
    cell = cell.ljust(4096 - at, b"\0")
    path.write_bytes(bytes(head) + pages * (leaf + cell) + last.ljust(4096, b"\0"))


@pytest.mark.parametrize(("pages", "pointers"), [(1, 1), (1, 1700), (100, 1), (50, 1700)])
def test_a_session_that_goes_round_in_circles_is_read_a_few_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pages: int, pointers: int
) -> None:
    path, pread, reads = tmp_path / "session.db", os.pread, [0]
    circular_session(path, pages, pointers)

    def counted_pread(descriptor: int, count: int, offset: int) -> bytes:
        reads[0] += 1
        return pread(descriptor, count, offset)

    monkeypatch.setattr(os, "pread", counted_pread)
    session = SessionStore.open(path)
    with closing(session.store) as store:
        assert not store.load()
    assert session.problems
    assert reads[0] < 10 * (pages + 2) + 100


def test_expressions_of_a_foreign_session_are_not_evaluated(tmp_path: Path) -> None:
    """A check of the whole file would do that for each row, and may take for ever."""
    path = tmp_path / "session.db"
    with closing(sqlite3.connect(path)) as made:
        made.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        made.execute(f"PRAGMA user_version = {LAYOUT}")
        made.execute("CREATE TABLE downloads (id TEXT, x INT)")
        made.execute("CREATE INDEX i ON downloads (x) WHERE abs(x) > 0")
        made.execute("PRAGMA writable_schema = ON")
        # It fails where it is evaluated, so that the test needs no time.
        made.execute("UPDATE sqlite_schema SET sql = replace(sql, 'abs(x)', 'abs(x - 1)')")
        made.execute(f"INSERT INTO downloads VALUES ('a', {1 - 2**63})")
        made.commit()
    assert find_fault(path) == "was damaged (its tables are not those of its layout)"
