"""Session: downloads outlive the process, and the writing of them disturbs nobody."""

import asyncio
import json
import os
import signal
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rheo_core.domain import (
    DownloadStatus,
    FileConfig,
    FileExistsStrategy,
    HashAlgorithm,
    HashConfig,
    ValidationResult,
)
from rheo_core.domain.tuning import Tuning
from rheo_core.downloads import session as session_module
from rheo_core.downloads.session import Session
from rheo_core.infrastructure.session_integrity import Seals
from rheo_core.infrastructure.session_rows import (
    has_lost_protection,
    records_of,
    to_record,
    to_stored,
)
from rheo_core.infrastructure.session_schema import COLUMNS, Proof
from rheo_core.infrastructure.session_store import (
    SessionLockedError,
    SessionStore,
    SessionStoreError,
)
from rheo_core.tracking import DownloadRecord
from tests.programs import start_program
from tests.waiting import Until

ROOT = Path(__file__).parents[2]
KEPT = (
    *("config", "id", "name", "priority", "rank", "status", "reason", "bytes_downloaded"),
    *("total_bytes", "added_at", "finished_at", "destination", "listed"),
)
KEPT_OF_TRIES = (
    *("attempt", "max_attempts", "failures", "started_at", "elapsed", "transferred", "error"),
    "validation",
)


def download(number: int = 0, **values: Any) -> DownloadRecord:
    record = DownloadRecord.of(FileConfig(url=f"https://example.org/file-{number}"))
    record.rank = number
    for name, value in values.items():
        setattr(record.stats if name in KEPT_OF_TRIES else record, name, value)
    return record


def facts(record: DownloadRecord) -> dict[str, Any]:
    kept = {name: getattr(record, name) for name in KEPT}
    return kept | {name: getattr(record.stats, name) for name in KEPT_OF_TRIES}


@asynccontextmanager
async def opened(path: Path, **options: Any) -> AsyncIterator[Session]:
    session = Session(path, **options)
    assert await session.open() == ()
    try:
        yield session
    finally:
        await session.close()


async def content(path: Path) -> dict[str, DownloadRecord]:
    async with opened(path) as session:
        return {record.name: record for record in await session.restore()}


