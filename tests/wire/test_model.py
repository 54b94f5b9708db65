"""The wire beside a strict model of RFC 9112: the same bytes, or none."""

import asyncio
import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rheo_core.domain.exceptions import DownloadError
from tests.effort import effort
from tests.wire import model
from tests.wire.feeding import receive

EXAMPLES = effort("EXAMPLES", 300)
BODY = bytes(range(256)) * 4

LINES = [
    b"Content-Length: 5",
    b"Content-Length: 05",
    b"Content-Length:5 ",
    b"content-length: 5",
    b"Content-Length: 3",
    b"Content-Length: 10",
    b"Content-Length: +5",
    b"Content-Length: 5, 5",
    b"Content-Length : 5",
    b"Content-Length\x00: 5",
    b" Content-Length: 5",
    b"Content-Length",
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: chunked ",
    b"Transfer-Encoding: chunked\t",
    b"Transfer-Encoding:\tCHUNKED",
    b"Transfer-Encoding: chunked\r\n ",
    b"Transfer-Encoding: chunked, chunked",
    b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: identity",
    b"Transfer-Encoding: xchunked",
    b"Transfer-Encoding : chunked",
    b"Transfer-Encoding:\x0bchunked",
    b"Transfer-Encoding",
    b"Connection: close",
    b"Connection: keep-alive",
    b"Upgrade: websocket",
    b"Connection: Upgrade",
    b"X: y",
    b"X : y",
    b"X: a\r\n b",
    b"X: a\rb",
    b"X: a\nContent-Length: 3",
    b"no field",
    b": nameless",
    b" folded",
    b"\t",
    b"Trailer: X",
    b"\xff: y",
    b"",
]
STATUSES = st.sampled_from(
    [
        b"HTTP/1.1 200 OK",
        b"HTTP/1.1 200 ",
        b"HTTP/1.1 200",
        b"HTTP/1.0 200 OK",
        b"HTTP/1.1 206 Partial Content",
        b"HTTP/1.1 204 No Content",
        b"HTTP/1.1 304 Not Modified",
        b"HTTP/1.1 404 Not Found",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK",
        b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK",
        b"HTTP/1.1 101 Switching Protocols",
        b"HTTP/2 200 OK",
        b"HTTP/1.1  200 OK",
        b"\r\nHTTP/1.1 200 OK",
        b"ICY 200 OK",
        b"http/1.1 200 OK",
    ]
)
ENDS = st.sampled_from([b"\r\n"] * 12 + [b"\n", b"\r", b" \r\n", b"\r\r\n", b"\n\r"])
CHUNKS = [
    b"5\r\nabcde\r\n",
    b"5;x=y\r\nabcde\r\n",
    b"5;\r\nabcde\r\n",
    b"5 \r\nabcde\r\n",
    b"5 \t \r\nabcde\r\n",
    b"5 ;x=y\r\nabcde\r\n",
    b"5 5\r\nabcde\r\n",
    b"5 \nabcde\r\n",
    b"0  \r\n\r\n",
    b" 5\r\nabcde\r\n",
    b"05\r\nabcde\r\n",
    b"5\nabcde\r\n",
    b"5\r\nabcde\n",
    b"5\r\nabcde",
    b"5\r\nabcdef\r\n",
    b"0x5\r\nabcde\r\n",
    b"+5\r\nabcde\r\n",
    b"5\rabcde\r\n",
    b"A\r\n0123456789\r\n",
    b"fffffffffffffffff\r\nabcde\r\n",
    b"0\r\n\r\n",
    b"0\r\nX: y\r\n\r\n",
    b"0\r\nX: y\r\nContent-Length: 3\r\n\r\n",
    b"0\r\nno field\r\n\r\n",
    b"0;x\r\n\r\n",
    b"0\n\n",
    b"0\r\n",
    b"abcde",
    b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
    b"5\r\nabcde\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
]
BODIES = st.lists(st.sampled_from(CHUNKS), max_size=4).map(b"".join)


