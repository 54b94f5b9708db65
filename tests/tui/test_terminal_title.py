"""The title and the progress of the terminal."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from rheo_core.domain.downloads import DownloadStats, Snapshot
from rheo_tui.terminal_title import TerminalTitle, shows_progress
from rheo_tui.totals import Totals

GHOSTTY = {"TERM_PROGRAM": "ghostty"}


@dataclass
class Terminal:
    """Stands for the screen, its app and the app's driver, which writes to the terminal."""

    written: list[str] = field(default_factory=list)
    is_headless: bool = False

    @property
    def app(self) -> Any:
        return self

    @property
    def _driver(self) -> Any:
        return self

    def write(self, text: str) -> None:
        self.written.append(text)

    def flush(self) -> None:
        pass

    def taken(self) -> str:
        text = "".join(self.written)
        self.written.clear()
        return text


def snapshot(running: int, speed: float = 0.0, paused: int = 0) -> Snapshot:
    stats = DownloadStats(total=1, in_progress=running, paused=paused)
    return Snapshot(revision=1, downloads=(), removed=(), stats=stats, speed_bps=speed)


def totals(done: int, wanted: int) -> Totals:
    known = Totals()
    known.done_bytes, known.total_bytes, known.left_bytes = done, wanted, wanted - done
    return known


def test_title_and_progress_of_a_run() -> None:
    terminal = Terminal()
    title = TerminalTitle(terminal, GHOSTTY)  # type: ignore[arg-type]
    title.show(snapshot(1, 3_600_000.0), totals(41, 100))
    assert terminal.taken() == "\x1b[22;0t\x1b]0;41% 3.6 MB/s rheo\x1b\\\x1b]9;4;1;41\x1b\\"
    title.show(snapshot(1, 3_700_000.0), totals(42, 100))
    assert not terminal.taken()  # not more often than once a second
    title.show(snapshot(0, paused=1), totals(42, 100))
    assert "\x1b]9;4;4;42\x1b\\" in terminal.taken()
    title.show(snapshot(0), totals(100, 100))
    assert terminal.taken() == "\x1b]0;rheo\x1b\\\x1b]9;4;0;0\x1b\\"
    title.clear()
    assert terminal.taken() == "\x1b[23;0t"
    title.clear()
    assert not terminal.taken()


def test_an_unknown_total_has_no_percentage() -> None:
    terminal = Terminal()
    title, unknown = TerminalTitle(terminal, GHOSTTY), totals(0, 0)  # type: ignore[arg-type]
    title.show(snapshot(1, 3_600_000.0), unknown)
    assert terminal.taken() == "\x1b[22;0t\x1b]0;3.6 MB/s rheo\x1b\\\x1b]9;4;3;0\x1b\\"
    title.show(snapshot(0, paused=1), unknown)
    assert terminal.taken() == "\x1b]0;rheo\x1b\\\x1b]9;4;4;0\x1b\\"


def test_the_end_clears_the_progress_of_a_run() -> None:
    terminal = Terminal()
    title = TerminalTitle(terminal, GHOSTTY)  # type: ignore[arg-type]
    title.show(snapshot(1), totals(41, 100))
    terminal.taken()
    title.clear()
    assert terminal.taken() == "\x1b[23;0t\x1b]9;4;0;0\x1b\\"


def test_an_unknown_terminal_gets_a_title_only() -> None:
    terminal = Terminal()
    TerminalTitle(terminal, {}).show(snapshot(1), totals(41, 100))  # type: ignore[arg-type]
    assert "]0;" in (text := terminal.taken())
    assert "9;4" not in text


@pytest.mark.parametrize(
    ("environment", "is_known"),
    [
        (GHOSTTY, True),
        ({"TERM_PROGRAM": "WezTerm"}, True),
        ({"WT_SESSION": "1"}, True),
        ({"ConEmuANSI": "ON"}, True),
        ({"TERM_PROGRAM": "Apple_Terminal"}, False),
        ({"TERM": "xterm-256color"}, False),
        (GHOSTTY | {"TMUX": "/tmp/tmux"}, False),
        (GHOSTTY | {"TERM": "screen-256color"}, False),
    ],
)
def test_terminals_that_show_progress(environment: dict[str, str], is_known: bool) -> None:
    assert shows_progress(environment) is is_known
