import pytest
from rich.cells import cell_len

from rheo_tui.formatting import (
    bar_text,
    duration_text,
    fit,
    fit_middle,
    graph_text,
    limit_text,
    moving_bar_text,
    percent_text,
    size_pair_text,
    size_text,
    time_left_text,
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
        (0.0, ("", "────")),
        (0.5, ("━━", "──")),
        (1 / 8, ("╾", "───")),
        (1.0, ("━━━━", "")),
        (7.0, ("━━━━", "")),
    ],
)
def test_bars(fraction: float, bar: tuple[str, str]) -> None:
    assert bar_text(fraction, 4) == bar


def test_a_graph_has_two_values_in_a_cell() -> None:
    assert graph_text([1, 2, 3, 4], 2, 4) == "⣠⣾"
    assert graph_text([0.01], 2, 4) == "⠀⢀"  # moving is not standing still
    assert graph_text([9, 9], 1, 4) == "⣿"
    assert graph_text([1, 2], 0, 4) == ""


def test_a_graph_of_full_height_touches_the_line_above_it() -> None:
    assert graph_text([0, 1, 2, 3], 2, 3, has_line=True) == "⢉⣽"
    assert graph_text([9, 9], 1, 3, has_line=True) == "⣿"


@pytest.mark.parametrize("width", [1, 2, 8, 40])
def test_the_moving_piece_stays_inside(width: int) -> None:
    texts = ["".join(moving_bar_text(phase, width)) for phase in range(4 * width)]
    assert {len(text) for text in texts} == {width}
    assert {text.count("━") for text in texts} == {max(width // 4, 1)}
    assert texts[0].startswith("━")


@pytest.mark.parametrize(
    ("done", "total", "text"),
    [
        (0, None, ""),
        (2_800_000, None, "2.8 MB"),
        (0, 8_000_000, "8.0 MB"),
        (5_300_000, 8_000_000, "5.3 / 8.0 MB"),
        (11_200_000, 24_000_000, "11.2 / 24 MB"),
        (99_940_000, 999_000_000, "99.9 / 999 MB"),
        (1_000_000, 4_700_000_000, "0.0 / 4.7 GB"),
        (500, 900, "500 / 900 B"),
        (8_000_000, 8_000_000, "8.0 MB"),
    ],
)
def test_two_sizes_share_a_unit(done: int, total: int | None, text: str) -> None:
    assert size_pair_text(done, total) == text
    assert len(text) <= 13


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "1 s"), (59, "59 s"), (2040, "34 min"), (7800, "2 h 10 min"), (7200, "2 h"),
     (100_000, "1 day"), (9e5, "10 days")],
)  # fmt: skip
def test_rough_durations(seconds: float, text: str) -> None:
    assert time_left_text(seconds) == text


@pytest.mark.parametrize(
    "name",
    ["a.iso", "a-very-long-name-indeed.tar.xz", "東京オリンピック開会式.mkv", "e\u0301" * 30],
)
def test_cut_names_take_exactly_their_width(name: str) -> None:
    for width in range(1, 40):
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
