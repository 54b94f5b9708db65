"""Resuming that is refused, impossible or lied about (rows R20 and on): begin again or fail."""

import pytest

from rheo_core import DownloadManager
from rheo_core.transfer.part_bytes import PartBytes
from tests.core.engine import sha256
from tests.faults.oracle import Scene, bytes_come, checksum
from tests.servers.misbehaving import V1, V2, Exchange, Headers, body_of
from tests.servers.scenarios import Hold, answer, in_turn, parts, redirect, whole, without_ranges

SMALL = 60_000
ALL_THERE: Headers = {"Transfer_Encoding": "chunked", **V1}
"""Of a response that brings the whole body, but not the word that it is the whole."""
OLD, NEW = body_of(SMALL, "old"), body_of(SMALL, "new")
CUT = 20_000


@pytest.mark.parametrize("hashed", [False, True])
async def test_r20_416_at_the_full_size_of_the_same_version(broken: Scene, hashed: bool) -> None:
    config = broken.config(hash_config=checksum(OLD) if hashed else None)
    nothing_left = answer("416 Range Not Satisfiable", Content_Range=f"bytes */{SMALL}", **V1)
    then = without_ranges(nothing_left, whole(OLD, **V1))
    outcome = await broken.resume(OLD, SMALL, then, config=config, headers=ALL_THERE)
    outcome.completed(OLD, requests=2)


@pytest.mark.parametrize("hashed", [False, True])
async def test_r20_416_at_the_full_size_of_another_version(broken: Scene, hashed: bool) -> None:
    config = broken.config(hash_config=checksum(NEW) if hashed else None)
    nothing_left = answer("416 Range Not Satisfiable", Content_Range=f"bytes */{SMALL}", **V2)
    then = without_ranges(nothing_left, whole(NEW, **V2))
    outcome = await broken.resume(OLD, SMALL, then, NEW, config=config, headers=ALL_THERE)
    outcome.completed(NEW, requests=3)


@pytest.mark.parametrize(
    "told",
    [{"Content_Range": f"bytes */{SMALL}"}, {}, {"Content_Range": "bytes */20010"}],
    ids=["r22 size", "r23 no size", "r23 nearly there"],
)
async def test_r22_r23_416_before_the_end_begins_again(broken: Scene, told: Headers) -> None:
    then = without_ranges(answer("416 Range Not Satisfiable", **V1, **told), whole(OLD, **V1))
    outcome = await broken.resume(OLD, CUT, then, headers=V1)
    outcome.completed(OLD, requests=3)


async def test_r22_416_with_another_size_of_the_same_version_begins_again(broken: Scene) -> None:
    """The reported size is that of the bytes on disk, which does not make the file whole."""
    told = f"bytes */{CUT}"
    then = without_ranges(
        answer("416 Range Not Satisfiable", Content_Range=told, **V1), whole(OLD, **V1)
    )
    (await broken.resume(OLD, CUT, then, headers=V1)).completed(OLD)


async def test_r22_416_for_everything_fails(broken: Scene) -> None:
    refusal = answer("416 Range Not Satisfiable", Content_Range=f"bytes */{SMALL}")
    outcome = await broken.resume(OLD, CUT, refusal, headers=V1)
    outcome.failed("416")


@pytest.mark.parametrize(("current", "etag"), [(OLD, V1), (NEW, V2), (NEW[:-1], V1)])
async def test_r25_200_at_the_full_size(broken: Scene, current: bytes, etag: Headers) -> None:
    then = whole(current, **etag)
    outcome = await broken.resume(OLD, SMALL, then, current, headers=ALL_THERE)
    outcome.completed(current, requests=3)  # the total is unknown, so it may be a part: see R39


@pytest.mark.parametrize("said", ["none", "bytes"])
async def test_r26_the_response_counts_and_not_accept_ranges(broken: Scene, said: str) -> None:
    headers = {"Accept-Ranges": said, **V1}
    then = (parts if said == "none" else whole)(OLD, **headers)
    outcome = await broken.resume(OLD, CUT, then, headers=headers)
    outcome.completed(OLD, requests=2)
    assert outcome.requests[1].range_start == CUT


@pytest.mark.parametrize("status", ["304 Not Modified", "412 Precondition Failed"])
async def test_r28_r29_conditions_that_fail_begin_again(broken: Scene, status: str) -> None:
    then = without_ranges(answer(status, **V2), whole(NEW, **V2))
    outcome = await broken.resume(OLD, CUT, then, NEW, headers=V1)
    outcome.completed(NEW, requests=3)


async def test_r28_304_to_everything_fails(broken: Scene) -> None:
    outcome = await broken.resume(OLD, CUT, answer("304 Not Modified"), headers=V1)
    outcome.failed("304")


async def test_r31_a_server_that_lies_is_found_out_by_the_checksum(broken: Scene) -> None:
    config = broken.config(hash_config=checksum(NEW))
    outcome = await broken.resume(OLD, CUT, parts(NEW, **V1), NEW, config=config, headers=V1)
    outcome.failed("wrong SHA-256", requests=2)
    assert not broken.part.exists()  # proven wrong


DAMAGE = ["shorter", "empty", "longer", "missing", "edited", "zeroed"]


