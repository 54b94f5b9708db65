"""The order of the list: active first, finished folded, and rows that stay while keys come."""

import random

import pytest

from rheo_core.domain import DownloadSnapshot, DownloadStatus, Snapshot
from rheo_core.domain.filters import parse_filter
from rheo_tui import table_model
from rheo_tui.columns import SORTABLE
from rheo_tui.table_model import FOLD, Sort, TableModel
from rheo_tui.tabs import BY_ID, TABS
from rheo_tui.totals import Totals
from tests.tui.driving import running
from tests.tui.fake_service import FakeService
from tests.tui.test_table_model import names, row, snapshot

STATUSES = tuple(DownloadStatus)


def changed(rows: list[DownloadSnapshot], revision: int) -> Snapshot:
    return snapshot(rows, revision)


def test_what_runs_and_what_is_broken_comes_first() -> None:
    model = TableModel()
    order = ["IN_PROGRESS", "RETRYING", "FAILED", "QUEUED", "PAUSED", "CANCELLED"]
    rows = [row(at, name=name, status=DownloadStatus[name]) for at, name in enumerate(order[::-1])]
    model.apply(snapshot([*rows, row(9, status=DownloadStatus.COMPLETED)]))
    assert names(model) == order
    assert model.id_at(len(order)) == FOLD
    assert model.row_at(len(order)) is None
    assert model.lines == len(order) + 1


def test_finished_downloads_fold_and_open_latest_first() -> None:
    model = TableModel()
    done = [
        row(at, name=f"done-{at}", status=DownloadStatus.COMPLETED, finished_at=float(at))
        for at in range(3)
    ]
    model.apply(snapshot([row(7), *done, row(8, name="old", status=DownloadStatus.SKIPPED)]))
    assert names(model) == ["file-7"]
    assert model.finished == 4
    model.toggle_fold()
    assert names(model) == ["file-7", "done-2", "done-1", "done-0", "old"]
    assert model.position(FOLD) == 1
    assert [model.position(row.id) for row in done] == [4, 3, 2]
    model.toggle_fold()
    assert model.position(done[0].id) is None


def test_a_list_of_finished_downloads_alone_is_open() -> None:
    model = TableModel()
    model.apply(snapshot([row(0, status=DownloadStatus.COMPLETED)]))
    assert names(model) == ["file-0"]
    assert model.position(FOLD) is None  # one line for one download would hide more than it saves
    model.apply(changed([row(1)], 2))
    assert names(model) == ["file-1"]  # folded while something is left to do


@pytest.mark.parametrize(
    ("tab", "text", "sort"),
    [("done", "", Sort()), ("all", "file", Sort()), ("all", "", Sort(SORTABLE[1]))],
)
def test_a_tab_a_filter_and_a_sort_fold_nothing(tab: str, text: str, sort: Sort) -> None:
    model = TableModel()
    model.apply(snapshot([row(0), row(1, status=DownloadStatus.COMPLETED)]))
    model.tab, model.filter, model.sort = BY_ID[tab], parse_filter(text), sort
    model.rebuild()
    assert "file-1" in names(model)
    assert model.position(FOLD) is None


def test_rows_stay_in_their_places_while_the_user_works() -> None:
    model = TableModel()
    model.apply(snapshot([row(0), row(1), row(2)]))
    model.held = True
    paused = row(1, status=DownloadStatus.PAUSED)
    change = model.apply(changed([paused], 2))
    assert not change.order
    assert change.rows == {paused.id}
    assert names(model) == ["file-0", "file-1", "file-2"]
    model.apply(changed([row(2, priority=5, rank=2.0)], 3))  # moved by a key: at once
    assert names(model) == ["file-2", "file-0", "file-1"]
    assert model.stale
    model.settle()
    assert names(model) == ["file-2", "file-0", "file-1"]
    assert model.rows[model.shown[-1]].status is DownloadStatus.PAUSED


