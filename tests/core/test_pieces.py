"""Pieces: what a list of their hashes must be, and which bytes of a file they vouch for."""

import os
import threading
import zlib
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from rheo_core import FileConfig
from rheo_core.domain import HashAlgorithm, PieceHashes
from rheo_core.infrastructure.session_rows import to_record, to_stored
from rheo_core.tracking import DownloadRecord
from rheo_core.transfer import HostLimiter, PartFile, PartOwner, gaps, pieces, take_out_bad_pieces
from rheo_core.transfer.pieces import check_pieces
from rheo_core.transfer.segments import WrittenRange
from rheo_core.transfer.sources import Sources
from rheo_core.transfer.validators import Validator
from tests.core.engine import sha256
from tests.core.test_engine_pieces import pieces_of
from tests.faults.disk import state_of
from tests.servers.misbehaving import body_of
from tests.servers.scenarios import damaged

BODY = body_of(1000)
SHA1 = "a9993e364706816aba3e25717850c26c9cd0d89d"
URL = "http://example.org/f"


# The value


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"length": 0}, "piece length is 0 bytes; it must be 1 or more"),
        ({"hashes": []}, "a list of piece hashes must not be empty"),
        ({"hashes": [SHA1, "12"]}, "piece 2 of 2: sha1 hash has 2 characters instead of 40"),
        ({"hashes": ["x"]}, "piece 1 of 1: sha1 hash 'x' is not hexadecimal (0-9, a-f)"),
        ({"length": 5}, "2 pieces of 5 bytes, but the list has 1 piece hash"),
        ({"hashes": [SHA1] * 2}, "1 piece of 10 bytes, but the list has 2 piece hashes"),
    ],
)
def test_what_is_refused(fields: dict[str, Any], problem: str) -> None:
    good: dict[str, Any] = {"algorithm": "sha1", "length": 10, "hashes": [SHA1]}
    assert FileConfig(url=URL, size_bytes=10, pieces=good).pieces is not None
    with pytest.raises(ValidationError) as caught:
        FileConfig(url=URL, size_bytes=10, pieces=good | fields)
    (told,) = caught.value.errors()
    assert (
        told["msg"].removeprefix("Value error, ").removeprefix("a file of 10 bytes has ") == problem
    )


def test_a_long_text_that_is_no_hash_is_not_told_whole() -> None:
    with pytest.raises(ValidationError) as caught:
        PieceHashes(algorithm="sha1", length=1, hashes=["é" * 999])
    assert len(caught.value.errors()[0]["msg"]) < 250


def test_they_come_back_from_json_and_from_a_session() -> None:
    config = FileConfig(url=URL, size_bytes=1000, pieces=pieces_of(BODY, 300, "sha256"))
    assert FileConfig.model_validate_json(config.model_dump_json()) == config
    assert hash(FileConfig.model_validate(config.model_dump(exclude={"id"}))) == hash(config)
    record = DownloadRecord.of(config)
    assert to_record(to_stored(record)).config == config


def test_the_history_does_not_keep_them() -> None:
    """They may be as long as a book, and it is kept for a year."""
    record = DownloadRecord.of(FileConfig(url=URL, pieces=pieces_of(BODY, 10)))
    record.listed = False
    record.status = record.status.COMPLETED
    assert to_stored(record).config == f'{{"url":"{URL}"}}'


# Which bytes are good


@st.composite
def files(draw: st.DrawFn) -> tuple[int, int, list[int], list[tuple[int, int]]]:
    """Size, length of a piece, bytes that are damaged, ranges that are there."""
    size = draw(st.integers(1, 300))
    length = draw(st.integers(1, 350))
    spoilt = draw(st.lists(st.integers(0, size - 1), max_size=5))
    cuts = sorted(draw(st.sets(st.integers(0, size), max_size=8)))
    there = [pair for pair in pairwise(cuts) if draw(st.booleans())]
    return size, length, spoilt, there or [(0, size)]


