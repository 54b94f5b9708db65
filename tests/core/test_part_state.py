"""The content of a state file is read back whole or not at all."""

import hashlib
import hmac
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rheo_core.transfer.part_state import STATE_MARK, PartState, decode_state, encode_state
from rheo_core.transfer.segments import WrittenRange
from rheo_core.transfer.validators import Validator

texts = st.text(st.characters(codec="utf-8"), max_size=20)
NAME, KEY = "file.bin.part", bytes(range(32))
validators = st.builds(Validator, st.none() | texts, st.none() | texts)


@st.composite
def states(draw: st.DrawFn) -> PartState:
    borders = sorted(draw(st.sets(st.integers(0, 2**63), max_size=12)))
    pairs = zip(borders[::2], borders[1::2], strict=False)
    written = [WrittenRange(start, end, draw(st.integers(0, 2**32 - 1))) for start, end in pairs]
    least = written[-1].end if written else 0
    total = draw(st.none() | st.integers(least, 2**64))
    kind = draw(st.none() | texts)
    return PartState(draw(texts), total, draw(validators), tuple(written), media_type=kind)


@given(states())
def test_what_was_written_comes_back(state: PartState) -> None:
    assert decode_state(encode_state(state, NAME, KEY), NAME, KEY) == state


@settings(max_examples=20, deadline=None)
@given(states(), st.integers(1, 255))
def test_no_byte_of_it_can_change(state: PartState, flip: int) -> None:
    data = bytearray(encode_state(state, NAME, KEY))
    for index in range(len(data)):
        data[index] ^= flip
        with pytest.raises(ValueError):
            decode_state(bytes(data), NAME, KEY)
        data[index] ^= flip
    assert decode_state(bytes(data), NAME, KEY) == state


@settings(max_examples=20, deadline=None)
@given(states(), st.binary(min_size=1, max_size=9))
def test_none_of_it_can_be_cut_off_or_added(state: PartState, more: bytes) -> None:
    data = encode_state(state, NAME, KEY)
    for length in range(len(data)):
        with pytest.raises(ValueError):
            decode_state(data[:length], NAME, KEY)
    with pytest.raises(ValueError):
        decode_state(data + more, NAME, KEY)


@pytest.mark.parametrize(
    ("name", "key"),
    [("other.bin.part", KEY), ("file.bin", KEY), (NAME, bytes(32)), (NAME, b""), ("", KEY)],
)
@given(states())
def test_another_name_or_key_proves_nothing(name: str, key: bytes, state: PartState) -> None:
    """Such a state was made elsewhere: by another user, or for a file that a server sent."""
    with pytest.raises(ValueError, match="signature"):
        decode_state(encode_state(state, name, key), NAME, KEY)


FIRST_FIELDS = {
    *("source", "total", "validator", "written", "promised", "modified", "is_rejected"),
    *("media_type", "link"),
}
"""Fields of the first version that wrote states of this format; it refuses states with others."""


@given(states())
def test_an_earlier_version_can_read_the_state_of_an_ordinary_link(state: PartState) -> None:
    body = encode_state(state, NAME, KEY).split(b"\n", 2)[2]
    assert json.loads(body).keys() <= FIRST_FIELDS
    edited = encode_state(state._replace(fetched="link"), NAME, KEY).split(b"\n", 2)[2]
    assert json.loads(edited)["fetched"] == "link"


def test_a_state_without_a_key_is_not_believed() -> None:
    """As earlier versions wrote it, and as anybody can."""
    body = encode_state(PartState("source"), NAME, KEY).split(b"\n")[2]
    for version in (b"4", b"5"):
        keyless = hashlib.sha256(body).hexdigest().encode()
        with pytest.raises(ValueError):
            decode_state(b"\n".join((STATE_MARK + version, keyless, body)), NAME, KEY)


@pytest.mark.parametrize("body", [b'{"later":1}', b'{"source":1}', b'{"total":"5"}'])
def test_a_signed_state_with_an_unknown_fact_or_another_type_is_refused(body: bytes) -> None:
    """A later version may have written it."""
    version = STATE_MARK + b"5"
    signature = hmac.digest(KEY, b"\n".join((version, NAME.encode(), body)), "sha256")
    with pytest.raises(ValueError, match="validation error"):
        decode_state(b"\n".join((version, signature.hex().encode(), body)), NAME, KEY)
