"""Events into lines, counts and exit codes."""

import signal
import sys
from pathlib import Path

import pytest

from rheo_core.cli.exit import ExitCode, code_of, code_of_run
from rheo_core.cli.progress_display import LiveReporter, PlainReporter
from rheo_core.cli.report import RunCounts, line_of
from rheo_core.domain import (
    CancelledFrom,
    DestinationError,
    DiskFullError,
    FileInUseError,
    HashAlgorithm,
    HttpStatusError,
    ProxyRefusalError,
    RequestOptionsError,
    SpeedMetrics,
    ValidationResult,
)
from rheo_core.domain.failures import FailureKind
from rheo_core.events import (
    DownloadCancelledEvent,
    DownloadCompletedEvent,
    DownloadEvent,
    DownloadFailedEvent,
    DownloadProgressEvent,
    DownloadQueuedEvent,
    DownloadRepairingEvent,
    DownloadRetryingEvent,
    DownloadSkippedEvent,
    DownloadStartedEvent,
    DownloadValidatingEvent,
    ErrorInfo,
)

PATH = Path("/d/a.bin")
WHICH = {"download_id": "0123456789abcdef", "url": "http://x/"}
HASH = ValidationResult(
    algorithm=HashAlgorithm.MD5, expected_hash="a" * 32, calculated_hash="a" * 32
)
QUEUED = DownloadQueuedEvent(**WHICH, priority=1)
STARTED = DownloadStartedEvent(**WHICH, total_bytes=100)
SPEED = SpeedMetrics(
    current_speed_bps=10.0, average_speed_bps=5.0, eta_seconds=4000.0, elapsed_seconds=1.0
)
PROGRESS = DownloadProgressEvent(**WHICH, bytes_downloaded=50, total_bytes=100, speed=SPEED)
REPAIRING = DownloadRepairingEvent(**WHICH, bad_pieces=3, pieces=1400, host="example.org")
VALIDATING = DownloadValidatingEvent(**WHICH, algorithm=HashAlgorithm.MD5)
COMPLETED = DownloadCompletedEvent(
    **WHICH,
    destination_path="/d/better.bin",
    total_bytes=2_500_000,
    elapsed_seconds=2520.0,
    average_speed_bps=1000.0,
)
SKIPPED = DownloadSkippedEvent(**WHICH, reason="file_exists")
CANCELLED = DownloadCancelledEvent(**WHICH, cancelled_from=CancelledFrom.QUEUED)
RETRYING = DownloadRetryingEvent(
    **WHICH,
    retry=2,
    max_retries=5,
    delay_seconds=1.5,
    error=ErrorInfo(exc_type="x.HttpStatusError", message="HTTP 503"),
)


def failed(error: Exception | None = None) -> DownloadFailedEvent:
    cause = error or HttpStatusError(404, "")
    return DownloadFailedEvent(**WHICH, error=ErrorInfo.from_exception(cause))


def refused(status: int) -> DownloadFailedEvent:
    error = ErrorInfo.from_exception(HttpStatusError(status, "No"))
    return DownloadFailedEvent(**WHICH, error=error)


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (COMPLETED, "done      better.bin: 2.5 MB in 42:00, 1.0 kB/s"),
        (
            COMPLETED.model_copy(update={"validation": HASH}),
            "done      better.bin: 2.5 MB in 42:00, 1.0 kB/s, hash verified",
        ),
        (failed(), "failed    a.bin: HTTP 404"),
        (
            refused(401),
            "failed    a.bin: HTTP 401 No; log in with --user NAME, --bearer - or --netrc",
        ),
        (
            failed(ProxyRefusalError(407, "No")),
            "failed    a.bin: the proxy refused the request: 407 No; log in with "
            "--proxy http://NAME:PASSWORD@HOST:PORT",
        ),
        (
            failed(ProxyRefusalError(407, "No", is_login_refused=True)),
            "failed    a.bin: the proxy refused the request: 407 No; the login was refused",
        ),
        (failed(ProxyRefusalError(403)), "failed    a.bin: the proxy refused the request: 403"),
        (refused(407), "failed    a.bin: HTTP 407 No"),
        (SKIPPED, "skipped   a.bin: file exists"),
        (
            SKIPPED.model_copy(update={"validation": HASH}),
            "skipped   a.bin: file exists, hash verified",
        ),
        (CANCELLED, "cancelled a.bin"),
        (RETRYING, "retrying  a.bin: HTTP 503; retry 2 of 5 in 2 s"),
        (REPAIRING, "repairing a.bin: bad pieces: 3 of 1,400; fetched again from example.org"),
        (QUEUED, None),
        (PROGRESS, None),
    ],
)
def test_lines(event: DownloadEvent, line: str | None) -> None:
    assert line_of(event, "a.bin") == line


