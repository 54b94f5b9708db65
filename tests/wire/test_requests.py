"""Requests as they go out: the target byte for byte, and fields that cannot break the head."""

import sys
from pathlib import Path

import pytest

from rheo_core import FileConfig
from rheo_core.infrastructure.http.wire import WireClient
from tests.clients import IS_AIOHTTP, STRICTER_CLIENT
from tests.core.engine import error_of, fetch, serving, status_of
from tests.servers.misbehaving import MisbehavingServer, body_of
from tests.servers.scenarios import raw, response, whole

BODY = body_of(3_000)


@STRICTER_CLIENT
@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("/a%2Fb%41c%7Ed?x=%7E&sig=%3d&k=a%2fb", None),
        ("/é/a%2Fb%41?x=%7E&sig=%3d", "/%C3%A9/a%2Fb%41?x=%7E&sig=%3d"),
        ("/f?p=100%", None),
        ("/hello?", None),
        ("/a//b/;c=d,e", None),
        ("/f?q=a+b&r=[1]|{2}", None),
        ("/f?url=http://other.example/x?y=z", None),
        ("/日本.bin", "/%E6%97%A5%E6%9C%AC.bin"),
    ],
)
async def test_a_target_is_sent_byte_for_byte(
    server: MisbehavingServer, tmp_path: Path, given: str, sent: str | None
) -> None:
    server.on(sent or given, serving(BODY))
    config = FileConfig(url=server.url(given), filename="f")
    await fetch(tmp_path, [config])
    assert [each.target for each in server.requests] == [sent or given]


@pytest.mark.parametrize("target", ["", "?q=1", "#part"])
async def test_a_url_without_a_path_asks_for_the_root(
    server: MisbehavingServer, tmp_path: Path, target: str
) -> None:
    sent = f"/{target}".partition("#")[0]
    server.on(sent, serving(BODY))
    await fetch(tmp_path, [FileConfig(url=f"{server.url('')}{target}", filename="f")])
    assert [each.target for each in server.requests] == [sent]


