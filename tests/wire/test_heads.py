"""Heads: whether the connection is kept after them, and those that begin no response."""

import re
from contextlib import suppress
from time import process_time

import pytest

from rheo_core.domain.exceptions import ProtocolError
from rheo_core.domain.units import MAX_FILE_BYTES
from rheo_core.infrastructure.http.wire.framing import (
    MAX_FIELDS,
    MAX_HEAD_BYTES,
    MAX_LINE_BYTES,
    ChunkDecoder,
    end_of_head,
    parse_head,
)
from tests.wire.feeding import receive


def head(status: str, *lines: str) -> bytes:
    return "\r\n".join((status, *lines, "", "")).encode()


@pytest.mark.parametrize(
    "status", ["200 OK", "204 No Content", "304 Not Modified", "404 Not Found"]
)
@pytest.mark.parametrize("length", [0, 5])
@pytest.mark.parametrize(
    ("version", "connection", "is_kept"),
    [
        ("1.1", None, True),
        ("1.1", "close", False),
        ("1.1", "keep-alive, close", False),
        ("1.0", None, False),
        ("1.0", "keep-alive", True),
    ],
)
def test_a_connection_is_kept_as_the_head_says(
    status: str, length: int, version: str, connection: str | None, is_kept: bool
) -> None:
    lines = [f"Content-Length: {length}"]
    if connection is not None:
        lines.append(f"Connection: {connection}")
    assert parse_head(head(f"HTTP/{version} {status}", *lines)).keeps_alive is is_kept


@pytest.mark.parametrize(
    "data",
    [
        b"a\n\nb\n\r\n",
        b"a\r\n\nb\r\n\r\n",
        b"a\n\r\nb\n\n",
        b"a\n\n\r\nb",
        b"a\r\n\r\nb\n\n",
        b"a\n\r",
        b"",
    ],
)
@pytest.mark.parametrize("known", range(5))
def test_a_head_ends_with_its_first_empty_line(data: bytes, known: int) -> None:
    first = re.compile(rb"\r?\n\r?\n").search(data)
    if first is None or first.end() > known:
        assert end_of_head(data, known) == (first.end() if first else -1)


def seconds_to_parse(raw: bytes) -> float:
    """Return the least CPU time of three attempts."""
    times = []
    for _ in range(3):
        began = process_time()
        with suppress(ProtocolError):
            parse_head(raw)
        times.append(process_time() - began)
    return min(times)


