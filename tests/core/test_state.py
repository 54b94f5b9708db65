"""What the state file holds comes back whole or not at all."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rheo_core.transfer.plan import Validator
from rheo_core.transfer.segments import WrittenRange
from rheo_core.transfer.state import PartState, decode_state, encode_state

texts = st.text(st.characters(codec="utf-8"), max_size=20)
validators = st.builds(Validator, st.none() | texts, st.none() | texts)


@st.composite
def states(draw: st.DrawFn) -> PartState:
    borders = sorted(draw(st.sets(st.integers(0, 2**63), max_size=12)))
    pairs = zip(borders[::2], borders[1::2], strict=False)
    written = [WrittenRange(start, end, draw(st.integers(0, 2**32 - 1))) for start, end in pairs]
    least = written[-1].end if written else 0
    total = draw(st.none() | st.integers(least, 2**64))
    return PartState(draw(texts), total, draw(validators), tuple(written))


@given(states())
def test_what_was_written_comes_back(state: PartState) -> None:
    assert decode_state(encode_state(state)) == state


@settings(max_examples=20, deadline=None)
@given(states(), st.integers(1, 255))
def test_no_byte_of_it_can_change(state: PartState, flip: int) -> None:
    data = bytearray(encode_state(state))
    for index in range(len(data)):
        data[index] ^= flip
        with pytest.raises(ValueError):
            decode_state(bytes(data))
        data[index] ^= flip
    assert decode_state(bytes(data)) == state


@settings(max_examples=20, deadline=None)
@given(states(), st.binary(min_size=1, max_size=9))
def test_none_of_it_can_be_cut_off_or_added(state: PartState, more: bytes) -> None:
    data = encode_state(state)
    for length in range(len(data)):
        with pytest.raises(ValueError):
            decode_state(data[:length])
    with pytest.raises(ValueError):
        decode_state(data + more)
