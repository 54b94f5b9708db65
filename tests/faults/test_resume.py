"""Ranges and resuming (rows R): never a byte of two versions, never a file that is not whole.

Each row breaks a download off and lets it go on against a server that has changed its mind; with
the fixture `broken` once as a retry and once in another run.
"""

from email.utils import formatdate
from time import time
from typing import Any

import pytest

from tests.clients import STRICTER_CLIENT
from tests.core.engine import quick_retries
from tests.faults.oracle import Scene
from tests.servers.misbehaving import V1, V2, Behaviour, Exchange, Headers, body_of
from tests.servers.scenarios import (
    answer,
    cut,
    in_chunks,
    in_turn,
    parts,
    whole,
    without_ranges,
)

SMALL, LARGE = 60_000, 1_600_000  # bodies of 1 MiB and more take another way through the engine
OLD, NEW = body_of(SMALL, "old"), body_of(SMALL, "new")
CUT = 20_000

sizes = pytest.mark.parametrize("size", [SMALL, LARGE])


def date(seconds_ago: float) -> str:
    return formatdate(time() - seconds_ago, usegmt=True)


@sizes
async def test_r01_a_range_that_is_honoured_continues(broken: Scene, size: int) -> None:
    body = body_of(size)
    outcome = await broken.resume(body, size // 4, parts(body, **V1), headers=V1)
    outcome.completed(body, requests=2)
    asked = outcome.requests[1].headers
    assert (asked["range"], asked["if-range"]) == (f"bytes={size // 4}-", '"v1"')


@sizes
async def test_r01_what_comes_together_with_the_hangup_is_kept(scene: Scene, size: int) -> None:
    body = body_of(size)
    outcome = await scene.fetch(in_turn(cut(body, size // 4, **V1), parts(body, **V1)), body)
    outcome.completed(body, requests=2)
    assert outcome.requests[1].range_start == size // 4


async def test_r01_a_body_of_unknown_length_continues_too(broken: Scene) -> None:
    unknown = {"Transfer_Encoding": "chunked", **V1}
    outcome = await broken.resume(OLD, CUT, parts(OLD, **V1), headers=unknown)
    outcome.completed(OLD, requests=2)
    assert outcome.requests[1].range_start == CUT


@sizes
async def test_r02_a_range_that_is_ignored_begins_again(broken: Scene, size: int) -> None:
    body = body_of(size)
    outcome = await broken.resume(body, size // 4, whole(body, **V1), headers=V1)
    outcome.completed(body, requests=2)
    assert "range" in outcome.requests[1].headers


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (V1, V2),
        (V1, {}),
        (V1, {"ETag": 'W/"v1"'}),
        (V1 | {"Last-Modified": date(9000)}, {"Last-Modified": date(9000)}),
        ({"Last-Modified": date(9000), "Date": date(0)}, {"Last-Modified": date(600)}),
    ],
    ids=["etag", "no etag", "weak etag", "date for etag", "date"],
)
async def test_r04_a_part_of_another_version_is_never_appended(
    broken: Scene, first: Headers, then: Headers
) -> None:
    then = {"Date": date(0), **then}
    outcome = await broken.resume(OLD, CUT, parts(NEW, **then), NEW, headers=first)
    outcome.completed(NEW, requests=3)


@STRICTER_CLIENT
async def test_r04_a_part_with_two_versions_is_never_appended(broken: Scene) -> None:
    then: Headers = {"Date": date(0), **V1, "ETag ": '"v2"'}
    outcome = await broken.resume(OLD, CUT, parts(NEW, **then), NEW, headers=V1)
    outcome.completed(NEW, requests=3)


@sizes
async def test_r04_a_newer_version_is_fetched_whole(broken: Scene, size: int) -> None:
    old, new = body_of(size, "old"), body_of(size, "new")
    outcome = await broken.resume(old, size // 4, parts(new, **V2), new, headers=V1)
    outcome.completed(new, requests=3)


@pytest.mark.parametrize(
    "validator", [{}, *({"ETag": etag} for etag in ('W/"v1"', "v1", '""x', '""', ' "" ', 'W/""'))]
)
async def test_r05_without_a_strong_validator_nothing_is_resumed_blindly(
    broken: Scene, validator: Headers
) -> None:
    outcome = await broken.resume(OLD, CUT, parts(NEW, **validator), NEW, headers=validator)
    outcome.completed(NEW, requests=2)


@pytest.mark.parametrize("version", ["same", "newer"])
async def test_r07_an_old_date_is_a_validator(broken: Scene, version: str) -> None:
    modified: Headers = {"Last-Modified": date(86_400), "Date": date(0)}
    if version == "same":
        current, then = OLD, parts(OLD, **modified)
    else:
        current, then = NEW, whole(NEW, **{"Last-Modified": date(10), "Date": date(0)})
    outcome = await broken.resume(OLD, CUT, then, NEW, headers=modified)
    outcome.completed(current, requests=2)
    assert outcome.requests[1].headers["if-range"] == modified["Last-Modified"]


@pytest.mark.parametrize("age", [0, 1, -5])
async def test_r08_a_date_of_the_same_second_is_none(broken: Scene, age: int) -> None:
    fresh: Headers = {"Last-Modified": date(100 + age), "Date": date(100)}
    outcome = await broken.resume(OLD, CUT, parts(NEW, **fresh), NEW, headers=fresh)
    outcome.completed(NEW, requests=2)


@pytest.mark.parametrize("chunks", [False, True], ids=["r10 length", "r11 chunked"])
@pytest.mark.parametrize("said", ["bytes 0-11/60000", "bytes 19999-59998/60000", "bytes 0-59999/*"])
async def test_r10_r11_a_part_that_starts_elsewhere_is_not_read(
    broken: Scene, said: str, chunks: bool
) -> None:
    wrong = parts(OLD, content_range=said, chunked=chunks, **V1)
    outcome = await broken.resume(OLD, CUT, wrong, headers=V1)
    outcome.completed(OLD, requests=3)


async def test_r10_a_server_that_sends_parts_to_everyone(broken: Scene) -> None:
    lost = answer("206 Partial Content", OLD[:12], Content_Range="bytes 0-11/60000", **V1)
    outcome = await broken.resume(OLD, CUT, lost, headers=V1)
    outcome.failed("206")


@pytest.mark.parametrize("chunks", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize(
    "said",
    [
        "ooga-booga",
        "bytes 3/7",
        "bytes 20000-10000/60000",
        "items 20000-59999/60000",
        "bytes 20000-59999/20001",
        "bytes 20000-60000/60000",
        "bytes 20000-59999",
        "bytes -20000-59999/60000",
        "bytes 20000-59999/60000, bytes 0-1/60000",
        "bytes */60000",
        "",
        "bytes ２0000-59999/60000",
        "bytes 20000-99999999999999999999999/99999999999999999999999",
    ],
)
async def test_r13_a_part_without_a_valid_place_is_not_read(
    scene: Scene, said: str, chunks: bool
) -> None:
    wrong = parts(OLD, content_range=said, chunked=chunks, **V1)
    outcome = await scene.resume(OLD, CUT, wrong, headers=V1)
    outcome.completed(OLD, requests=3)


@pytest.mark.parametrize("total", [SMALL + 20_000, SMALL - 20_000])
async def test_r14_another_total_is_another_version(broken: Scene, total: int) -> None:
    new = body_of(total, "new")
    outcome = await broken.resume(OLD, CUT, parts(new, **V1), new, headers=V1)
    outcome.completed(new, requests=3)


@sizes
async def test_r16_short_parts_are_followed_by_more_requests(broken: Scene, size: int) -> None:
    body = body_of(size)
    short = parts(body, at_most=size // 4, **V1)
    outcome = await broken.resume(body, size // 4, short, headers=V1)
    outcome.completed(body, requests=4)
    assert [r.range_start for r in outcome.requests[1:]] == [size // 4 * i for i in (1, 2, 3)]


async def test_r16_each_short_part_is_progress_and_no_failure(scene: Scene) -> None:
    short = parts(OLD, at_most=5_000, **V1)
    outcome = await scene.resume(OLD, CUT, short, headers=V1)
    outcome.completed(OLD, requests=1 + (SMALL - CUT) // 5_000)


@pytest.mark.parametrize("retries", [0, 2])
async def test_r16_parts_of_one_byte_are_not_asked_for_without_end(
    scene: Scene, retries: int
) -> None:
    """The attempt ends after a few, the next one waits, and such bytes give no attempt back."""
    scanty, scene.next_run = parts(OLD, at_most=1, **V1), True
    handler = quick_retries(retries)
    outcome = await scene.resume(OLD, CUT, scanty, headers=V1, retry_handler=handler)
    outcome.failed(requests=1 + 16 * (1 + retries))


@sizes
@pytest.mark.parametrize("framing", ["length", "chunked", "until close"])
async def test_r17_nothing_is_written_beyond_the_end(
    broken: Scene, size: int, framing: str
) -> None:
    body, extra = body_of(size), b"#" * 50_000

    async def too_long(exchange: Exchange) -> None:
        start = exchange.request.range_start
        if start is None:
            return await exchange.serve(body, **V1)
        rest = body[start:] + extra
        headers: Headers = {"Content_Range": f"bytes {start}-{size - 1}/{size}", **V1}
        if framing == "length":
            headers["Content_Length"] = len(rest)
        if framing == "chunked":
            headers["Transfer_Encoding"] = "chunked"
            rest = b"%x\r\n%b\r\n0\r\n\r\n" % (len(rest), rest)
        await exchange.head("206 Partial Content", **headers)
        await exchange.send(rest)
        return await exchange.close()

    outcome = await broken.resume(body, size // 4, too_long, headers=V1)
    outcome.completed(body)


@sizes
@pytest.mark.parametrize("framing", ["chunked", "until close"])
async def test_r17_nothing_is_written_beyond_the_range_that_a_response_names(
    broken: Scene, size: int, framing: str
) -> None:
    """Without a length only Content-Range says where the part ends, and others follow it."""
    body, extra = body_of(size), b"#" * 7_000

    async def too_long(exchange: Exchange) -> None:
        start = exchange.request.range_start
        if start is None:
            return await exchange.serve(body, **V1)
        end = min(start + size // 4, size)
        data = body[start:end] + extra
        headers: Headers = {"Content_Range": f"bytes {start}-{end - 1}/{size}", **V1}
        if framing == "chunked":
            headers["Transfer_Encoding"] = "chunked"
            data = b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data)
        await exchange.head("206 Partial Content", **headers)
        await exchange.send(data)
        return await exchange.close()

    outcome = await broken.resume(body, size // 4, too_long, headers=V1)
    outcome.completed(body, requests=4)


@sizes
@pytest.mark.parametrize("length", [True, False], ids=["length", "until close"])
@pytest.mark.parametrize("etag", [V1, V2, {}], ids=["same", "other", "none"])
async def test_r18_a_part_that_calls_itself_the_whole_is_not_the_file(
    broken: Scene, size: int, etag: Headers, length: bool
) -> None:
    """Scripts that read Range and forget the status: 200, Content-Range and the rest."""
    body = body_of(size)

    async def rest_as_whole(exchange: Exchange) -> None:
        start = exchange.request.range_start
        if start is None:
            return await exchange.serve(body, **etag)
        headers: Headers = {"Content_Range": f"bytes {start}-{size - 1}/{size}", **etag}
        if length:
            headers["Content_Length"] = size - start
        await exchange.head(**headers)
        await exchange.send(body[start:])
        return await exchange.close()

    outcome = await broken.resume(body, size // 4, rest_as_whole, headers=V1)
    outcome.completed(body, requests=3)


def rest_as_whole(
    body: bytes, *, said: str = "", framing: str = "length", status: str = "200 OK", **headers: Any
) -> Behaviour:
    """Answer a range with the rest of the body and this status; a request without one in order."""

    async def behave(exchange: Exchange) -> None:
        start = exchange.request.range_start
        if start is None:
            return await exchange.serve(body, **headers)
        rest, told = body[start:], dict(headers)
        if said:
            told["Content_Range"] = said.format(a=start, e=len(body) - 1, t=len(body))
        if framing == "length":
            told["Content_Length"] = len(rest)
        elif framing == "chunked":
            told["Transfer_Encoding"] = "chunked"
        await exchange.head(status, **told)
        await exchange.send(b"".join(in_chunks(rest)) if framing == "chunked" else rest)
        return await exchange.close()

    return behave


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
@pytest.mark.parametrize(
    "said",
    [
        "bytes={a}-{e}/{t}",
        "bytes {a}-{e}/*",
        "{a}-{e}/{t}",
        "bytes {a}-/{t}",
        "bytes {a}-/*",
        "bytes: {a}-{e}/{t}",
        "bytes {a} - {e} / {t}",
        "bytes\t{a}-{e}/{t}",
        "octets {a}-{e}/{t}",
        "bytes */{t}",
        "{a}",
        "x",
    ],
)
@pytest.mark.halved("said", "broken")
async def test_r18_a_part_is_recognised_however_its_range_is_written(
    broken: Scene, said: str, framing: str
) -> None:
    part = rest_as_whole(OLD, said=said, framing=framing, **V2)
    outcome = await broken.resume(OLD, CUT, part, headers=V1)
    outcome.completed(OLD, requests=3)


DATED: Headers = {"Last_Modified": date(86_400), "Date": date(0)}


@pytest.mark.parametrize("status", ["200 OK", "203 Non-Authoritative Information"])
@pytest.mark.parametrize(
    ("first", "then", "framing"),
    [
        (V1, V1, "length"),
        (V1, V1, "chunked"),
        (V1, V1, "close"),
        (V1, {}, "length"),
        (V1, {}, "chunked"),
        (V1, V2, "length"),
        (V1, DATED, "chunked"),
        (DATED, DATED, "length"),
        (DATED, {"Server": "x"}, "close"),
    ],
)
@pytest.mark.halved("status", "first", "broken")
async def test_r39_a_part_that_nothing_calls_a_part_is_not_the_file(
    broken: Scene, first: Headers, then: Headers, framing: str, status: str
) -> None:
    part = rest_as_whole(OLD, framing=framing, status=status, **then)
    outcome = await broken.resume(OLD, CUT, part, headers=first)
    outcome.completed(OLD, requests=3)


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_r39_a_part_of_a_file_of_unknown_length_is_not_the_file(
    broken: Scene, framing: str
) -> None:
    unknown = {"Transfer_Encoding": "chunked", **V1}
    part = rest_as_whole(OLD, framing=framing, **V1)
    outcome = await broken.resume(OLD, CUT, part, headers=unknown)
    outcome.completed(OLD, requests=3)


async def test_r39_a_part_of_a_large_file_is_not_the_file(broken: Scene) -> None:
    body = body_of(LARGE)
    outcome = await broken.resume(body, LARGE // 4, rest_as_whole(body, **V1), headers=V1)
    outcome.completed(body, requests=3)


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
@pytest.mark.parametrize("size", [1, 10_000, SMALL - CUT])
async def test_r39_an_etag_of_the_part_does_not_make_it_the_file(
    broken: Scene, framing: str, size: int
) -> None:
    """Frameworks hash what they send; scripts send at most some bytes for each request."""

    async def behave(exchange: Exchange) -> None:
        if exchange.request.range_start is None:
            return await exchange.serve(OLD, **V1)
        part = rest_as_whole(OLD[: CUT + size], framing=framing, ETag=f'"of {size}"')
        return await part(exchange)

    (await broken.resume(OLD, CUT, behave, headers=V1)).completed(OLD, requests=3)


@pytest.mark.parametrize("headers", [V2, DATED, {}], ids=["etag", "date", "none"])
async def test_r39_a_changed_file_of_another_length_begins_again(
    broken: Scene, headers: Headers
) -> None:
    then = whole(NEW + b"more", **headers)
    outcome = await broken.resume(OLD, CUT, then, NEW + b"more", headers=V1)
    outcome.completed(NEW + b"more", requests=3)


def without_length(body: bytes, framing: str, **headers: Any) -> Behaviour:
    """The whole, without a range or a length, as proxies under load send it."""

    async def behave(exchange: Exchange) -> None:
        if framing == "chunked":
            await exchange.head(Transfer_Encoding="chunked", **headers)
            await exchange.send(b"".join(in_chunks(body)))
        else:
            await exchange.head(Connection="close", **headers)
            await exchange.send(body)
        await exchange.close()

    return behave


@sizes
@pytest.mark.parametrize("validator", [V1, DATED], ids=["etag", "date"])
async def test_b15_a_body_shorter_than_its_version_is_incomplete(
    broken: Scene, size: int, validator: Headers
) -> None:
    body = body_of(size)
    shorter = without_length(body[: size // 2], "close", **validator)
    then = in_turn(shorter, shorter, shorter, parts(body, **validator))  # first the broken one
    outcome = await broken.resume(body, size // 4, then, headers=validator)
    outcome.completed(body, requests=4)
    assert outcome.requests[-1].range_start is None


async def test_b15_a_second_short_body_is_no_whole_one_either(broken: Scene) -> None:
    shorter = without_length(OLD[: SMALL // 2], "close", **V1)
    outcome = await broken.resume(OLD, SMALL // 4, shorter, headers=V1)
    outcome.failed(f"after {SMALL // 2:,} of {SMALL:,} bytes")


@pytest.mark.parametrize("validator", [V1, DATED], ids=["etag", "date"])
@pytest.mark.parametrize("framing", ["chunked", "close"])
async def test_b15_a_contradicted_size_joins_no_bytes(
    broken: Scene, framing: str, validator: Headers
) -> None:
    """Two servers have two versions, and a constant of a build for both."""
    old, new = body_of(SMALL), body_of(SMALL, "new")[: SMALL // 2]
    shorter = without_length(new, framing, **validator)
    then = in_turn(shorter, shorter, shorter, parts(old, **validator))
    outcome = await broken.resume(old, SMALL // 4, then, new, headers=validator)
    outcome.completed(new if framing == "chunked" else old)


@pytest.mark.parametrize("framing", ["chunked", "close"])
async def test_b15_the_size_of_another_version_decides_nothing(broken: Scene, framing: str) -> None:
    shorter = without_length(NEW[:CUT], framing, **V2)
    outcome = await broken.resume(OLD, CUT, shorter, NEW[:CUT], headers=V1)
    outcome.completed(NEW[:CUT], requests=3)


async def test_r18_a_part_for_a_request_for_the_whole_fails(scene: Scene) -> None:
    said = f"bytes 0-{CUT - 1}/{SMALL}"
    outcome = await scene.fetch(answer("200 OK", OLD[:CUT], Content_Range=said, **V1), OLD)
    outcome.failed(f"the server sent a part ({said}) as the whole file (200)", requests=1)


@pytest.mark.parametrize(
    "said", ["bytes=0-19999/60000", "bytes 0-19999 / 60000", "bytes */60000", "bytes 40000-59999/*"]
)
async def test_r18_a_part_for_a_request_for_the_whole_fails_however_it_is_written(
    scene: Scene, said: str
) -> None:
    outcome = await scene.fetch(answer("200 OK", OLD[:CUT], Content_Range=said, **V1), OLD)
    outcome.failed("the server sent a part", requests=1)


@pytest.mark.parametrize("said", ["bytes 0-59999/60000", "bytes 0-19999/60000", "bytes 0-1/*", "x"])
async def test_r18_a_content_range_that_the_length_contradicts_is_passed_over(
    scene: Scene, said: str
) -> None:
    (await scene.fetch(whole(OLD, Content_Range=said), OLD)).completed(OLD, requests=1)


@pytest.mark.parametrize("newer", ['W/"v2"', 'W/"V1"'])
async def test_r08_a_weak_etag_that_differs_is_another_version_whatever_its_date(
    broken: Scene, newer: str
) -> None:
    """Reproducible builds give all of their files one date."""
    dated: Headers = {"Last_Modified": date(86_400), "Date": date(0)}
    then = without_ranges(parts(NEW, ETag=newer, **dated), whole(NEW, ETag=newer, **dated))
    headers = {"ETag": 'W/"v1"', **dated}
    outcome = await broken.resume(OLD, CUT, then, NEW, headers=headers)
    outcome.completed(NEW, requests=3)


@pytest.mark.parametrize(
    "constant",
    [
        "Thu, 01 Jan 1970 00:00:01 GMT",
        "Wed, 30 Nov -0001 00:00:00 +0000",
        "Mon, 01 Jan 1 00:00:00 GMT",
        "Mon, 01 Jan 2001 00:00:00 GMT",
    ],
)
async def test_r08_a_date_that_all_versions_have_mixes_none(broken: Scene, constant: str) -> None:
    dated: Headers = {"Last_Modified": constant, "Date": date(0)}
    then = without_ranges(parts(NEW, **dated), whole(NEW, **dated))
    outcome = await broken.resume(OLD, CUT, then, NEW, headers=dated)
    outcome.completed(NEW)


@pytest.mark.parametrize("told", [{"ETag": 'W/"v1"'}, {}], ids=["the same", "none"])
async def test_r08_a_date_goes_on_beside_a_weak_etag(broken: Scene, told: Headers) -> None:
    dated: Headers = {"Last_Modified": date(86_400), "Date": date(0)}
    headers = {"ETag": 'W/"v1"', **dated}
    outcome = await broken.resume(OLD, CUT, parts(OLD, **told, **dated), headers=headers)
    outcome.completed(OLD, requests=2)
    assert outcome.requests[1].range_start == CUT


@pytest.mark.parametrize("headers", [{}, {"Content_Range": "bytes 20000-59999/60000"}])
@pytest.mark.parametrize("chunks", [False, True])
async def test_r19_no_mime_boundary_in_the_file(
    broken: Scene, headers: Headers, chunks: bool
) -> None:
    boundary = "\r\n--THIS\r\nContent-Range: bytes 20000-59999/60000\r\n\r\n"
    mime = boundary.encode() + OLD[CUT:] + b"\r\n--THIS--\r\n"
    multipart = {"Content_Type": "multipart/byteranges; boundary=THIS", **V1, **headers}

    async def behave(exchange: Exchange) -> None:
        framing = {"Transfer_Encoding": "chunked"} if chunks else {"Content_Length": len(mime)}
        await exchange.head("206 Partial Content", **framing, **multipart)
        await exchange.send(b"%x\r\n%b\r\n0\r\n\r\n" % (len(mime), mime) if chunks else mime)

    then = without_ranges(behave, whole(OLD, **V1))
    outcome = await broken.resume(OLD, CUT, then, headers=V1)
    outcome.completed(OLD, requests=3)
