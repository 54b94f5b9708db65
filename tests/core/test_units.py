"""One grammar for sizes and rates."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheo_core.domain.units import count_text, parse_duration, parse_rate, parse_size, size_text


@pytest.mark.parametrize(
    ("count", "nouns", "text"),
    [
        (0, ("shard",), "0 shards"),
        (1, ("shard",), "1 shard"),
        (1, (), "1 download"),
        (10_000, (), "10,000 downloads"),
        (1, ("entry", "entries"), "1 entry"),
        (2, ("entry", "entries"), "2 entries"),
    ],
)
def test_a_number_has_the_form_of_its_noun(count: int, nouns: tuple[str, ...], text: str) -> None:
    assert count_text(count, *nouns) == text


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("65536", 65536),
        ("500K", 500_000),
        ("500 kB", 500_000),
        (" 1.5m ", 1_500_000),
        (".5M", 500_000),
        ("2G", 2 * 10**9),
        ("1T", 10**12),
        ("1KiB", 1024),
        ("1.5 MiB", 3 << 19),
        ("2Ki", 2048),
        ("12 bytes", 12),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "K", "-1", "5,5M", "5M extra", "1e3", "5 Mbit", "nan", "٣"])
def test_what_is_no_size_is_refused_whole(text: str) -> None:
    with pytest.raises(ValueError, match="should be a size such as"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "rate"),
    [("500K", 500_000), ("1.5 MB/s", 1_500_000), ("1MiB/s", 1 << 20), ("OFF", None), ("0", None)],
)
def test_rates(text: str, rate: int | None) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["", "fast", "-1M", "5X", "0.1", "/s", "0.0K"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="bytes per second such as"):
        parse_rate(text)


@given(st.text())
def test_no_text_makes_another_error(text: str) -> None:
    with suppress(ValueError):
        assert parse_size(text) >= 0


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_951, "1.0 MB"),
        (2_540_000, "2.5 MB"),
        (1 << 30, "1.1 GB"),
        (10**17, "100.0 PB"),
        (1 << 63, "9.2 EB"),
        (10**22, "10,000.0 EB"),
    ],
)
def test_sizes_for_people(size: int, text: str) -> None:
    assert size_text(size) == text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("45s", 45),
        ("5M", 300),
        ("1h30m", 5400),
        (" 1h 30m ", 5400),
        ("3d", 259_200),
        ("2w", 1_209_600),
    ],
)
def test_durations(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "m", "1.5h", "30m1h", "-5m", "5 min", "٣s"])
def test_what_is_no_duration_is_refused_whole(text: str) -> None:
    with pytest.raises(ValueError, match="should be a duration such as"):
        parse_duration(text)