@pytest.mark.parametrize("damage", DAMAGE)
async def test_r32_l11_a_partial_file_that_was_touched(scene: Scene, damage: str) -> None:
    await scene.begin(OLD, CUT, **V1)
    kept = scene.part.read_bytes()
    assert kept == OLD[:CUT]
    if damage == "missing":
        scene.part.unlink()
    else:
        changed = {
            "shorter": kept[:-1],
            "empty": b"",
            "longer": kept + b"#" * 90_000,
            "edited": kept[:100] + b"edited" + kept[106:],
            "zeroed": bytes(len(kept)),
        }
        scene.part.write_bytes(changed[damage])
    outcome = await scene.fetch(parts(OLD, **V1), OLD)
    outcome.completed(OLD)


async def test_l11_a_partial_file_that_was_replaced_is_somebody_elses(scene: Scene) -> None:
    await scene.begin(OLD, CUT, **V1)
    scene.part.unlink()
    scene.part.write_bytes(NEW[:CUT])
    scene.keep()
    outcome = await scene.fetch(parts(OLD, **V1), OLD)
    assert outcome.status == "completed" and scene.final.read_bytes() == OLD
    assert scene.bystanders() == scene.before


async def test_l11_a_partial_file_that_was_copied_goes_on(scene: Scene) -> None:
    """Moved to another disk and back: it is another file, without our mark, of the same bytes."""
    await scene.begin(OLD, CUT, **V1)
    kept = scene.part.read_bytes()
    scene.part.rename(scene.folder / "moved")
    scene.part.write_bytes(kept)
    (scene.folder / "moved").unlink()
    outcome = await scene.fetch(parts(OLD, **V1), OLD)
    outcome.completed(OLD, requests=2)
    assert outcome.requests[1].range_start == CUT


@pytest.mark.parametrize("state", [b"", b"garbage", b"{}", b'{"version": 999}', b"[" * 100_000])
async def test_r32_a_state_that_cannot_be_read(scene: Scene, state: bytes) -> None:
    await scene.begin(OLD, CUT, **V1)
    scene.state.write_bytes(state)
    outcome = await scene.fetch(parts(NEW, **V2), NEW)
    outcome.completed(NEW)


async def test_r32_a_state_that_somebody_edited(scene: Scene) -> None:
    await scene.begin(OLD, CUT, **V1)
    state = scene.state.read_bytes()
    edited = state.replace(str(CUT).encode(), str(CUT - 1).encode()).replace(b"v1", b"v2")
    assert edited != state
    scene.state.write_bytes(edited)
    outcome = await scene.fetch(parts(NEW, **V2), OLD, NEW)
    outcome.completed(NEW)


@pytest.mark.parametrize("refusal", ["403 Forbidden", "410 Gone"])
async def test_r34_a_signed_address_that_expires(scene: Scene, refusal: str) -> None:
    path, server = scene.path, scene.server
    first = Hold(OLD, CUT, **V1)
    server.on("/signed?1", in_turn(first, answer(refusal)))
    server.on("/signed?2", parts(OLD, **V1))
    asking = in_turn(redirect("/signed?1"), redirect("/signed?2"))

    async def cut_off(manager: DownloadManager) -> None:
        await bytes_come(manager, CUT)
        first.let_go.set()

    outcome = await scene.fetch(asking, OLD, meanwhile=cut_off)
    outcome.completed(OLD, requests=4)
    assert [r.target for r in server.requests] == [path, "/signed?1", path, "/signed?2"]
    assert server.requests[3].headers["if-range"] == '"v1"'


async def test_r35_a_one_time_address_gets_one_request(scene: Scene) -> None:
    once = in_turn(whole(OLD), answer("410 Gone"))
    (await scene.fetch(once, OLD)).completed(OLD, requests=1)


@pytest.mark.parametrize("gone", ["404 Not Found", "410 Gone"])
async def test_r35_a_one_time_address_that_breaks_fails(broken: Scene, gone: str) -> None:
    outcome = await broken.resume(OLD, CUT, answer(gone), headers=V1)
    outcome.failed(gone, requests=2)
    assert broken.part.read_bytes() == OLD[:CUT]


@pytest.mark.parametrize("headers", [{}, V1, {"Content-Range": "bytes */0"}])
async def test_r37_an_empty_file(scene: Scene, headers: Headers) -> None:
    (await scene.fetch(whole(b"", **headers), b"")).completed(b"", requests=1)


@pytest.mark.parametrize("total", [2**31 + 1, 2**32 + 1, 5 * 2**30, 2**53 + 1])
async def test_r38_sizes_beyond_32_bits(
    broken: Scene, total: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # This machine's disk need not have that much room.
    monkeypatch.setattr(PartBytes, "check_room", lambda self, size: None)

    async def huge(exchange: Exchange) -> None:
        start = exchange.request.range_start or 0
        told = {"Content_Range": f"bytes {start}-{total - 1}/{total}"} if start else {}
        status = "206 Partial Content" if start else "200 OK"
        await exchange.head(status, Content_Length=total - start, **told, **V1)
        await exchange.send(OLD[start : start + CUT])
        await exchange.close()

    outcome = await broken.fetch(huge, OLD, connections=1)  # a slow one would get help
    outcome.failed(f"after {SMALL:,} of {total:,} bytes")
    assert outcome.journal.last("started").total_bytes == total
    starts = [request.range_start for request in outcome.requests]
    assert starts[:3] == [None, CUT, 2 * CUT]
    assert set(starts[3:]) == {SMALL}
    assert sha256(broken.part.read_bytes()) == sha256(OLD)
