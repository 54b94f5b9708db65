import pytest
from rich.cells import cell_len

from rheo_tui.formatting import (
    bar_text,
    duration_text,
    fit,
    fit_middle,
    limit_text,
    percent_text,
    size_text,
    sparkline_text,
)


@pytest.mark.parametrize(
    ("size", "text"),
    [(None, ""), (0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (4_700_000_000, "4.7 GB")],
)
def test_sizes(size: int | None, text: str) -> None:
    assert size_text(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (float("inf"), ""),
        (0.2, "1 s"),
        (59.5, "1:00"),
        (754, "12:34"),
        (3720, "1h02m"),
        (90_000, "1d01h"),
        (9_000_000, "104 d"),
        (1e15, "9999 d"),
    ],
)
def test_durations_fit_their_column(seconds: float | None, text: str) -> None:
    assert duration_text(seconds) == text
    assert len(text) <= 6


def test_percent_says_100_only_at_the_end() -> None:
    assert percent_text(0.9999) == " 99%"
    assert percent_text(1.0) == "100%"


@pytest.mark.parametrize(
    ("fraction", "bar"),
    [
        (0.0, ("", "━━━━")),
        (0.5, ("━━", "━━")),
        (1 / 8, ("╸", "━━━")),
        (1.0, ("━━━━", "")),
        (7.0, ("━━━━", "")),
    ],
)
def test_bars(fraction: float, bar: tuple[str, str]) -> None:
    assert bar_text(fraction, 4) == bar


def test_sparkline_scales_to_its_highest() -> None:
    assert sparkline_text([0, 1, 2], 5) == "  ▁▅█"
    assert sparkline_text([0, 0], 3) == "   "


@pytest.mark.parametrize("width", range(1, 40))
@pytest.mark.parametrize(
    "name",
    ["a.iso", "a-very-long-name-indeed.tar.xz", "東京オリンピック開会式.mkv", "e\u0301" * 30],
)
def test_cut_names_take_exactly_their_width(name: str, width: int) -> None:
    assert cell_len(fit_middle(name, width)) == width
    assert cell_len(fit(name, width)) == width


def test_the_middle_goes_and_the_extension_stays() -> None:
    cut = fit_middle("debian-13.1.0-amd64-netinst.iso", 20)
    assert cut.startswith("debian-")
    assert cut.endswith("st.iso")
    assert "…" in cut
    assert fit_middle("東京オリンピック開会式.parquet", 16).rstrip().endswith(".parquet")


def test_limits_read_like_the_keys() -> None:
    assert limit_text(500_000) == "500 kB/s"
    assert limit_text(None) == "off"