@pytest.mark.parametrize("seed", range(12))
def test_single_changes_lead_to_the_same_order_as_a_sort(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_model, "_MIN_BULK", random.Random(seed).choice([1, 10_000]))
    chance = random.Random(seed)
    model, revision = TableModel(), 1
    model.sort = Sort(chance.choice(SORTABLE), chance.random() < 0.5)
    model.tab = chance.choice([*TABS, BY_ID["all"], BY_ID["all"]])
    model.filter = parse_filter(chance.choice(["", "", "file-1"]))
    alive: dict[int, DownloadSnapshot] = {}
    for _ in range(60):
        revision += 1
        gone = [at for at in alive if chance.random() < 0.05]
        for at in gone:
            del alive[at]
        fresh = {at: _random_row(at, chance) for at in chance.sample(range(60), 6)}
        alive |= fresh
        model.held = chance.random() < 0.3
        removed = tuple(f"{at:016x}" for at in gone if at not in fresh)
        model.apply(snapshot(list(fresh.values()), revision, removed=removed))
    model.settle()
    expected = TableModel()
    expected.sort, expected.tab, expected.filter = model.sort, model.tab, model.filter
    expected.apply(snapshot(list(alive.values())))
    expected.rebuild()
    assert model.shown == expected.shown
    assert model.lines == expected.lines
    for at in range(model.lines):
        download_id = model.id_at(at)
        assert download_id is not None and model.position(download_id) == at
    assert vars(model.totals) == vars(expected.totals)


@pytest.mark.parametrize("seed", range(8))
def test_totals_after_many_changes_of_a_row_are_those_of_its_last_state(seed: int) -> None:
    chance, totals, expected = random.Random(seed), Totals(), Totals()
    now = _random_row(1, chance)
    totals.add(now)
    for _ in range(40):
        names = ["status", "priority", "total_bytes", "name"]
        kept = {name: getattr(now, name) for name in names if chance.random() < 0.9}
        status = kept.get("status", DownloadStatus.IN_PROGRESS)
        old, now = now, _random_row(1, chance)._replace(**{**kept, "status": status})
        totals.replace(old, now)
    expected.add(now)
    assert vars(totals) == vars(expected)


def _random_row(at: int, chance: random.Random) -> DownloadSnapshot:
    total = chance.choice([None, 0, 100, 5_000])
    return row(
        at,
        status=chance.choice(STATUSES),
        priority=chance.randint(1, 3),
        rank=float(chance.randint(0, 99)),
        total_bytes=total,
        bytes_downloaded=chance.randint(0, total or 50),
        speed_bps=chance.choice([0.0, 9.0]),
        connections=chance.randint(0, 4),
        eta_seconds=chance.choice([None, 5.0, 90.0]),
        finished_at=chance.choice([None, 5.0, 6.0]),
    )


def test_totals_count_what_will_come() -> None:
    totals = Totals()
    running = row(0, status=DownloadStatus.IN_PROGRESS, total_bytes=100, bytes_downloaded=40)
    totals.add(running._replace(connections=4))
    totals.add(row(1, total_bytes=50))
    totals.add(row(2, status=DownloadStatus.IN_PROGRESS, bytes_downloaded=7))
    totals.add(row(3, status=DownloadStatus.PAUSED, total_bytes=10))
    totals.add(row(4, status=DownloadStatus.FAILED, total_bytes=1000))
    totals.add(row(5, status=DownloadStatus.COMPLETED, total_bytes=30, bytes_downloaded=30))
    assert totals.total_bytes == 100 + 50 + 7 + 10 + 30
    assert totals.done_bytes == 40 + 7 + 30
    assert totals.left_bytes == 60 + 50  # the paused one does not move
    assert (totals.unknown, totals.connections, totals.completed_bytes) == (1, 4, 30)
    assert not totals.priorities_differ
    totals.add(row(6, priority=2))
    assert totals.priorities_differ


def test_downloads_of_unknown_size_count_as_large_as_others_of_their_kind() -> None:
    totals = Totals()
    for at, (name, size) in enumerate(
        [("a.jpg", 40), ("b.JPG", 60), ("x.iso", 6000), ("c.jpg", None), ("d.jpg", None),
         ("y.iso", None), ("z.iso", None), ("of-no-kind", None), ("." + "long" * 9, None)]
    ):  # fmt: skip
        status = DownloadStatus.PAUSED if name == "z.iso" else DownloadStatus.QUEUED
        totals.add(row(at, name=name, total_bytes=size, status=status))
    mean = (40 + 60 + 6000) // 3
    assert totals.guessed_bytes == 2 * 50 + 2 * 6000 + 2 * mean
    assert totals.guessed_left_bytes == 2 * 50 + 6000 + 2 * mean


