"""SpeedCalculator: given times in, speeds out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheo_core.domain.speed import SpeedCalculator


def test_the_first_record_has_no_speed() -> None:
    metrics = SpeedCalculator().record_chunk(1000, 1000, 5000, 10.0)
    assert metrics.model_dump() == {
        "current_speed_bps": 0.0,
        "average_speed_bps": 0.0,
        "eta_seconds": None,
        "elapsed_seconds": 0.0,
    }


def test_steady_speed() -> None:
    calculator = SpeedCalculator(window_seconds=2.0)
    calculator.record_chunk(0, 0, 1000, 5.0)
    for second in range(1, 9):
        metrics = calculator.record_chunk(100, 100 * second, 1000, 5.0 + second)
    assert metrics.current_speed_bps == 100
    assert metrics.average_speed_bps == 100
    assert metrics.eta_seconds == 2.0
    assert metrics.elapsed_seconds == 8.0


def test_the_window_forgets() -> None:
    calculator = SpeedCalculator(window_seconds=2.0)
    calculator.record_chunk(0, 0, None, 0.0)
    calculator.record_chunk(10_000, 10_000, None, 1.0)
    for second in range(2, 6):
        metrics = calculator.record_chunk(10, 10_000 + 10 * second, None, float(second))
    assert metrics.average_speed_bps == 10
    assert metrics.eta_seconds is None


def test_bytes_of_an_earlier_attempt_do_not_count() -> None:
    calculator = SpeedCalculator()
    calculator.record_chunk(0, 1_000_000, None, 0.0)
    assert calculator.record_chunk(100, 1_000_100, None, 1.0).average_speed_bps == 100


def test_eta() -> None:
    calculator = SpeedCalculator()
    calculator.record_chunk(0, 0, 100, 0.0)
    assert calculator.record_chunk(0, 0, 100, 1.0).eta_seconds is None
    assert calculator.record_chunk(100, 100, 100, 2.0).eta_seconds == 0.0
    assert calculator.record_chunk(50, 150, 100, 3.0).eta_seconds == 0.0


def test_the_wait_for_the_first_byte_does_not_count() -> None:
    calculator = SpeedCalculator()
    for second in range(4):
        calculator.record_chunk(0, 50, 1000, float(second))
    metrics = calculator.record_chunk(100, 150, 1000, 4.0)
    assert metrics.average_speed_bps == 100
    assert metrics.elapsed_seconds == 4.0


def test_the_remaining_time_is_known_in_a_window_of_any_length() -> None:
    calculator = SpeedCalculator(window_seconds=0.5)
    for at in range(9):
        metrics = calculator.record_chunk(10, 10 * at, 1000, at / 10)
    assert metrics.eta_seconds == pytest.approx(9.2)


def test_the_remaining_time_is_known_after_half_a_second_with_data() -> None:
    calculator = SpeedCalculator()
    known = [calculator.record_chunk(0, 0, 1000, 0.0), calculator.record_chunk(0, 0, 1000, 9.0)]
    known += [calculator.record_chunk(10, 10 * at, 1000, 9.0 + at / 4) for at in range(1, 4)]
    assert [each.eta_seconds for each in known] == [None] * 3 + [24.5, 24.25]


def test_two_records_at_one_moment() -> None:
    calculator = SpeedCalculator()
    calculator.record_chunk(0, 0, 100, 1.0)
    metrics = calculator.record_chunk(50, 50, 100, 1.0)
    assert (metrics.current_speed_bps, metrics.average_speed_bps) == (0, 0)


@pytest.mark.parametrize("seconds", [0, -1.0])
def test_bad_window(seconds: float) -> None:
    with pytest.raises(ValueError, match="window_seconds"):
        SpeedCalculator(seconds)


@given(
    st.lists(st.tuples(st.floats(0, 100), st.integers(0, 10**12)), min_size=1, max_size=50),
    st.none() | st.integers(0, 10**13),
    st.floats(0.1, 10),
)
def test_never_negative_never_raises(
    records: list[tuple[float, int]], total: int | None, window: float
) -> None:
    calculator = SpeedCalculator(window)
    now, done = 0.0, 0
    for later, count in records:
        now += later
        done += count
        metrics = calculator.record_chunk(count, done, total, now)
        assert metrics.average_speed_bps >= 0
        assert metrics.current_speed_bps >= 0
        assert metrics.elapsed_seconds >= 0