@given(files(), st.sampled_from(HashAlgorithm))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_good_is_what_is_whole_and_undamaged(
    tmp_path: Path,
    file: tuple[int, int, list[int], list[tuple[int, int]]],
    algorithm: HashAlgorithm,
) -> None:
    size, length, spoilt, there = file
    body = BODY[:size]
    (tmp_path / "f").write_bytes(damaged(body, *((at, at + 1) for at in set(spoilt))))
    written = [WrittenRange(start, end, 0) for start, end in there]
    descriptor = os.open(tmp_path / "f", os.O_RDONLY)
    try:
        found = check_pieces(
            descriptor, pieces_of(body, length, algorithm), size, written, threading.Event()
        )
    finally:
        os.close(descriptor)
    present = {at for start, end in there for at in range(start, end)}
    good, bad = set(), set()
    for number, start in enumerate(range(0, size, length)):
        piece = set(range(start, min(start + length, size)))
        if piece <= present:
            if piece & set(spoilt):
                bad.add(number)
            else:
                good |= piece
    assert found.bad.keys() == bad
    assert {at for r in found.good for at in range(r.start, r.end)} == good
    assert all(r.crc == zlib.crc32(body[r.start : r.end]) for r in found.good)
    assert list(found.good) == sorted(found.good, key=lambda r: r.start)
    missing = {at for start, end in gaps(found.good, size) for at in range(start, end)}
    assert missing == set(range(size)) - good


def test_many_small_gaps_become_fewer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each would cost a request; the largest of what is good is kept."""
    monkeypatch.setattr(pieces, "_MAX_RANGES", 2)
    part = whole(tmp_path, damaged(BODY, (100, 101), (500, 501), (510, 511)))
    assert len(take_out_bad_pieces(part, threading.Event())) == 3
    assert [(r.start, r.end) for r in part.state.written] == [(110, 500), (520, 1000)]
    part.discard()


def whole(folder: Path, body: bytes) -> PartFile:
    """A part file that has all its bytes, good or bad; each piece has ten."""
    part = PartFile(folder / "f", PartOwner("source"), pieces=pieces_of(BODY, 10))
    part.expect(len(body), Validator('"v1"'))
    part.buffer(body)
    part.flush_buffer()
    part.checkpoint(part.state.written)
    return part


def test_the_disk_knows_before_bad_bytes_change(tmp_path: Path) -> None:
    part = whole(tmp_path, damaged(BODY, (100, 125)))
    part.hashing.use(HashAlgorithm.SHA256)
    assert part.digest(HashAlgorithm.SHA256, threading.Event()) != sha256(BODY)
    assert take_out_bad_pieces(part, threading.Event()).keys() == {10, 11, 12}
    assert state_of(part.path) == part.state
    assert gaps(part.state.written, part.state.total) == [(100, 130)]
    part.write(100, BODY[100:130])
    assert part.digest(HashAlgorithm.SHA256, threading.Event()) == sha256(BODY)
    part.release(keep=True)
    again = PartFile(tmp_path / "f", PartOwner("source"), pieces=part.pieces)
    again.open()
    assert again.state == part.state
    again.close()
    with part.path.open("r+b") as file:  # what is good is believed no more than anything else
        file.seek(500)
        file.write(b"damage")
    again.open()
    assert gaps(again.state.written, 1000) == [(100, 130), (500, 510)]
    again.discard()


def test_a_stop_changes_nothing(tmp_path: Path) -> None:
    part = whole(tmp_path, damaged(BODY, (100, 125)))
    before, stop = part.state, threading.Event()
    stop.set()
    take_out_bad_pieces(part, stop)
    assert part.state == before == state_of(part.path)
    part.discard()


def test_gaps() -> None:
    written = [WrittenRange(30, 40, 0), WrittenRange(10, 20, 0), WrittenRange(20, 25, 0)]
    assert gaps(written, 50) == [(0, 10), (25, 30), (40, 50)]
    assert gaps(written, None) == [(0, 10), (25, 30)]
    assert gaps((), 5) == [(0, 5)]
    assert gaps((), 0) == []


def test_who_brought_the_fewest_goes_first() -> None:
    sources = Sources(["http://a/f", "http://b/f", "http://c/f", "http://d/f"], HostLimiter(4), 1)
    a, b, c, d = sources.usable()
    sources.note(a, 0, 100)
    sources.note(b, 100, 150)
    sources.note(c, 150, 300)
    d.max_connections = 0
    assert sources.least_in([(0, 10), (90, 105)]) == [c, b, a]
    assert sources.least_in([(140, 300)]) == [a, b, c]
    assert sources.least_in([]) == [a, b, c]