def test_any_number_of_extensions_is_counted_in_bounded_memory() -> None:
    totals = Totals()
    rows = [row(at, name=f"f.{at}", total_bytes=at % 7 or None) for at in range(5000)]
    for each in rows:
        totals.add(each)
    assert len(totals._sizes._kinds) == 100
    for each in rows:
        totals.remove(each)
    assert (totals.guessed_bytes, totals.total_bytes) == (0, 0)


@pytest.mark.parametrize("extension", ["", ".txt"])
def test_downloads_of_unknown_size_count_as_large_as_the_others(extension: str) -> None:
    totals = Totals()

    def numbers() -> tuple[int | None, int | None, float | None]:
        return totals.guessed_bytes, totals.guessed_left_bytes, totals.fraction

    assert numbers() == (0, 0, None)  # nothing to download
    unknown = [
        row(0, name=f"a{extension}", status=DownloadStatus.IN_PROGRESS, bytes_downloaded=7),
        row(1, name=f"b{extension}"),
        row(2, name=f"c{extension}", status=DownloadStatus.PAUSED),
    ]
    for each in unknown:
        totals.add(each)
    assert numbers() == (None, None, None)  # 7 of nobody knows how many
    films = [
        row(at, name=f"{at}.iso", status=DownloadStatus.COMPLETED, bytes_downloaded=each)
        for at, each in enumerate((93, 100, 107), 3)
    ]
    totals.add(films[0])
    assert numbers() == (None, None, None)  # one size is not enough for three others
    totals.add(films[1])
    assert numbers() == (None, 193, None)  # the paused one does not move
    totals.add(films[2])
    assert numbers() == (300, 200, 307 / 607)
    for each in unknown:
        totals.remove(each)
    assert numbers() == (0, 0, 1.0)


def test_three_films_say_nothing_about_reports_until_one_of_these_is_known() -> None:
    totals = Totals()
    for at in range(3):
        totals.add(row(at, name=f"{at}.iso", total_bytes=60_000_000))
    for at in range(3, 203):
        totals.add(row(at, name=f"{at}.txt"))
    assert (totals.guessed_bytes, totals.fraction, totals.unknown) == (None, None, 200)
    totals.replace(row(3, name="3.txt"), row(3, name="3.txt", total_bytes=40_000))
    assert totals.guessed_bytes == 199 * 40_000


async def test_keys_go_to_the_next_active_and_the_next_failed_download() -> None:
    async with running() as app:
        ids = await app.fill(12)
        for at, status in (
            (1, DownloadStatus.IN_PROGRESS), (5, DownloadStatus.PENDING),
            (7, DownloadStatus.FAILED), (9, DownloadStatus.COMPLETED),
        ):  # fmt: skip
            app.service.change(ids[at], status=status)
        await app.update()

        async def row_after(*keys: str) -> int:
            await app.press(*keys)
            assert app.table.current is not None
            return ids.index(app.table.current.id)

        assert await row_after("g", "n") == 5
        assert await row_after("n") == 1  # round the end
        assert await row_after("N") == 7
        assert await row_after("N") == 7
        await app.press("G")  # the line of the finished downloads
        assert app.table.on_fold
        assert await row_after("n") == 1
        await app.press("slash", *"00007", "enter", "n")
        assert "No download shown here is active." in app.messages()
        for at in (1, 5, 7):
            app.service.change(ids[at], status=DownloadStatus.QUEUED)
        await app.update()
        await app.press("n")
        assert "No download is active." in app.messages()
        await app.press("N")
        assert "No download has failed." in app.messages()


async def test_the_cursor_stays_at_the_top_while_kept_downloads_start() -> None:
    service = FakeService(max_concurrent=2)
    rows = [row(0, status=DownloadStatus.FAILED), row(1), row(2), row(3)]
    for each in rows:
        service.put(each)
    async with running(service) as app:
        assert app.table.current == rows[0]
        service.change(rows[2].id, status=DownloadStatus.IN_PROGRESS)
        await app.update()
        assert app.table.current and app.table.current.id == rows[2].id
        service.change(rows[1].id, status=DownloadStatus.IN_PROGRESS)
        await app.update()
        assert app.table.current.id == rows[1].id  # all slots are busy: from now on it keeps it
        service.change(rows[1].id, status=DownloadStatus.PAUSED)
        await app.update()
        assert app.table.current.id == rows[1].id


