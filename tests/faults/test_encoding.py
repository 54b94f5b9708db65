"""Content and transfer codings (rows E).

One policy: bytes are asked for as they are (`identity`) and kept as they come. What a server
encodes all the same stays encoded, and sizes, ranges and checksums are those of these bytes.
"""

import asyncio
import gzip
import zlib

import pytest

from tests.core.engine import EAGER
from tests.faults.oracle import Scene, checksum
from tests.servers.misbehaving import V1, Behaviour, Exchange, Headers, body_of
from tests.servers.scenarios import cut, in_chunks, parts, raw, response, whole, without_ranges

TEXT = b"plain text, again and again. " * 40_000
ZIPPED = gzip.compress(body_of(60_000), mtime=0)
CHUNKED = "Transfer-Encoding: chunked"
ENCODINGS = ["gzip", "x-gzip", "deflate", "br", "zstd"]


async def test_e01_an_encoding_nobody_asked_for_is_kept(scene: Scene) -> None:
    sent = gzip.compress(TEXT, mtime=0)
    config = scene.config(hash_config=checksum(sent), size_bytes=len(sent))
    behaviour = whole(sent, Content_Encoding="gzip")
    outcome = await scene.fetch(behaviour, sent, config=config)
    outcome.completed(sent, requests=1)
    assert outcome.requests[0].headers["accept-encoding"] == "identity"
    assert outcome.journal.last("started").total_bytes == len(sent)


async def test_e01_a_checksum_of_the_decoded_bytes_does_not_pass(scene: Scene) -> None:
    sent = gzip.compress(TEXT, mtime=0)
    config = scene.config(hash_config=checksum(TEXT))
    behaviour = whole(sent, Content_Encoding="gzip")
    outcome = await scene.fetch(behaviour, sent, TEXT, config=config)
    outcome.failed("wrong SHA-256", requests=1)


@pytest.mark.parametrize("chunks", [False, True])
async def test_e02_an_archive_labelled_as_encoded_stays_an_archive(
    scene: Scene, chunks: bool
) -> None:
    scene.path, scene.name = "/archive.tar.gz", "archive.tar.gz"
    config = scene.config(hash_config=checksum(ZIPPED))
    type_and_coding = ("Content-Type: application/x-tar", "Content-Encoding: gzip")
    if chunks:
        sent = response(b"".join(in_chunks(ZIPPED)), *type_and_coding, "Transfer-Encoding: chunked")
    else:
        sent = response(ZIPPED, *type_and_coding, f"Content-Length: {len(ZIPPED)}")
    (await scene.fetch(raw(sent), ZIPPED, config=config)).completed(ZIPPED, requests=1)


async def test_e04_a_part_of_an_encoded_body_continues_the_encoded_body(broken: Scene) -> None:
    headers = {"Content_Encoding": "gzip", **V1}
    outcome = await broken.resume(ZIPPED, 20_000, parts(ZIPPED, **headers), headers=headers)
    outcome.completed(ZIPPED, requests=2)
    assert outcome.requests[1].range_start == 20_000


async def test_e04_an_encoded_version_is_another_version(broken: Scene) -> None:
    encoded: Headers = {"Content_Encoding": "gzip", "ETag": '"v1-gzip"'}
    plain = body_of(60_000)
    outcome = await broken.resume(plain, 20_000, parts(ZIPPED, **encoded), ZIPPED, headers=V1)
    outcome.completed(ZIPPED, requests=3)


async def test_e04_one_etag_for_plain_and_encoded_is_found_out_by_the_size(broken: Scene) -> None:
    then = parts(ZIPPED, Content_Encoding="gzip", **V1)
    outcome = await broken.resume(body_of(60_000), 20_000, then, ZIPPED, headers=V1)
    outcome.completed(ZIPPED, requests=3)


@pytest.mark.parametrize("first", ["encoded", "plain"])
async def test_e04_one_etag_for_plain_and_encoded_is_found_out_by_the_coding(
    broken: Scene, first: str
) -> None:
    """A body that is encoded on the way has no length that could tell."""
    plain, encoded = (body_of(60_000), V1), (ZIPPED, {"Content_Encoding": "gzip", **V1})
    (old, told), (new, later) = (encoded, plain) if first == "encoded" else (plain, encoded)
    then = without_ranges(parts(new, **later), whole(new, **later))
    headers = {"Transfer_Encoding": "chunked", **told}
    outcome = await broken.resume(old, 20_000, then, new, headers=headers)
    outcome.completed(new, requests=3)


@pytest.mark.parametrize("coding", [None, "gzip"])
async def test_e04_the_size_of_the_plain_file_confirms_no_encoded_one(
    broken: Scene, coding: str | None
) -> None:
    """The connection breaks where the plain file ends; its size comes with a 416 and one ETag."""
    plain, told = body_of(20_000), {} if coding is None else {"Content_Encoding": coding}

    async def then(exchange: Exchange) -> None:
        if exchange.request.range_start is None:
            await exchange.serve(plain, **V1)
        else:
            range_ = f"bytes */{len(plain)}"
            await exchange.head("416 Nope", Content_Range=range_, Content_Length=0, **V1, **told)

    headers = {"Transfer_Encoding": "chunked", "Content_Encoding": "br", **V1}
    outcome = await broken.resume(ZIPPED, 20_000, then, plain, headers=headers)
    outcome.completed(plain, requests=3)