@st.composite
def responses(draw: st.DrawFn) -> bytes:
    """Return a response that is right or nearly so."""
    lines = draw(st.lists(st.sampled_from(LINES), max_size=4))
    raw = draw(STATUSES) + draw(ENDS)
    for line in lines:
        raw += line + draw(ENDS)
    return raw + draw(ENDS) + draw(BODIES)


def read(response: bytes, cuts: list[int]) -> bytes | None:
    """Return the body that the wire takes from a response in pieces; None if it refuses it."""
    edges = [0, *sorted(cut % (len(response) + 1) for cut in cuts), len(response)]
    pieces = [response[a:b] for a, b in pairwise(edges)]
    try:
        return asyncio.run(receive(pieces, closes=True)).body
    except DownloadError:
        return None


def strictly(response: bytes) -> bytes | None:
    try:
        return model.body_of(response)
    except model.Refused:
        return None


def leniently(response: bytes) -> bytes | None:
    try:
        return model.body_of(model.forgiven(response))
    except model.Refused:
        return None


@settings(max_examples=EXAMPLES)
@given(response=responses(), cuts=st.lists(st.integers(0, 400), max_size=6))
def test_the_same_bytes_or_none(response: bytes, cuts: list[int]) -> None:
    taken = read(response, cuts)
    expected = strictly(response)
    if expected is not None:
        assert taken == expected
    elif taken is not None:
        assert taken == leniently(response)


@settings(max_examples=EXAMPLES)
@given(response=st.binary(max_size=300), cuts=st.lists(st.integers(0, 300), max_size=4))
def test_noise_raises_nothing_else(response: bytes, cuts: list[int]) -> None:
    read(response, cuts)
    read(b"HTTP/1.1 200 OK\r\n" + response, cuts)
    read(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + response, cuts)


def valid_responses() -> list[tuple[bytes, bytes]]:
    """Return responses of each framing, and their bodies."""
    chunks = b"".join(
        b"%x\r\n%b\r\n" % (len(part), part) for part in (BODY[:1], BODY[1:300], BODY[300:])
    )
    head = b'HTTP/1.1 200 OK\r\nServer: x\r\nETag: "v1"\r\n'
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    return [
        (head + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY, BODY),
        (interim + head + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY, BODY),
        (head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n", BODY),
        (head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\nX: y\r\n\r\n", BODY),
        (head + b"Connection: close\r\n\r\n" + BODY, BODY),
        (head.replace(b"\r\n", b"\n") + b"Content-Length: 0\n\n", b""),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone", b"gone"),
    ]


@pytest.mark.parametrize("kind", range(7))
def test_random_cuts_give_the_same_bytes(kind: int) -> None:
    response, body = valid_responses()[kind]
    chance = random.Random(kind)

    async def cut_all() -> None:
        for _ in range(10_000 // 7 + 1):
            edges = sorted(chance.choices(range(len(response) + 1), k=chance.randrange(1, 40)))
            pieces = [
                response[a:b] for a, b in zip([0, *edges], [*edges, len(response)], strict=True)
            ]
            received = await receive(pieces, closes=b"Connection: close" in response)
            assert received.body == body
            assert received.may_go_on is (kind != 4)

    asyncio.run(cut_all())


@pytest.mark.parametrize("kind", range(7))
def test_each_single_cut_gives_the_same_bytes(kind: int) -> None:
    response, body = valid_responses()[kind]

    async def cut_all() -> None:
        for at in range(len(response) + 1):
            received = await receive([response[:at], response[at:]], closes=True)
            assert received.body == body

    asyncio.run(cut_all())


@pytest.mark.parametrize("kind", [0, 1, 2, 3])
def test_a_response_that_is_cut_off_is_never_whole(kind: int) -> None:
    response, body = valid_responses()[kind]

    async def cut_all() -> None:
        for at in range(len(response)):
            with pytest.raises(DownloadError):
                await receive([response[:at]], closes=True)
        assert (await receive([response], closes=True)).body == body

    asyncio.run(cut_all())