def on_disk(path: Path) -> dict[str, str]:
    """Name and status of all in the list that is committed, as another process sees it."""
    connection = sqlite3.connect(path)
    try:
        return dict(connection.execute("SELECT name, status FROM downloads WHERE listed"))
    finally:
        connection.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "session.db"


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of downloads that each transaction wrote."""
    counts: list[int] = []
    write = SessionStore.write

    def counting(self: SessionStore, saved: Any, deleted: Any) -> None:
        rows = list(saved)
        counts.append(len(rows))
        write(self, rows, deleted)

    monkeypatch.setattr(SessionStore, "write", counting)
    return counts


class Full:
    """A real "disk full" from SQLite: the file may not grow."""

    def __init__(self, session: Session) -> None:
        assert session._store is not None
        self._connection = session._store._connection

    def __enter__(self) -> None:
        self._connection.execute("PRAGMA max_page_count = 1")

    def __exit__(self, *_: object) -> None:
        self._connection.execute("PRAGMA max_page_count = 1000000")


LONG = "x" * 10_000  # an error that needs pages of its own

texts = st.text(st.characters(blacklist_categories=["Cs"]), max_size=20)
sizes = st.integers(0, 2**62)
times = st.floats(0, 1e10)


@st.composite
def configs(draw: st.DrawFn) -> FileConfig:
    algorithm = draw(st.sampled_from(HashAlgorithm))
    digest = "0f" * (algorithm.hex_length // 2)
    segment = st.text("abcXYZ019-._~%:@!$&'()*+,;=", max_size=12)
    host = draw(
        st.sampled_from(["example.org", "user:p%40ss@Example.ORG:8080", "[::1]", "bücher.de"])
    )
    query = draw(st.sampled_from(["", "?a=b&token=1", "?", "?q=%C3%BC", "#part"]))
    return FileConfig(
        url=f"{draw(st.sampled_from(['http', 'HTTPS']))}://{host}/{draw(segment)}{query}",
        type=draw(st.none() | texts),
        description=draw(st.none() | texts),
        priority=draw(st.integers(1, 10**6)),
        size_human=draw(st.none() | texts),
        size_bytes=draw(st.none() | sizes),
        filename=draw(st.none() | texts),
        destination_subdir=draw(st.sampled_from([None, "a/b", "ü b"])),
        download_dir=draw(st.sampled_from([None, Path("/own/ü b")])),
        hash_config=draw(
            st.none() | st.just(HashConfig(algorithm=algorithm, expected_hash=digest))
        ),
        timeout=draw(st.none() | st.floats(0.001, 1e6)),
        file_exists_strategy=draw(st.none() | st.sampled_from(FileExistsStrategy)),
    )


paths = st.sampled_from(["/tmp/a b/ü.iso", "relative/x", os.fsdecode(b"/tmp/\xff\xfe.bin")])
validations = st.builds(
    ValidationResult,
    algorithm=st.sampled_from(HashAlgorithm),
    expected_hash=st.just("ab"),
    calculated_hash=st.sampled_from(["ab", "cd"]),
    duration_ms=st.floats(0, 1e6),
)


@st.composite
def records(draw: st.DrawFn) -> DownloadRecord:
    record = DownloadRecord.of(draw(configs()))
    record.status = draw(st.sampled_from(DownloadStatus))
    record.priority = draw(st.integers(1, 2**63 - 1))
    record.rank = draw(st.integers() | st.fractions())
    record.final_name, record.reason = draw(texts), draw(texts)
    record.bytes_downloaded, record.stats.transferred = draw(sizes), draw(sizes)
    record.total_bytes = draw(st.none() | sizes)
    record.stats.attempt, record.stats.failures = draw(sizes), draw(sizes)
    record.stats.max_attempts = draw(sizes)
    record.added_at, record.stats.elapsed = draw(times), draw(times)
    record.stats.started_at, record.finished_at = draw(st.none() | times), draw(st.none() | times)
    record.destination = draw(st.none() | st.builds(Path, paths))
    record.stats.error = draw(st.none() | texts)
    record.stats.validation = draw(st.none() | validations)
    return record


class TestRecords:
    @given(st.lists(records(), max_size=8, unique_by=lambda record: record.id))
    @settings(
        max_examples=60,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    def test_what_matters_comes_back(
        self, tmp_path_factory: pytest.TempPathFactory, given: list[DownloadRecord]
    ) -> None:
        store = SessionStore.open(tmp_path_factory.mktemp("session") / "session.db").store
        try:
            store.save(map(to_stored, given))
            restored = [to_record(row) for row in store.load()]
        finally:
            store.close()
        settled = DownloadStatus.terminal_states() | {DownloadStatus.PAUSED}
        expected = sorted(given, key=lambda record: (-record.priority, record.rank, record.id))
        for record in expected:
            if record.status not in settled:
                record.status, record.reason = DownloadStatus.QUEUED, ""
        assert list(map(facts, restored)) == list(map(facts, expected))
        assert [type(record.rank) for record in restored] == [
            int if Fraction(record.rank).denominator == 1 else Fraction for record in expected
        ]

    @pytest.mark.parametrize("status", DownloadStatus)
    def test_status(self, status: DownloadStatus) -> None:
        is_kept = status.is_terminal or status is DownloadStatus.PAUSED
        expected = status if is_kept else DownloadStatus.QUEUED
        assert to_record(to_stored(download(status=status))).status is expected

    @pytest.mark.parametrize("is_listed", [True, False])
    @pytest.mark.parametrize("status", sorted(DownloadStatus.terminal_states()))
    @pytest.mark.parametrize(
        "option", [{"proxy": "http://mine:3128"}, {"ca_file": "/ca.pem"}, {"auth": "digest"}]
    )
    def test_a_lost_protection_is_known_as_long_as_the_row(
        self, status: DownloadStatus, is_listed: bool, option: dict[str, str]
    ) -> None:
        config = FileConfig(url="https://example.org/file-1", request=option)
        written = to_stored(download(1, config=config, status=status, listed=is_listed))
        record = to_record(written._replace(proof=Proof.INTACT))
        record.status = status  # one that was paused ends
        assert has_lost_protection(record)
        assert has_lost_protection(to_record(to_stored(record)))  # now a row of our own
        assert not has_lost_protection(to_record(written))

    def test_a_lost_protection_of_an_earlier_session_is_known(self) -> None:
        """Its only record is this sentence, so a new wording must recognise the old one."""
        reason = "its proxy would not be used; add its URL again to connect without it"
        ended = download(1, status=DownloadStatus.COMPLETED, reason=reason)
        assert has_lost_protection(to_record(to_stored(ended)))

    @pytest.mark.parametrize(
        ("options", "note"),
        [
            ({"request": {"user": "me:pw"}}, "its login was not stored"),
            ({"request": {"bearer": "token"}}, "its login was not stored"),
            ({"headers": {"Cookie": "a=b"}}, "its headers were not stored"),
            (
                {"request": {"user": "me:pw", "headers": {"X-Key": "a"}}},
                "its login and headers were not stored",
            ),
            ({"request": {"proxy": "http://mine:3128"}}, ""),
            ({}, ""),
        ],
    )
    @pytest.mark.parametrize("status", DownloadStatus)
    def test_a_lost_login_is_noted(
        self, status: DownloadStatus, options: dict[str, object], note: str
    ) -> None:
        config = FileConfig.model_validate({"url": "https://example.org/file-1", **options})
        keeps_it = not status.is_terminal or status is DownloadStatus.FAILED
        record = to_record(to_stored(download(1, config=config, status=status)))
        again = to_record(to_stored(record))
        assert record.reason == again.reason == ("" if keeps_it else note)
        assert again.snapshot().lost_login is bool(again.reason)

    def test_a_lost_login_is_noted_beside_another_reason(self) -> None:
        config = FileConfig(url="https://example.org/file-1", request={"user": "me:pw"})
        skipped = download(1, config=config, status=DownloadStatus.SKIPPED, reason="file exists")
        record = to_record(to_stored(skipped))
        assert record.reason == "file exists; its login was not stored"

    def test_defaults_take_no_room(self) -> None:
        assert to_stored(download(1)).config == '{"url":"https://example.org/file-1"}'


class TestSession:
    async def test_added_is_durable(self, path: Path) -> None:
        code = """