async def test_a_key_ends_the_start() -> None:
    service = FakeService(max_concurrent=2)
    rows = [row(0, status=DownloadStatus.FAILED), row(1)]
    for each in rows:
        service.put(each)
    async with running(service) as app:
        await app.press("down", "up")
        service.change(rows[1].id, status=DownloadStatus.IN_PROGRESS)
        await app.update()
        assert app.table.current and app.table.current.id == rows[0].id


async def test_the_footer_names_the_number_that_remove_removes() -> None:
    async with running(size=(120, 36)) as app:
        ids = await app.fill(4)
        for each in ids[1:]:
            app.service.change(each, status=DownloadStatus.COMPLETED)
        await app.update()
        assert "x remove " in app.screen_text()
        await app.press("G")
        assert "x remove 3" in app.screen_text()
        await app.press("enter", "asterisk")
        assert "x remove 4" in app.screen_text()


@pytest.mark.parametrize("keys", [["4", "1"], ["slash", *"file"], ["s", "enter"]])
async def test_another_tab_filter_or_order_holds_no_rows(keys: list[str]) -> None:
    async with running() as app:
        ids = await app.fill()
        await app.press("down")
        app.service.change(ids[2], status=DownloadStatus.FAILED)
        await app.update()
        assert app.table.model.shown == ids  # held
        await app.press(*keys)
        assert app.table.model.shown == [ids[2], ids[0], ids[1]]
        app.service.change(ids[2], status=DownloadStatus.QUEUED)
        await app.update()
        assert app.table.model.shown == ids  # until the next key


@pytest.mark.usefixtures("unseen_rows")
def test_rows_that_moved_a_moment_ago_go_back_for_the_first_key() -> None:
    model = TableModel()
    model.apply(snapshot([row(0), row(1), row(2)]))
    model.apply(changed([row(2, status=DownloadStatus.FAILED)], 2))
    model.apply(changed([row(1, status=DownloadStatus.COMPLETED)], 3))
    assert names(model) == ["file-2", "file-0"]
    assert model.hold() == {row(1).id, row(2).id}
    assert names(model) == ["file-0", "file-1", "file-2"]
    assert not model.hold()  # the next key
    model.settle()
    assert names(model) == ["file-2", "file-0"]


def test_rows_that_the_user_has_seen_move_stay() -> None:
    model = TableModel()
    model.apply(snapshot([row(0), row(1)]))
    model.apply(changed([row(1, status=DownloadStatus.FAILED)], 2))
    assert not model.hold()
    assert names(model) == ["file-1", "file-0"]


@pytest.mark.usefixtures("unseen_rows")
@pytest.mark.parametrize("tab", ["all", "queued"])
async def test_the_first_key_acts_on_the_rows_that_were_drawn(tab: str) -> None:
    async with running() as app:
        ids = await app.fill()
        app.main._filters.open_tab(BY_ID[tab])
        app.service.change(ids[2], status=DownloadStatus.FAILED)  # moves up, or leaves
        app.service.change(ids[0], status=DownloadStatus.COMPLETED)  # leaves the cursor
        await app.update()
        assert app.table.current and app.table.current.id != ids[0]
        await app.press("x")
        assert app.called("remove") == [[ids[0]]]


@pytest.mark.usefixtures("unseen_rows")
async def test_a_row_that_moved_up_is_not_hit_by_an_arrow() -> None:
    async with running() as app:
        ids = await app.fill()
        await app.press("G")
        app.table.model.held = False
        app.service.change(ids[1], status=DownloadStatus.FAILED)
        await app.update()
        await app.press("up", "x")
        assert app.called("remove") == [[ids[1]]]


@pytest.mark.parametrize(
    ("width", "line"),
    [
        (40, "▸ 1 done   10.0 MB · Enter shows them"),
        (60, "▸ 1 done   10.0 MB · Enter shows them"),
        (80, "▸ 1 done   10.0 MB · Enter shows them · X clears them from the list"),
    ],
)
async def test_the_line_of_the_fold_has_whole_facts(width: int, line: str) -> None:
    async with running(size=(width, 24)) as app:
        first, _ = await app.fill(2)
        app.service.change(first, status=DownloadStatus.COMPLETED)
        await app.update()
        await app.until(lambda: any(each.strip() == line for each in app.lines()))