@pytest.mark.parametrize("before", [b"", b"a", b"Content-Length", b"X :"])
@pytest.mark.parametrize("unit", [b"a", b" ", b"\t", b"a ", b" a", b":", b" :", b"\r\n ", b"\r\na"])
def test_a_head_costs_time_in_proportion_to_its_length(before: bytes, unit: bytes) -> None:
    def odd(length: int) -> bytes:
        filler = unit * (length // len(unit))
        return b"HTTP/1.1 200 OK\r\nA: b\r\n" + before + filler + b"\r\nX : y\r\n\r\n"

    shorter, longer = seconds_to_parse(odd(4_000)), seconds_to_parse(odd(16_000))
    assert longer <= 8 * shorter + 0.02  # four times, if it is linear


@pytest.mark.parametrize("odd", [[], ["no field"]])
@pytest.mark.parametrize("name", ["X-Same", "X-%d"])
def test_the_number_of_fields_is_bounded(name: str, odd: list[str]) -> None:
    lines = [name.replace("%d", str(number)) + ": y" for number in range(MAX_FIELDS - len(odd) - 1)]
    lines.append("Content-Length: 0")
    assert len(parse_head(head("HTTP/1.1 200 OK", *odd, *lines)).headers) == len(lines)
    with pytest.raises(ProtocolError, match="more than 5,000 fields"):
        parse_head(head("HTTP/1.1 200 OK", *odd, *lines, "One: more"))


@pytest.mark.parametrize("line", ["X: {}", "{}", "Location: {}", " {}"])
def test_the_length_of_a_line_is_bounded(line: str) -> None:
    room = MAX_LINE_BYTES - len(line.format("")) - len("\r")
    start = ("HTTP/1.1 200 OK", "Content-Length: 0", "A: b")
    fits = parse_head(head(*start, line.format("y" * room)))
    assert fits.status == 200
    with pytest.raises(ProtocolError, match="a line of its head is too long"):
        parse_head(head(*start, line.format("y" * (room + 1))))


@pytest.mark.parametrize(
    "lines",
    [
        (" ", "first line", "second"),
        ("\t",),
        (" \t ", "Key: value"),
        ("PK-binary stuff",),
        ("<html>", "A: b"),
    ],
)
def test_a_head_with_other_lines_may_be_the_body(lines: tuple[str, ...]) -> None:
    """A server forgot the empty line, or wrote white space into it."""
    start = ("HTTP/1.1 200 OK", "Content-Type: text/plain")
    with pytest.raises(ProtocolError, match="a line of its head is not a header field"):
        parse_head(head(*start, *lines))
    for framing in ("Content-Length: 7", "Transfer-Encoding: chunked"):
        assert parse_head(head(*start, framing, *lines)).status == 200


@pytest.mark.parametrize("value", ["/b", "  /b", "/b  ", "\t /b \t"])
def test_white_space_around_a_value_is_no_part_of_it(value: str) -> None:
    read = parse_head(head("HTTP/1.1 302 Found", f"Location:{value}", "Content-Length: 0"))
    assert read.headers["Location"] == "/b"


@pytest.mark.parametrize("length", [10**17, (1 << 64) - 1, 1 << 64, 10**30, 10**300])
def test_a_length_of_any_size_is_a_number(length: int) -> None:
    read = parse_head(head("HTTP/1.1 200 OK", f"Content-Length: {length}")).length
    assert read == (length if length == MAX_FILE_BYTES else 10**18)


@pytest.mark.parametrize("text", ["1000, 1000", "1000,\t1000 , 1000", " 1000, 1000 "])
@pytest.mark.parametrize("second", [(), ("Content-Length: 1000",), ("Content-Length: 1000, 1000",)])
def test_a_length_may_be_repeated(text: str, second: tuple[str, ...]) -> None:
    lines = (f"Content-Length: {text}", *second)
    assert parse_head(head("HTTP/1.1 200 OK", *lines)).length == 1000


@pytest.mark.parametrize(
    "lines",
    [
        ("Content-Length: x",),
        ("Content-Length: 5", "Content-Length: 6"),
        ("content-length : 5, 6",),
        ("Content-Length: 5", " 6"),
        ("Transfer-Encoding: gzip",),
        ("Transfer-Encoding: chunked", "Content-Length: 5"),
    ],
)
def test_a_tunnel_has_no_length_whatever_its_head_says(lines: tuple[str, ...]) -> None:
    """RFC 9110 9.3.6: a client must ignore these fields."""
    for status in ("200 OK", "204 No Content", "299 Fine"):
        read = parse_head(head(f"HTTP/1.1 {status}", "A: b", *lines, "C: d"), is_tunnel=True)
        assert (read.length, dict(read.headers)) == (0, {"A": "b", "C": "d"})


@pytest.mark.parametrize("status", ["407 Login", "502 Bad Gateway"])
def test_a_refused_tunnel_has_a_length(status: str) -> None:
    assert parse_head(head(f"HTTP/1.1 {status}", "Content-Length: 5"), is_tunnel=True).length == 5
    with pytest.raises(ProtocolError):
        parse_head(head(f"HTTP/1.1 {status}", "Content-Length: x"), is_tunnel=True)


@pytest.mark.parametrize(
    "text",
    [
        "1,000",
        "1,001",
        "222,222",
        "5, 05",
        "5, 6",
        "5,",
        "-1",
        "0x10",
        "1e3",
        "five" * 30,
        "1 2",
        "",
    ],
)
def test_a_length_that_is_no_number_is_named_in_short(text: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        parse_head(head("HTTP/1.1 200 OK", f"Content-Length: {text}"))
    assert len(str(caught.value)) < 100


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_chunks_of_http_1_0_end_the_connection(version: str) -> None:
    """RFC 9112 6.1: their framing is faulty."""
    lines = ["Connection: keep-alive", "Transfer-Encoding: chunked"]
    assert parse_head(head(f"HTTP/{version} 200 OK", *lines)).keeps_alive is (version == "1.1")


@pytest.mark.parametrize(
    "raw",
    [
        head("HTTP/1.1 101 Switching Protocols", "Upgrade: h2c", "Connection: upgrade"),
        head("HTTP/1.1 101 Switching Protocols", "Upgrade: h2c", "Connection: upgrade", "no field"),
        head("HTTP/1.1 101 Switching Protocols", "Content-Length: 0"),
        head("HTTP/1.1 000 OK", "Content-Length: 0"),
        head("HTTP/1.1 099 OK", "Content-Length: 0"),
    ],
)
@pytest.mark.parametrize("behind", [b"", head("HTTP/1.1 200 OK", "Content-Length: 4") + b"next"])
async def test_a_head_that_begins_no_response_is_refused(raw: bytes, behind: bytes) -> None:
    with pytest.raises(ProtocolError):
        await receive([raw + behind], closes=True)


INTERIM = head("HTTP/1.1 103 Early Hints", "Link: </x>")


@pytest.mark.parametrize(
    ("before", "is_taken"),
    [(b"", True), (INTERIM * 5000, True), (INTERIM * (2 * MAX_HEAD_BYTES // len(INTERIM)), False)],
)
async def test_heads_of_one_response_have_a_limit_together(before: bytes, is_taken: bool) -> None:
    whole = before + head("HTTP/1.1 200 OK", "Content-Length: 4") + b"next"
    pieces = [whole[at : at + 10_000] for at in range(0, len(whole), 10_000)]
    if is_taken:
        assert (await receive(pieces, closes=True)).body == b"next"
    else:
        with pytest.raises(ProtocolError):
            await receive(pieces, closes=True)


@pytest.mark.parametrize(
    "begin",
    [b"SSH-2.0-Open\r\n", b"220 ready\r\n", b"\x15\x03\x01\0", b"<html>", b"h", b"HTTPS/1.1 2"],
)
@pytest.mark.parametrize("before", [b"", INTERIM, INTERIM * 2, INTERIM + b"\r\n"])
async def test_another_protocol_is_refused_at_its_first_bytes(before: bytes, begin: bytes) -> None:
    """Its server waits for an answer, so the connection stays open."""
    bytewise = [begin[at : at + 1] for at in range(len(begin))]
    for pieces in ([before + begin], [before, begin], [before, *bytewise]):
        is_tls = begin.startswith(b"\x15")
        problem = "it is TLS instead of HTTP" if is_tls else "it does not begin with HTTP/"
        with pytest.raises(ProtocolError, match=problem):
            await receive(pieces, closes=False)


async def test_blank_lines_before_a_response_are_passed_over() -> None:
    response = head("HTTP/1.1 200 OK", "Content-Length: 4") + b"body"
    received = await receive([b"\r\n", response], closes=True)
    assert received == await receive([response], closes=True)


STATUS_LINES = [
    "HTTP/1.1 2x0 OK",
    "HTTP/1.1 20 OK",
    "HTTP/1.1 1000 OK",
    "HTTP/1,1 200 OK",
    "HTTP/9.1 200 OK",
    "HTTP/ 200 OK",
    "HTTP/1.1200 OK",
    "HTTP/1.1  200 OK",
    "HTTP/1.1",
]


@pytest.mark.parametrize("line", STATUS_LINES)
@pytest.mark.parametrize("before", ["", "\r\n"])
@pytest.mark.parametrize("field", ["A: b", "A b"])
def test_a_malformed_status_line_is_shown(line: str, before: str, field: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        parse_head(head(before + line, field, "Content-Length: 5"))
    assert str(caught.value) == f"malformed response: its status line is {line!r}"


@pytest.mark.parametrize(
    "line",
    ["HTTP/1.1 200 OK", "HTTP/1.0 200", "HTTP/1.1 200 ", "HTTP/2.0 200 a\xe9", "HTTP/0.9 200"],
)
def test_a_status_line_that_llhttp_takes_is_not_blamed(line: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        parse_head(head(line, "Transfer-Encoding: "))
    assert str(caught.value).startswith("malformed response: its header fields (")


@pytest.mark.parametrize(
    "lines", [[], ["Upgrade: h2c"], ["Upgrade: h2c", "Connection: upgrade"], ["A b"]]
)
def test_a_switch_of_the_protocol_is_named(lines: list[str]) -> None:
    with pytest.raises(ProtocolError) as caught:
        parse_head(head("HTTP/1.1 101 Switching Protocols", *lines))
    assert str(caught.value) == "the server switches to another protocol"


@pytest.mark.parametrize(
    "data", [b"x\r\n", b"5\r\nabcdeX\r\n", b"f" * 17 + b"\r\n", b"0\r\nA b\r\n\r\n"]
)
def test_malformed_chunks_and_trailers_are_named(data: bytes) -> None:
    with pytest.raises(ProtocolError) as caught:
        ChunkDecoder().decode(data)
    sentence = "malformed response: a chunk, or a field behind the last one ("
    assert str(caught.value).startswith(sentence)
