"""The header, the tabs and the causes: pure functions from values to text."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from rheo_core.domain import (
    DownloadStats,
    DownloadStatus,
    HashAlgorithm,
    HashMismatchError,
)
from rheo_core.domain.exceptions import (
    CertificateError,
    ConnectionFailedError,
    DestinationError,
    DiskFullError,
    DownloadTimeoutError,
    FileExistsError,
    FileValidationError,
    HostNotFoundError,
    HttpStatusError,
    IncompleteError,
    NoNetworkError,
    ProxyRefusalError,
    RequestOptionsError,
    WebPageError,
)
from rheo_core.domain.failures import Failure, FailureKind
from rheo_tui.actions import BY_ID as ACTIONS_BY_ID
from rheo_tui.actions import advice_text
from rheo_tui.failure_advice import Cause, cause_of
from rheo_tui.summary import Summary, header_lines
from rheo_tui.tabs import ALL, BY_ID, TABS, tabs_in
from tests.tui.failed import facts_of
from tests.tui.test_table_model import row

BUSY = Summary(
    folder="~/Downloads",
    free=76_000_000_000,
    busy=3,
    slots=3,
    connections=17,
    limit=5_000_000,
    limit_reason="until 18:00",
    done=4_900_000_000,
    total=12_000_000_000,
    left=7_100_000_000,
    unknown=177,
    speed=3_600_000.0,
    mean_speed=3_500_000.0,
    samples=tuple(float(at * 100_000) for at in range(40)),
)


def texts(summary: Summary, width: int, height: int = 2) -> list[str]:
    lines = header_lines(summary, width, height)
    return ["".join(span.text for span in line) for line in lines]


def test_the_header_shows_all_that_people_ask_for() -> None:
    first, second = texts(BUSY, 140)
    assert first.startswith(" rheo   ~/Downloads · 76.0 GB free")
    assert first.endswith("3 of 3 slots · 17 connections · limit 5 MB/s (schedule, until 18:00) ")
    assert "40%  4.9 of 12.0 GB  34 min left  177 sizes unknown" in second
    assert second.endswith("3.6 MB/s ")
    assert "⣉⣉⣉⣉⣩⣭⣭⣭⣭⣭⣭⣭" in second  # the limit is a line above the graph


@pytest.mark.parametrize(
    ("limit", "graph"),
    [(None, "⣿⣿  4.0 MB/s  peak 4.0 MB/s"), (4_000_000, "⣿⣿  4.0 MB/s"),
     (8_000_000, "⣭⣭  4.0 MB/s"), (9_000_000, "⣿⣿  4.0 MB/s  peak 4.0 MB/s")],
)  # fmt: skip
def test_the_graph_rises_to_the_limit_if_it_is_in_sight(limit: int | None, graph: str) -> None:
    steady = Summary(limit=limit, speed=4e6, samples=(4e6,) * 24, done=1, total=2)
    assert texts(steady, 140)[1].rstrip().endswith(graph)


@pytest.mark.parametrize("height", [1, 2])
@pytest.mark.parametrize(
    "summary", [Summary(), BUSY, Summary(folder="~/東京/" + "長い" * 40, marked=14, hidden_marks=3)]
)
def test_every_line_fits(summary: Summary, height: int) -> None:
    for width in [*range(20, 60), 80, 100, 120, 139, 200, 300]:
        lines = texts(summary, width, height)
        assert len(lines) == height, width
        assert all(cell_len(line) <= width for line in lines), width


def test_progress_and_speed_stay_on_the_narrowest_screen() -> None:
    (line,) = texts(BUSY, 40, 1)
    assert line.startswith(" 40%  34 min left")
    assert line.endswith(" 3.6 MB/s ")


def test_the_peak_is_never_below_the_present_speed() -> None:
    summary = Summary(speed=5.1e6, samples=(2e6, 4.7e6), done=1, total=2)
    line = texts(summary, 120)[1]
    assert "5.1 MB/s  peak 5.1 MB/s" in line


def test_nothing_moves_without_a_time_left() -> None:
    assert "left" not in texts(Summary(done=1, total=2, left=1), 120)[1]
    assert "%" not in texts(Summary(), 120)[1]


def test_the_time_left_counts_downloads_of_unknown_size() -> None:
    known = Summary(done=30, total=630, left=600, mean_speed=10.0, unknown=2)
    assert "  1 min left  2 sizes unknown" in texts(known, 120)[1]
    assert "  ~3 min left  2 sizes unknown" in texts(replace(known, guessed_left=1200), 120)[1]
    assert " left" not in texts(replace(known, guessed_left=None), 120)[1]


def test_a_percentage_that_depends_on_unknown_sizes_is_marked() -> None:
    known = Summary(done=30, total=60, unknown=2)
    assert "  50%  30 of 60 B" in texts(known, 120)[1]
    assert "  ~25%  30 of ~120 B" in texts(replace(known, guessed=60), 120)[1]
    assert "%" not in texts(replace(known, guessed=None), 120)[1]
    assert "─  30 B  2 sizes unknown  0 B/s" in texts(replace(known, guessed=None), 120)[1]


@pytest.mark.parametrize("height", [1, 2])
def test_failures_are_told_once_the_rest_is_done(height: int) -> None:
    def last(**facts: Any) -> str:
        return texts(Summary(**facts), 60, height)[-1]

    assert "  5 failed" in last(done=60, total=60, failed=5)
    assert "100%  5 failed" in last(done=60, total=60, failed=5)
    assert "10 failed" in last(failed=10)  # nothing else was there
    for facts in ({"done": 30, "failed": 5}, {"done": 60}, {"done": 60, "failed": 5, "busy": 1}):
        assert "failed" not in last(total=60, **facts)


def test_badges() -> None:
    badges = Summary(badge="read-only", marked=14, hidden_marks=3, quits_when_done=True)
    first, _ = texts(badges, 120)
    for badge in (" read-only ", "14 marked, 3 not shown", "quits when done"):
        assert badge in first
    first, _ = texts(
        Summary(is_offline=True, stop_after=5_000_000_000, limit_reason="slow mode"), 120
    )
    for badge in (" network down ", "stops after 5.0 GB", "no limit (slow mode)"):
        assert badge in first
    (only,) = texts(Summary(quits_when_done=True), 40, 1)
    assert "quits when done · 0 B/s" in only
    (only,) = texts(Summary(is_offline=True), 40, 1)
    assert only.startswith("  network down ")


STATS = DownloadStats(total=208, in_progress=3, queued=177, failed=2, completed=25, skipped=1)


def test_tabs_count_everything() -> None:
    tabs, is_cut = tabs_in(200, STATS, ALL)
    assert not is_cut
    assert [tab for tab, _ in tabs] == list(TABS)
    assert [count for _, count in tabs] == ["208", "3", "177", "2", "0", "26", "0"]
    assert [tab.key for tab in TABS] == list("1234567")


def test_tabs_fit_and_the_current_one_stays() -> None:
    current = BY_ID["cancelled"]
    usual = {"all", "active", "queued", "failed", "done"}
    for width in range(12, 120):
        tabs, is_cut = tabs_in(width, STATS, current)
        assert current in [tab for tab, _ in tabs], width
        assert is_cut == (not usual <= {tab.id for tab, _ in tabs}), width
        words = [f"{tab.key} {tab.title} {count}" for tab, count in tabs]
        line = "│".join([*words, "…"] if is_cut else words)
        assert len(line) <= width or len(tabs) == 1, width


def test_empty_tabs_give_way_first() -> None:
    tabs, is_cut = tabs_in(62, STATS, ALL)
    assert [tab.id for tab, _ in tabs] == ["all", "active", "queued", "failed", "done"]
    assert not is_cut


def mismatch(**facts: Any) -> HashMismatchError:
    return HashMismatchError(
        expected_hash="a" * 64, calculated_hash="b" * 64, file_path=Path("/x/router.bin"), **facts
    )


@pytest.mark.parametrize(
    ("error", "text", "action"),
    [
        (HttpStatusError(404, "Not Found"), "404 Not Found", "link"),
        (HttpStatusError(401, "Unauthorized"), "401 needs a login", "link"),
        (HttpStatusError(401, "No", is_login_refused=True), "401 wrong login", "link"),
        (HttpStatusError(500, "Internal Server Error"), "500 Internal Server Error", "retry"),
        (ConnectionFailedError("a.example:443", "connection refused"), "connection refused",
         "retry"),
        (ConnectionFailedError("[::1]:80", "connection refused"), "connection refused", "retry"),
        (CertificateError("a.example", "it has expired"), "certificate refused: it has expired",
         "link"),
        (IncompleteError(10, 20), "connection ended early", "retry"),
        (DownloadTimeoutError("no data", 30.0, "for", peer="from a.example"), "no data for 30 s",
         "retry"),
        (DownloadTimeoutError("no connection", 9.0, peer="to a.example"),
         "no connection within 9 s", "retry"),
        (NoNetworkError("a.example", "no name server answers"), "no name server answers",
         "retry"),
        (HostNotFoundError("a.example", is_proxy=True), "the proxy: host name not found", "retry"),
        (ProxyRefusalError(407), "407 the proxy needs a login", "retry"),
        (ProxyRefusalError(407, is_login_refused=True), "407 wrong proxy login", "retry"),
        (ProxyRefusalError(403, "No"), "the proxy refused the request: 403 No", "retry"),
        (HttpStatusError(407, "No"), "407 No", "retry"),
        (HttpStatusError(410), "410", "link"),
        (FileExistsError(Path("/x/a: b")), "file already exists", "existing"),
        (FileValidationError.of_existing(Path("/x/a"), " has 1 bytes instead of 2"),
         "a different file exists", "existing"),
        (mismatch(was_there=True), "a different file exists", "existing"),
        (mismatch(bad_pieces=1, pieces=2), "damaged at every source", "retry"),
        (mismatch(is_promised=True), "wrong checksum", "retry"),
        (mismatch(), "wrong checksum", "keep"),
        (RequestOptionsError("user: digest authentication fails"),
         "user: digest authentication fails", "retry"),
        (WebPageError("text/html", "a.zip"), "web page, not a file", "keep"),
        (ValueError("something else: entirely"), "something else: entirely", "retry"),
    ],
)  # fmt: skip
def test_the_cause_comes_first(error: Exception, text: str, action: str) -> None:
    cause = cause_of(row(0, status=DownloadStatus.FAILED, **facts_of(error)))
    assert (cause.text, cause.action) == (text, action)
    assert "{key}" in cause.advice


@pytest.mark.parametrize("kind", FailureKind)
def test_every_kind_of_failure_has_an_advice_and_a_key(kind: FailureKind) -> None:
    cause = cause_of(row(0, status=DownloadStatus.FAILED, failure=Failure(kind)))
    assert "{key}" in cause.advice
    assert cause.action in ACTIONS_BY_ID


@pytest.mark.parametrize("was_refused", [True, False])
def test_the_advice_on_a_login_fits_beside_keys_in_eighty_columns(was_refused: bool) -> None:
    error = HttpStatusError(401, "No", is_login_refused=was_refused)
    cause = cause_of(row(0, status=DownloadStatus.FAILED, **facts_of(error)))
    assert len(advice_text(cause, {})) + 28 <= 80


def test_a_failure_of_an_earlier_version_is_its_whole_message() -> None:
    old = row(0, status=DownloadStatus.FAILED, error="a.example: connection refused")
    assert cause_of(old) == Cause("a.example: connection refused")


def test_causes_on_the_disk() -> None:
    path = Path("/somewhere/a: b.iso")
    denied = row(0, **facts_of(DestinationError(path, "permission denied")))
    assert cause_of(denied).text == "permission denied"
    full = row(0, **facts_of(DiskFullError(path, 1000)))
    assert cause_of(full).text == "disk full, 1.0 kB short"


def test_a_wrong_checksum_names_its_algorithm() -> None:
    error = mismatch(algorithm=HashAlgorithm.SHA256)
    assert str(error) == f"wrong SHA-256: expected {'a' * 16}…, got {'b' * 16}…"
    failed = row(0, status=DownloadStatus.FAILED, **facts_of(error))
    assert cause_of(failed).text == "wrong SHA-256"
    assert "keep the data anyway" in cause_of(failed).advice
    kept = failed._replace(reason="kept as a.iso.unverified")
    assert advice_text(cause_of(kept), {}) == "The data is kept; press r to retry."