@pytest.mark.parametrize(
    ("events", "code"),
    [
        ([], ExitCode.DONE),
        ([COMPLETED, SKIPPED, RETRYING], ExitCode.DONE),
        ([COMPLETED, failed()], ExitCode.FAILED),
        ([CANCELLED], ExitCode.FAILED),
        ([failed(), failed(DiskFullError(PATH)), COMPLETED], ExitCode.DISK),
        ([failed(DestinationError(PATH, "read-only"))], ExitCode.DISK),
        ([failed(FileInUseError(PATH))], ExitCode.FAILED),
        ([failed(), failed(RequestOptionsError("no certificate"))], ExitCode.USAGE),
    ],
)
def test_exit_code(events: list[DownloadEvent], code: ExitCode) -> None:
    counts = RunCounts()
    for event in events:
        counts.add(event)
    assert code_of(counts.failures) == code
    assert counts.ended == sum(event is not RETRYING for event in events)


@pytest.mark.parametrize("bad_input", [False, True])
@pytest.mark.parametrize("lost_events", [False, True])
@pytest.mark.parametrize("failures", [set(), {None}, {FailureKind.DESTINATION}])
def test_exit_code_of_a_run(
    failures: set[FailureKind | None], lost_events: bool, bad_input: bool
) -> None:
    def code(
        signalled: int | None = None, *, is_stopped: bool = False, is_finished: bool = False
    ) -> ExitCode:
        return code_of_run(
            failures,
            is_finished=is_finished,
            is_stopped=is_stopped,
            signalled=signalled,
            lost_events=lost_events,
            bad_input=bad_input,
        )

    assert code(is_stopped=True) == ExitCode.STOPPED
    assert code(signal.SIGINT) == ExitCode.INTERRUPTED
    assert code(signal.SIGTERM) == ExitCode.TERMINATED
    assert code(signal.SIGHUP) == ExitCode.HUNG_UP
    without_failures = ExitCode.DISK if lost_events else ExitCode(bad_input)
    assert code() == (code_of(failures) if failures else without_failures)
    assert code(is_stopped=True, is_finished=True) == code()  # the stop came too late
    assert code(signal.SIGINT, is_finished=True) == code()


def test_summary() -> None:
    counts = RunCounts()
    for event in (COMPLETED, COMPLETED, failed(), SKIPPED):
        counts.add(event)
    assert counts.summary().startswith("2 completed, 1 failed, 1 skipped; 5.0 MB in ")


def test_summary_counts_no_bytes_where_none_completed() -> None:
    counts = RunCounts()
    counts.add(failed())
    assert counts.summary().startswith("0 completed, 1 failed in ")


ALL = [QUEUED, STARTED, PROGRESS, RETRYING, PROGRESS, VALIDATING, COMPLETED, failed(), SKIPPED]


def test_plain(capsys: pytest.CaptureFixture[str]) -> None:
    with PlainReporter() as reporter:
        reporter.expect({WHICH["download_id"]: "a.bin"})
        for event in ALL:
            reporter.show(event)
    words = [line.split()[0] for line in capsys.readouterr().err.splitlines()]
    assert words == ["retrying", "done", "failed", "skipped"]


def test_quiet_shows_failures_only(capsys: pytest.CaptureFixture[str]) -> None:
    with PlainReporter(quiet=True) as reporter:
        for event in ALL:
            reporter.show(event)
    assert capsys.readouterr().err == "failed    01234567: HTTP 404\n"


HOSTILE = "[/red][bold]x\x1b[31m{0}\u202e[/"


def test_live_survives_hostile_names(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes the captured stream for a terminal
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    with LiveReporter() as reporter:
        reporter.expect({WHICH["download_id"]: HOSTILE, "b": "b"})
        reporter.expect({"c": "c"})
        for event in ALL[:6]:
            reporter.show(event)
        reporter._progress.refresh()
        for event in ALL[6:]:
            reporter.show(event)
    shown = capsys.readouterr().err
    assert "x\x1b[31m" not in shown
    assert "\u202e" not in shown
    assert "[/red][bold]x\ufffd[31m{0}[/" in shown
    assert "checking" in shown
    assert "3 of 3" in shown


def test_names_go_with_the_downloads(capsys: pytest.CaptureFixture[str]) -> None:
    with PlainReporter() as reporter:
        reporter.expect({WHICH["download_id"]: "a.bin"})
        reporter.report(RETRYING)
        reporter.report(failed())
        assert reporter.name(RETRYING) == "01234567"  # nothing is held of what has ended
        assert reporter.expected == 1
    assert [line.split()[1] for line in capsys.readouterr().err.splitlines()] == ["a.bin:"] * 2


def test_nobody_reads_standard_error(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone:
        def write(self, _: str) -> int:
            raise BrokenPipeError

        flush = write

    monkeypatch.setattr(sys, "stderr", Gone())
    PlainReporter().show(failed())