async def test_a_request_has_one_host_and_our_name(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    config = FileConfig(url=server.on("/f", serving(BODY)))
    await fetch(tmp_path, [config])
    (request,) = server.requests
    assert request.headers["host"] == server.url("").removeprefix("http://")
    assert request.headers["user-agent"].startswith("rheo/")


async def test_fields_of_a_request_are_not_kept(server: MisbehavingServer) -> None:
    secret = "-".join(("token", "that", "nobody", "keeps"))
    url, before = server.on("/f", serving(BODY)), sys.getrefcount(secret)
    async with WireClient() as client, client.get(url, headers={"Authorization": secret}):
        pass
    assert server.requests[0].headers["authorization"] == secret
    assert sys.getrefcount(secret) == before


# Responses that curl, wget and browsers save


@STRICTER_CLIENT
@pytest.mark.parametrize("count", [128, 129, 1000])
async def test_a_response_may_have_many_fields(
    server: MisbehavingServer, tmp_path: Path, count: int
) -> None:
    config = FileConfig(url=server.on("/f", whole(BODY, **{f"X-{n}": n for n in range(count)})))
    manager, _ = await fetch(tmp_path, [config])
    assert status_of(manager, config) == "completed", error_of(manager, config)


@pytest.mark.parametrize("status", ["203 Non-Authoritative Information", "200", "200 "])
async def test_responses_that_bring_a_file(
    server: MisbehavingServer, tmp_path: Path, status: str
) -> None:
    answer = response(BODY, f"Content-Length: {len(BODY)}", status=f"HTTP/1.1 {status}")
    config = FileConfig(url=server.on("/f", raw(answer)))
    manager, _ = await fetch(tmp_path, [config])
    assert status_of(manager, config) == "completed", error_of(manager, config)
    assert (tmp_path / "f").read_bytes() == BODY


@pytest.mark.parametrize(
    ("place", "length", "is_file"),
    [
        ("bytes 0-2999/3000", 3000, True),
        ("bytes 0-2999/3000", None, True),
        ("bytes 0-2999/3001", 3000, False),
        ("bytes 1-2999/3000", 2999, False),
        ("bytes 0-2999/*", 3000, False),
        ("bytes 0-2998/2999", 3000, False),
        ("", 3000, False),
    ],
)
async def test_a_part_that_nobody_asked_for_is_a_file_if_it_is_the_whole(
    server: MisbehavingServer, tmp_path: Path, place: str, length: int | None, is_file: bool
) -> None:
    framing = "Connection: close" if length is None else f"Content-Length: {length}"
    lines = [framing, f"Content-Range: {place}"] if place else [framing]
    answer = response(BODY, *lines, status="HTTP/1.1 206 Partial Content")
    config = FileConfig(url=server.on("/f", raw(answer)))
    manager, _ = await fetch(tmp_path, [config])
    assert (status_of(manager, config) == "completed") is is_file, error_of(manager, config)
    assert (tmp_path / "f").exists() is is_file


@pytest.mark.parametrize(
    "line",
    ["chunked\t", "chunked ", "chunked\r\n ", "chunked\r\n\t", "chunked\r\n \t ", "\tchunked"],
)
@pytest.mark.parametrize("size", [5, 200_000])
async def test_chunks_are_never_saved_with_their_framing(
    server: MisbehavingServer, tmp_path: Path, line: str, size: int
) -> None:
    body = body_of(size)
    chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (size, body)
    config = FileConfig(url=server.on("/f", raw(response(chunks, f"Transfer-Encoding: {line}"))))
    manager, _ = await fetch(tmp_path, [config])
    if not IS_AIOHTTP or (tmp_path / "f").exists():
        assert status_of(manager, config) == "completed", error_of(manager, config)
        assert (tmp_path / "f").read_bytes() == body


@pytest.mark.parametrize("line", ["Transfer_Encoding: chunked", "transfer_encoding: Chunked"])
@pytest.mark.parametrize("length", ["", "Content-Length: 15"])
async def test_a_coding_with_a_changed_name_leaves_the_framing_in_doubt(
    server: MisbehavingServer, tmp_path: Path, line: str, length: str
) -> None:
    answer = response(b"5\r\nhello\r\n0\r\n\r\n", *filter(None, [line, length]))
    config = FileConfig(url=server.on("/f", raw(answer)))
    manager, _ = await fetch(tmp_path, [config])
    assert status_of(manager, config) == "failed"
    assert "transfer_encoding" in error_of(manager, config).lower()
    assert not (tmp_path / "f").exists()


@STRICTER_CLIENT
@pytest.mark.parametrize(
    "trailer",
    [
        "Content-Length: 5",
        "content-length: 0",
        "Transfer-Encoding: gzip",
        "Content-Range: bytes 0-1/9",
    ],
)
@pytest.mark.parametrize("size", [5, 200_000])
async def test_trailers_say_nothing_about_the_body(
    server: MisbehavingServer, tmp_path: Path, trailer: str, size: int
) -> None:
    body = body_of(size)
    chunks = b"%x\r\n%b\r\n0\r\n%b\r\n\r\n" % (size, body, trailer.encode())
    config = FileConfig(url=server.on("/f", raw(response(chunks, "Transfer-Encoding: chunked"))))
    manager, _ = await fetch(tmp_path, [config])
    assert status_of(manager, config) == "completed", error_of(manager, config)
    assert (tmp_path / "f").read_bytes() == body


@pytest.mark.parametrize("space", [" ", "      ", "\t", " ;name=value", ";name=value"])
async def test_the_size_of_a_chunk_may_be_padded(
    server: MisbehavingServer, tmp_path: Path, space: str
) -> None:
    chunks = b"5%b\r\nhello\r\n0%b\r\n\r\n" % (space.encode(), space.encode())
    config = FileConfig(url=server.on("/f", raw(response(chunks, "Transfer-Encoding: chunked"))))
    manager, _ = await fetch(tmp_path, [config])
    assert status_of(manager, config) == "completed", error_of(manager, config)
    assert (tmp_path / "f").read_bytes() == b"hello"


@pytest.mark.parametrize("space", [" ", "  ", "\t"])
async def test_white_space_behind_the_status_line_ends_no_head(
    server: MisbehavingServer, tmp_path: Path, space: str
) -> None:
    answer = b"HTTP/1.1 200 OK\r\n%b\r\nContent-Length: 10\r\n\r\nabcdefghij" % space.encode()
    config = FileConfig(url=server.on("/f", raw(answer)))
    manager, _ = await fetch(tmp_path, [config])
    assert status_of(manager, config) == "failed"
    assert not (tmp_path / "f").exists()