import asyncio, os, signal, sys
from pathlib import Path
from rheo_core.downloads.session import Session
from tests.core.test_session import download
async def main():
    session = Session(Path(sys.argv[1]))
    await session.open()
    await session.save_now([download(n) for n in range(100)])
    os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""
        process = await start_program(code, [path], os.environ, cwd=ROOT)
        assert await process.wait() == -signal.SIGKILL
        assert list(await content(path)) == [f"file-{n}" for n in range(100)]

    async def test_changes_are_written_in_the_background(self, path: Path, until: Until) -> None:
        async with opened(path) as session:
            record = download(1)
            session.note(record)
            await until(lambda: on_disk(path) == {"file-1": "queued"})
            record.status = DownloadStatus.COMPLETED
            session.note(record)
            session.note(download(2))
            await until(lambda: on_disk(path) == {"file-1": "completed", "file-2": "queued"})
            record.listed = False
            session.note(record)
            await until(lambda: on_disk(path) == {"file-2": "queued"})

    async def test_many_changes_are_one_transaction(
        self, path: Path, until: Until, writes: list[int]
    ) -> None:
        async with opened(path) as session:
            some = [download(number) for number in range(1200)]
            for record in some * 3:
                session.note(record)
            await until(lambda: writes)
            for record in some * 3:
                session.note(record)
        assert writes == [1200, 1200]

    @pytest.mark.parametrize(
        "piece", [2_000, pytest.param(session_module._MAX_ROWS, marks=pytest.mark.long)]
    )
    async def test_very_many_changes_are_written_in_pieces(
        self, path: Path, writes: list[int], piece: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """All of their rows together would take more memory than the downloads themselves."""
        monkeypatch.setattr(session_module, "_MAX_ROWS", piece)
        count = 2 * piece + 1_000
        changed = [download(number, priority=7) for number in range(count)]
        async with opened(path) as session:
            await session.save_now([download(number) for number in range(count)])
            await session.save_now([gone := download(50_000)])
            writes.clear()
            session.drop(gone.id)
            for record in changed:
                session.note(record)
            await session._flush()
            assert writes == [piece, piece, 1_000]
        there = await content(path)
        assert {record.priority for record in there.values()} == {7}
        assert len(there) == count

    async def test_a_download_dropped_and_added_again_is_kept(self, path: Path) -> None:
        async with opened(path) as session:
            await session.save_now([download(1), download(2)])
            session.drop(download(1).id)
            session.drop(download(2).id)
            session.note(download(1, priority=7))
        there = await content(path)
        assert set(there) == {"file-1"}
        assert there["file-1"].priority == 7

    async def test_closing_writes_what_is_left(self, path: Path) -> None:
        async with opened(path) as session:
            session.note(download(1))
            session.note(gone := download(2))
            gone.listed = False
        assert on_disk(path) == {"file-1": "queued"}
        await session.close()

    async def test_the_last_word_counts(self, path: Path) -> None:
        async with opened(path) as session:
            old = download(1, status=DownloadStatus.COMPLETED)
            session.note(old)
            await session.save_now([download(1, priority=5)])
            session.note(download(2, status=DownloadStatus.FAILED, listed=False))
            await session.save_now([download(2)])
        there = await content(path)
        assert list(there) == ["file-1", "file-2"]
        assert there["file-1"].priority == 5
        assert there["file-1"].status is DownloadStatus.QUEUED

    async def test_progress_alone_is_written_now_and_then(
        self, path: Path, until: Until, writes: list[int]
    ) -> None:
        running, waiting = download(1, status=DownloadStatus.IN_PROGRESS), download(2)
        async with opened(path, tuning=Tuning(session_write_seconds=0.0)) as session:
            session.note(running)
            await until(lambda: writes == [1])
            for number in range(2, 12):  # state changes of others do not hurry it
                running.bytes_downloaded += 1000
                session.note(waiting)
                await until(lambda number=number: len(writes) == number)
            assert writes == [1] * 11
            session._tuning = replace(session._tuning, session_progress_seconds=0.01)
            session._progress_due = 0.0
            session.note(waiting)
            await until(lambda: writes[11:] == [2])
            running.bytes_downloaded = 77_777
            await until(lambda: len(writes) == 13)  # without a word from anybody
            running.status = DownloadStatus.PAUSED
            session.note(running)
        assert (await content(path))["file-1"].bytes_downloaded == 77_777

    async def test_it_can_be_opened_again(self, path: Path) -> None:
        session = Session(path)
        session.note(download(1))  # before it is open
        for number in (2, 3):
            assert await session.open() == ()
            await session.save_now([download(number)])
            await session.close()
        assert on_disk(path) == dict.fromkeys(["file-1", "file-2", "file-3"], "queued")

    async def test_not_open(self, path: Path) -> None:
        session = Session(path)
        await session.close()
        for call in (
            session.restore(),
            session.save_now([download()]),
            session.search("", 1),
            session.find("1"),
            session.forget(),
            session.has_changed(),
        ):
            with pytest.raises(SessionStoreError, match="not open"):
                await call

    async def test_history(self, path: Path) -> None:
        ends = [download(n, status=DownloadStatus.FAILED, finished_at=float(n)) for n in (1, 2, 3)]
        async with opened(path) as session:
            for record in (*ends, download(4)):
                session.note(record)
            found = await session.search("FILE", 10)
            assert list(map(facts, found)) == list(map(facts, reversed(ends)))
            for record in ends[:2]:
                record.listed = False
                session.note(record)
            assert await session.forget(text="file-1") == 1
            assert await session.find(ends[0].id) is None
            assert (one := await session.find(ends[1].id)) and facts(one) == facts(ends[1])
            assert [record.name for record in await session.search("", 10)] == ["file-3", "file-2"]
        assert list(await content(path)) == ["file-3", "file-4"]

    async def test_what_ended_long_ago_is_forgotten_when_it_opens(self, path: Path) -> None:
        now, day = time.time(), 24 * 60 * 60
        ended = {"status": DownloadStatus.COMPLETED, "listed": False}
        async with opened(path) as session:
            await session.save_now(
                [
                    download(1, **ended, finished_at=now - 29 * day),
                    download(2, **ended, finished_at=now - 31 * day),
                    download(3, **{**ended, "listed": True}, finished_at=now - 31 * day),
                    download(4, added_at=now - 31 * day),
                ]
            )
        async with opened(path, history_days=30) as session:
            names = {record.name for record in await session.search("", 10)}
            assert names == {"file-1", "file-3"}
            assert [record.name for record in await session.restore()] == ["file-3", "file-4"]

    async def test_a_history_that_cannot_be_shortened_is_told_of(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object, **__: object) -> int:
            raise SessionStoreError(path, "disk full")

        monkeypatch.setattr(SessionStore, "forget", refuse)
        session = Session(path, history_days=1)
        try:
            problem = f"Cannot shorten the history: session {path}: disk full."
            assert await session.open() == (problem,)
            await session.save_now([download(1)])
        finally:
            await session.close()
        assert on_disk(path) == {"file-1": "queued"}


class TestProblems:
    async def test_a_full_disk_loses_nothing_and_is_told_once(
        self, path: Path, until: Until, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tuning = Tuning(session_write_seconds=0.01, session_retry_seconds=0.01)
        told: list[str] = []
        failures: list[Exception] = []
        report = Session._report

        def counting(session: Session, error: Exception) -> None:
            failures.append(error)
            report(session, error)

        monkeypatch.setattr(Session, "_report", counting)
        async with opened(path, on_problem=told.append, tuning=tuning) as session:
            await session.save_now([download(n) for n in range(3)])
            for outage in (1, 2):
                before, last = on_disk(path), f"file-{outage}1"
                failures.clear()
                with Full(session):
                    session.note(download(10 * outage, error=LONG))
                    session.note(download(outage, status=DownloadStatus.FAILED, listed=False))
                    await until(lambda: len(failures) > 3)
                    assert on_disk(path) == before
                    session.note(download(10 * outage + 1))
                    await until(lambda: len(failures) > 6)
                await until(lambda last=last: last in on_disk(path))
                assert len(told) == outage
        assert told[0] == f"Cannot save changes to the list: session {path}: disk full."
        assert set(on_disk(path)) == {f"file-{n}" for n in (0, 10, 11, 20, 21)}

    async def test_what_is_noted_during_a_failing_write_wins(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        noted, latest = download(1), download(1, priority=7)
        async with opened(path, on_problem=lambda _: None) as session:

            def failing(*_: object) -> None:
                raise SessionStoreError(path, "no")

            def wish(error: Exception) -> None:
                session.note(latest)

            session.note(noted)
            with monkeypatch.context() as patch:
                patch.setattr(SessionStore, "write", failing)
                patch.setattr(session, "_report", wish)
                await session._flush()
        assert (await content(path))["file-1"].priority == 7

    async def test_what_is_dropped_during_a_failing_write_stays_dropped(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with opened(path, on_problem=lambda _: None) as session:
            await session.save_now([download(1), download(2)])
            loop = asyncio.get_running_loop()

            def failing(*_: object) -> None:
                loop.call_soon_threadsafe(session.drop, download(1).id)
                raise SessionStoreError(path, "no")

            with monkeypatch.context() as patch:
                patch.setattr(SessionStore, "write", failing)
                session.note(download(1, priority=7))
                session.note(download(2, priority=7))
                await session._flush()
        there = await content(path)
        assert set(there) == {"file-2"}
        assert there["file-2"].priority == 7

    async def test_add_fails_on_a_full_disk(self, path: Path) -> None:
        async with opened(path) as session:
            await session.save_now([download(1, error=LONG)])
            session.note(done := download(2, status=DownloadStatus.COMPLETED))
            with Full(session), pytest.raises(SessionStoreError, match="disk full"):
                await session.save_now([download(2, error=LONG), download(3, error=LONG)])
            assert done.status is DownloadStatus.COMPLETED
        assert on_disk(path) == {"file-1": "queued", "file-2": "completed"}

    async def test_what_is_lost_at_the_end_is_told(self, path: Path) -> None:
        told: list[str] = []
        session = Session(path, on_problem=told.append)
        await session.open()
        await session.save_now([download(1)])
        Full(session).__enter__()
        session.note(download(2, error=LONG))
        await session.close()
        assert told and "disk full" in told[-1]
        assert on_disk(path) == {"file-1": "queued"}

    async def test_rows_without_sense_are_left_out_and_stay(self, path: Path) -> None:
        rows = [to_stored(download(number)) for number in range(6)]
        rows[1] = rows[1]._replace(config="{")
        rows[2] = rows[2]._replace(status="flying")
        rows[3] = rows[3]._replace(rank="1/0")
        rows[5] = rows[5]._replace(id="0" * 16)  # under the same rule
        store = SessionStore.open(path).store
        store.save(rows)
        store.close()
        told: list[str] = []
        async with opened(path, on_problem=told.append) as session:
            assert [record.name for record in await session.restore()] == ["file-0", "file-4"]
        assert len(told) == 1 and told[0].startswith("4 of 6 downloads")
        assert len(on_disk(path)) == 6

    @pytest.mark.parametrize(
        "change",
        [
            """config = '{"url":"https://example.org/fileX1"}'""",
            "config = json_set(config, '$.mirrors', json_array('https://example.net/x'))",
            "destination = CAST('/etc/passwd' AS BLOB)",
            "destination = '/tmp/x'",
            "status = 'flying'",
            "priority = priority + 1",
            "priority = 'high'",
            "rank = '1/0'",
            "total_bytes = 12345678901234567890",
            "total_bytes = 12",
            "added_at = 'yesterday'",
            "name = x'ff00'",
            "name = CAST(x'ff00' AS TEXT)",
            "listed = 0",
            "id = 'nonsense'",
            "id_rule = 0",
            "seal = NULL",
            "seal = x''",
            "seal = 'text'",
            "seal = zeroblob(16)",
        ],
    )
    async def test_a_row_that_was_changed_is_kept_in_a_copy_only(
        self, path: Path, change: str
    ) -> None:
        async with opened(path) as session:
            await session.save_now([download(number) for number in range(5)])
        before = on_disk(path)
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("PRAGMA ignore_check_constraints = ON")
        if "NULL" in change:  # what no statement can do, damage can
            connection.execute("PRAGMA writable_schema = ON")
            connection.execute("UPDATE sqlite_schema SET sql = replace(sql, 'NOT NULL', '')")
            connection.close()
            connection = sqlite3.connect(path, isolation_level=None)
        connection.execute(f"UPDATE downloads SET {change} WHERE name = 'file-1'")
        connection.close()
        damaged = path.read_bytes()
        told: list[str] = []
        session = Session(path, told.append)
        told += await session.open()
        try:
            names = {record.name for record in await session.restore()}
        finally:
            await session.close()
        assert names == before.keys() - {"file-1"} == on_disk(path).keys()
        (sentence,) = told
        assert "4 of its 5 downloads were saved" in sentence
        (aside,) = path.parent.glob("*.damaged-*[0-9Z]")
        assert str(aside) in sentence
        assert aside.read_bytes() == damaged
        async with opened(path, on_problem=told.append) as session:  # reported once
            assert len(await session.restore()) == 4
        assert len(told) == 1

    async def test_what_somebody_else_wrote_is_no_more_than_a_list(
        self, path: Path, state_home: Path
    ) -> None:
        config = FileConfig(
            url="https://example.org/file-1",
            filename="a",
            destination_subdir="b",
            file_exists_strategy=FileExistsStrategy.OVERWRITE,
            timeout=1e6,
            request={"proxy": "http://evil:3128", "netrc": True},
        )
        written = DownloadRecord.of(config)
        written.rank, written.priority = 7, 3
        written.destination, written.final_name = Path("/root/.ssh/authorized_keys"), "x"
        written.bytes_downloaded = 10
        async with opened(path) as session:
            await session.save_now([written, download(2)])
        (state_home / "rheo" / "key").unlink()
        told: list[str] = []
        for _ in range(2):
            async with opened(path, on_problem=told.append) as session:
                first, second = await session.restore()
            assert second.name == "file-2"
            expected = FileConfig(
                url="https://example.org/file-1", filename="a", destination_subdir="b"
            )
            assert first.config == expected
            assert (first.destination, first.final_name, first.bytes_downloaded) == (None, None, 0)
            assert (first.rank, first.priority) == (7, 3)
            assert (first.status, second.status) == (DownloadStatus.PAUSED, DownloadStatus.QUEUED)
            assert first.reason == "its proxy would not be used; resume it to connect without it"
        assert len(told) == 1 and told[0].startswith("2 of 2 downloads")

    @pytest.mark.parametrize("is_own", [True, False])
    async def test_a_key_that_cannot_be_used_for_once_costs_no_row_what_it_says(
        self, path: Path, state_home: Path, is_own: bool
    ) -> None:
        """Such as with sudo: the key then belongs to another user."""
        path = state_home / "rheo" / "session.db" if is_own else path
        config = FileConfig(
            url="https://example.org/file-1",
            request={"proxy": "http://mine:3128"},
        )
        written = DownloadRecord.of(config)
        written.destination, written.status = Path("/data/file-1"), DownloadStatus.PAUSED
        async with opened(path) as session:
            await session.save_now([written])
        key = state_home / "rheo" / "key"
        key.rename(aside := key.with_name("aside"))
        key.mkdir()
        told: list[str] = []
        session = Session(path, on_problem=told.append)
        told += await session.open()
        assert [record.destination for record in await session.restore()] == [None]
        await session.close()
        assert told[0] == f"Cannot use the key {key}: it is not a regular file of this user."
        assert told[1].startswith("1 of 1 downloads")
        key.rmdir()
        aside.rename(key)
        async with opened(path, on_problem=told.append) as session:
            (found,) = await session.restore()
        assert (found.config, found.destination) == (config, written.destination)
        assert len(told) == 2

    async def test_names_and_numbers_of_somebody_else_are_those_of_a_list(
        self, path: Path, state_home: Path
    ) -> None:
        url = "https://example.org/file"
        mirrors = [f"https://m{number}.example.org/file" for number in range(40)]
        given = (
            {
                "url": url,
                "destination_subdir": ".ssh",
                "filename": "-rf",
                "download_dir": "/etc",
            },
            {
                "url": url,
                "destination_subdir": "a/\x1b]52;\u202e/.config",
                "description": "\x1b[2J",
            },
            {"url": url, "filename": "x.part", "mirrors": ["http://a..b/", *mirrors]},
            {"url": url, "filename": "y", "priority": 10**9, "file_exists_strategy": "overwrite"},
            {"url": url, "destination_subdir": "/".join("x" * 100)},
            {"url": url, "headers": {f"x-{number}": "1" for number in range(200)}},
            {"url": url, "size_bytes": str(10**18)},
            [url],
        )
        rows = [
            to_stored(download(number))._replace(config=json.dumps(config), priority=10**9)
            for number, config in enumerate(given)
        ]
        store = SessionStore.open(path).store
        store.save(rows)
        store.close()
        (state_home / "rheo" / "key").unlink()
        told: list[str] = []
        async with opened(path, on_problem=told.append) as session:
            found = {record.name: record for record in await session.restore()}
        assert found.keys() == {"_rf", "file", "x.part_", "y"}
        assert found["_rf"].config.destination_subdir == "ssh"
        assert found["_rf"].config.download_dir is None
        assert found["file"].config.destination_subdir == "a/_]52;/config"
        assert found["x.part_"].config.mirrors == tuple(mirrors[:16])
        assert {record.priority for record in found.values()} == {1000}
        assert found["y"].config == FileConfig(url=url, filename="y")
        assert told[0].startswith("4 of 8 downloads")

    async def test_absurd_values_of_somebody_else_are_left_out(
        self, path: Path, state_home: Path
    ) -> None:
        rows = [to_stored(download(number)) for number in range(7)]
        rows[1] = rows[1]._replace(rank="9" * 400)
        rows[2] = rows[2]._replace(added_at=float("inf"))
        rows[3] = rows[3]._replace(finished_at=-1.0)
        rows[4] = rows[4]._replace(config="[" * 10_000)
        rows[5] = rows[5]._replace(config='{"url": {"url": 1}}')
        rows[6] = rows[6]._replace(status="in_progress", priority=-5, config='{"url":"http://a/b"}')
        store = SessionStore.open(path).store
        store.save(rows)
        store._connection.execute("UPDATE tally SET commits = 9223372036854775807")
        store.close()
        (state_home / "rheo" / "key").unlink()
        told: list[str] = []
        session = Session(path, told.append)
        told += await session.open()
        found = await session.restore()
        await session.save_now([download(8)])
        assert {record.name for record in found} == {"file-0", "b"}
        assert {record.status for record in found} == {DownloadStatus.QUEUED}
        assert {record.priority for record in found} == {1}
        [record.snapshot() for record in found]
        await session.close()
        assert any("5 of 7 downloads" in sentence for sentence in told)

    async def test_a_reader_leaves_damaged_rows_out_and_changes_nothing(self, path: Path) -> None:
        async with opened(path) as session:
            await session.save_now([download(number) for number in range(3)])
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("UPDATE downloads SET priority = 7 WHERE name = 'file-1'")
        connection.close()
        before = path.read_bytes()
        told: list[str] = []
        session = Session(path, told.append)
        assert await session.open(read_only=True) == ()
        assert [record.name for record in await session.restore()] == ["file-0", "file-2"]
        assert await session.find(download(1).id) is None
        await session.close()
        assert told[0].startswith("1 of 3 downloads")
        assert path.read_bytes() == before

    async def test_a_list_that_somebody_else_made_up(self, path: Path, state_home: Path) -> None:
        """Each row has a right checksum and wrong types."""
        seals = Seals(b"theirs", owns_unsealed=False)
        async with opened(path) as session:
            await session.save_now([download(number) for number in range(9)])
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_schema SET sql = replace(sql, ' NOT NULL', '')")
        connection.close()
        connection = sqlite3.connect(path, isolation_level=None)
        rows = connection.execute("SELECT * FROM downloads ORDER BY name").fetchall()
        wrong = {"rank": None, "priority": "high", "added_at": b"", "config": 7, "status": b"x"}
        for row, (name, value) in zip(rows, wrong.items(), strict=False):
            values = list(row[:-1])
            values[COLUMNS.index(name)] = value
            connection.execute(
                f"UPDATE downloads SET {name} = ?, seal = ? WHERE id = ?",
                (value, seals.make(values), row[0]),
            )
        connection.close()
        told: list[str] = []
        session = Session(path, on_problem=told.append)
        told += await session.open()
        assert [record.name for record in await session.restore()] == [
            f"file-{number}" for number in range(5, 9)
        ]
        await session.close()
        assert len(told) == 1 and "4 of its 9 downloads were saved" in told[0]

    async def test_an_id_of_another_version_becomes_ours(self, path: Path) -> None:
        store = SessionStore.open(path).store
        store.save([to_stored(download(1))._replace(id="0" * 16, id_rule=0)])
        store.close()
        assert (await content(path))["file-1"].id == download(1).id
        connection = sqlite3.connect(path)
        assert connection.execute("SELECT id FROM downloads").fetchall() == [(download(1).id,)]
        connection.close()

    async def test_in_the_history_it_is_found_by_the_id_of_its_row(self, path: Path) -> None:
        ended = download(1, status=DownloadStatus.COMPLETED, listed=False)
        store = SessionStore.open(path).store
        store.save([to_stored(ended)._replace(id="0" * 16)])
        store.close()
        async with opened(path) as session:
            (found,) = await session.search("", 10)
            assert found.id == "0" * 16
            assert (again := await session.find(found.id)) and again.config == ended.config
            assert await session.forget([found.id]) == 1

    async def test_a_damaged_file_is_told_of(self, state_home: Path) -> None:
        path = state_home / "rheo" / "session.db"
        path.parent.mkdir()
        path.write_bytes(b"not a session")
        session = Session(path)
        (problem,) = await session.open()
        assert "an empty one replaces it. Downloaded files are untouched. " in problem
        assert await session.restore() == []
        await session.close()

    async def test_two_at_a_time(self, path: Path) -> None:
        async with opened(path) as first:
            await first.save_now([download(1)])
            second = Session(path)
            with pytest.raises(SessionLockedError):
                await second.open()
            assert await second.open(read_only=True) == ()
            assert [record.name for record in await second.restore()] == ["file-1"]
            second.note(download(2))
            assert await second.has_changed() and not await second.has_changed()
            with pytest.raises(SessionStoreError, match="open read-only"):
                await second.save_now([download(3)])
            await first.save_now([download(4)])
            assert await second.has_changed() and not await second.has_changed()
            assert [record.name for record in await second.restore()] == ["file-1", "file-4"]
            await second.close()
        assert list(on_disk(path)) == ["file-1", "file-4"]


@pytest.mark.parametrize(
    ("more", "mirrors"),
    [
        ({"of_next_year": {"a": 1}}, ()),
        ({"request": {"netrc": True, "of_next_year": 1}}, ()),
        ({"mirrors": ["http://a..b/x", "http://m/x"]}, ("http://m/x",)),
        (
            {"mirrors": [f"http://m{at}/x" for at in range(200)]},
            tuple(f"http://m{at}/x" for at in range(16)),
        ),
    ],
    ids=["field", "inner field", "impossible mirror", "many mirrors"],
)
def test_rows_of_other_versions_are_read(more: dict[str, object], mirrors: tuple[str, ...]) -> None:
    row = to_stored(DownloadRecord.of(FileConfig(url="http://x/a", filename="b")))
    row = row._replace(config=json.dumps(json.loads(row.config) | more))
    found = records_of([row])
    assert not found.unreadable
    (record,) = found.records
    assert (record.config.url, record.config.filename) == ("http://x/a", "b")
    assert record.config.mirrors == mirrors