def encoded_on_the_way(data: bytes, *, is_longer: bool) -> Behaviour:
    """Answer with parts of `data` as a proxy encodes them: the range counts the plain bytes."""

    async def serve(exchange: Exchange) -> None:
        start = exchange.request.range_start
        if start is None:
            await exchange.serve(data, **V1)
            return
        end = exchange.request.range_end or len(data)
        sent = gzip.compress(data[start:end], 0 if is_longer else 9, mtime=0)
        assert (len(sent) > end - start) == is_longer
        await exchange.head(
            "206 Partial Content",
            Content_Range=f"bytes {start}-{end - 1}/{len(data)}",
            Content_Encoding="gzip",
            **({"Transfer_Encoding": "chunked"} | V1),
        )
        await exchange.send(b"".join(in_chunks(sent)))

    return serve


@pytest.mark.parametrize("is_longer", [True, False])
@pytest.mark.parametrize("first", [{}, {"Content_Encoding": "gzip"}, {"Content_Encoding": "br"}])
async def test_e04_a_part_that_is_encoded_on_the_way_is_not_used(
    broken: Scene, first: Headers, *, is_longer: bool
) -> None:
    """The validator and all sizes of its head are right."""
    data = body_of(60_000) if is_longer else b"plain text " * 6_000
    then = encoded_on_the_way(data, is_longer=is_longer)
    outcome = await broken.resume(data, 20_000, then, data, headers={**V1, **first})
    outcome.completed(data, requests=3)


async def test_e04_connections_of_one_file_have_one_coding(scene: Scene) -> None:
    """Segments are asked for while the first response still comes."""
    data = body_of(3_000_000)
    parted = encoded_on_the_way(data, is_longer=True)

    async def serve(exchange: Exchange) -> None:
        if exchange.request.range_start is not None:
            await parted(exchange)
            return
        await exchange.head("200 OK", Content_Length=len(data), Accept_Ranges="bytes", **V1)
        for at in range(0, len(data), 100_000):
            await exchange.send(data[at : at + 100_000])
            await asyncio.sleep(0.02)

    outcome = await scene.fetch(serve, data, connections=4, tuning=EAGER)
    outcome.completed(data)
    assert len(outcome.requests) > 1


@pytest.mark.parametrize("status", ["200 OK", "206 Partial Content"])
@pytest.mark.parametrize("is_longer", [True, False])
async def test_e04_a_range_that_nobody_asked_for_tells_no_length_of_an_encoded_body(
    scene: Scene, status: str, *, is_longer: bool
) -> None:
    plain = body_of(5_000) if is_longer else b"plain text " * 500
    sent = gzip.compress(plain, mtime=0)
    size = len(plain)
    head = (
        f"Content-Range: bytes 0-{size - 1}/{size}",
        "Content-Encoding: gzip",
        "Transfer-Encoding: chunked",
    )
    answer = raw(response(b"".join(in_chunks(sent)), *head, status=f"HTTP/1.1 {status}"))
    outcome = await scene.fetch(answer, sent)
    if status.startswith("200"):
        outcome.completed(sent)
    else:
        assert outcome.status == "failed" and not scene.final.exists()


async def test_e04_a_part_that_does_not_repeat_its_coding_goes_on_by_its_size(
    broken: Scene,
) -> None:
    """A 206 after If-Range need not repeat it (RFC 9110 15.3.7)."""
    headers = {"Content_Encoding": "gzip", **V1}
    outcome = await broken.resume(ZIPPED, 20_000, parts(ZIPPED, **V1), headers=headers)
    outcome.completed(ZIPPED, requests=2)


@pytest.mark.parametrize("coding", ENCODINGS)
@pytest.mark.parametrize(
    "sent",
    [b"", b"\x1f\x8b", ZIPPED[:-8], ZIPPED[:100] + b"broken" + ZIPPED[106:], zlib.compress(TEXT)],
    ids=["empty", "head", "no trailer", "edited", "other"],
)
async def test_e05_broken_codings_are_kept_as_they_are(
    scene: Scene, coding: str, sent: bytes
) -> None:
    behaviour = whole(sent, Content_Encoding=coding)
    (await scene.fetch(behaviour, sent)).completed(sent, requests=1)


@pytest.mark.parametrize("coding", ENCODINGS)
async def test_e05_encoded_bytes_that_are_cut_off_fail(scene: Scene, coding: str) -> None:
    behaviour = cut(ZIPPED, 30_000, Content_Encoding=coding)
    (await scene.fetch(behaviour, ZIPPED)).failed("connection", requests=3)


@pytest.mark.parametrize(
    "coding",
    [
        "gzip, chunked",
        "chunked, identity",
        "chunked, gzip",
        "identityx",
        "xchunked",
        "chunked, chunked",
        "gzip",
        "identity, chunked",
        '"chunked"',
        "chunked;x=y",
        "\x0bchunked",
    ],
)
async def test_e07_transfer_codings_nobody_asked_for(scene: Scene, coding: str) -> None:
    sent = raw(response(b"".join(in_chunks(ZIPPED)), f"Transfer-Encoding: {coding}"))
    body = body_of(60_000)  # what such a body would decode to
    outcome = await scene.fetch(sent, body)
    outcome.failed()


async def test_e07_chunked_in_any_case_is_chunked(scene: Scene) -> None:
    sent = raw(response(b"".join(in_chunks(ZIPPED)), "transfer-encoding:  CHUNKED "))
    (await scene.fetch(sent, ZIPPED)).completed(ZIPPED, requests=1)


@pytest.mark.parametrize("coding", ["none", "identity", "", "x-unknown", "gzip, br", "é", "a" * 99])
async def test_e08_content_codings_nobody_knows(scene: Scene, coding: str) -> None:
    body = body_of(60_000)
    behaviour = whole(body, Content_Encoding=coding)
    (await scene.fetch(behaviour, body)).completed(body, requests=1)
