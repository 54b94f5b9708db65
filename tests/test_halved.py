"""The mark `halved` leaves a chessboard of parameters to the usual run."""

import pytest


@pytest.mark.parametrize("first", range(4))
@pytest.mark.parametrize("second", "abc")
@pytest.mark.halved("first", "second")
def test_every_second_combination_is_long(
    request: pytest.FixtureRequest, first: int, second: str
) -> None:
    is_long = request.node.get_closest_marker("long") is not None
    assert is_long == bool((first + "abc".index(second)) % 2)
