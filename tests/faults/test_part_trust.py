"""Files on the disk are believed if this program can prove them its own, not for their names."""

import asyncio
import errno
import hashlib
import os
import signal
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from rheo_core import DownloadManager, FileConfig
from rheo_core.domain import DownloadStatus, PieceHashes
from rheo_core.infrastructure import files, identity
from rheo_core.infrastructure.files import create_whole
from rheo_core.infrastructure.identity import Identity
from rheo_core.infrastructure.user_key import user_key
from rheo_core.transfer import committing, exact_source_of, source_of
from rheo_core.transfer.part_state import PartState, encode_state
from rheo_core.transfer.segments import WrittenRange
from rheo_core.transfer.validators import Validator
from tests import waiting
from tests.core.engine import error_of, fetch, names_in, sha256, status_of
from tests.faults.disk import state_of
from tests.faults.oracle import LIMIT, Scene, bytes_come, checksum
from tests.faults.program import COMMAND, HASTE, Home
from tests.servers.misbehaving import V1, V2, Behaviour, MisbehavingServer, body_of
from tests.servers.scenarios import Hold, Tap, answer, page, parts, whole, without_ranges
from tests.waiting import Until

GOOD, EVIL = body_of(600_000, "good"), body_of(600_000, "evil")


def state_for(url: str, data: bytes, total: int) -> PartState:
    return PartState(
        source_of(url),
        total,
        Validator('"v1"'),
        (WrittenRange(0, len(data), zlib.crc32(data)),),
    )


def keyless(state: PartState, version: int) -> bytes:
    """A state as anybody can make it: its checksum needs no key. Version 4 has no media type."""
    body = encode_state(state, "", b"").split(b"\n")[2]
    checksum_ = hashlib.sha256(body).hexdigest().encode()
    return b"\n".join((b"rheo part state %d" % version, checksum_, body))


NAMES = {
    "path": "/evil/{}",
    "upper case": "/evil/{upper}",
    "dot": "/evil/{}.",
    "percent": "/evil/{percent}",
    "ligature": "/evil/{ligature}",
}


@pytest.mark.parametrize("how", [*NAMES, "disposition", "disposition*"])
@pytest.mark.parametrize("kept", ["all", "most"])
@pytest.mark.parametrize("program", ["library", "command"])
@pytest.mark.halved("program", "kept", "how")
async def test_a_server_cannot_plant_the_beginning_of_another_download(
    server: MisbehavingServer, home: Home, tmp_path: Path, how: str, kept: str, program: str
) -> None:
    folder = tmp_path / "files"
    trusted = server.on("/trusted/install.sh", parts(GOOD, **V1))
    data = EVIL if kept == "all" else EVIL[:-1000]
    state = keyless(state_for(trusted, data, len(GOOD)), 5)
    urls = []
    for number, (name, body) in enumerate(
        {"install.sh.part": data, "install.sh.part.state": state}.items()
    ):
        if how in NAMES:
            forms = {
                "upper": name.upper(),
                "percent": quote(name).replace(".", "%2E").replace("p", "%70"),
                "ligature": quote(name.replace("st", "\ufb06").replace("a", "\uff41")),
            }
            urls.append(server.on(NAMES[how].format(name, **forms), whole(body)))
        else:
            value = f'filename="{name}"' if how == "disposition" else f"filename*=UTF-8''{name}"
            said = {"Content-Disposition": f"attachment; {value}"}
            urls.append(server.on(f"/evil/{number}", whole(body, **said)))
    if program == "library":
        for url in (*urls, trusted):
            manager, _ = await fetch(folder, [FileConfig(url=url)])
            assert manager.stats.completed == 1
    else:
        for url in (*urls, trusted):
            assert (await home.rheo("download", url, "-o", folder)).code == 0
    assert (folder / "install.sh").read_bytes() == GOOD
    assert server.requests[-1].target == "/trusted/install.sh"
    assert "range" not in server.requests[-1].headers
    taken = {name.casefold() for name in names_in(folder)}
    assert not taken & {"install.sh.part", "install.sh.part.state"}
    assert len(taken) == 3


@pytest.mark.parametrize("version", [4, 5])
@pytest.mark.parametrize("mode", [0o600, 0o644])
@pytest.mark.parametrize("strategy", ["skip", "error", "overwrite", "rename"])
async def test_a_state_that_needs_no_key_is_not_believed(
    scene: Scene, version: int, mode: int, strategy: str
) -> None:
    """The server is asked for every byte."""
    url = scene.config().url
    scene.part.write_bytes(EVIL)
    scene.state.write_bytes(keyless(state_for(url, EVIL, len(EVIL)), version))
    scene.state.chmod(mode)
    config = scene.config(file_exists_strategy=strategy)
    outcome = await scene.fetch(parts(GOOD, **V1), GOOD, config=config)
    assert outcome.status is DownloadStatus.COMPLETED
    assert scene.final.read_bytes() == GOOD
    assert [request.headers.get("range") for request in outcome.requests] == [None]
    kept = [
        path
        for path in scene.folder.iterdir()
        if path.is_file() and path.stat().st_size == len(EVIL)
    ]
    assert EVIL in [path.read_bytes() for path in kept if path != scene.final]


async def test_what_an_earlier_version_began_is_kept_aside(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    half = GOOD[:300_000]
    scene.part.write_bytes(half)
    scene.state.touch(0o600)
    scene.state.write_bytes(keyless(state_for(scene.config().url, half, len(GOOD)), 4))
    outcome = await scene.fetch(parts(GOOD, **V1), GOOD)
    assert outcome.status is DownloadStatus.COMPLETED
    assert scene.final.read_bytes() == GOOD
    assert (scene.folder / "file.bin.unverified").read_bytes() == half
    assert not scene.part.exists() and not scene.state.exists()
    assert caplog.text.count("kept as file.bin.unverified") == 1


async def test_bytes_whose_keeping_was_interrupted_get_one_name(scene: Scene) -> None:
    half, aside = GOOD[:300_000], scene.folder / "file.bin.unverified"
    scene.part.write_bytes(half)
    scene.state.touch(0o600)
    scene.state.write_bytes(keyless(state_for(scene.config().url, half, len(GOOD)), 4))
    aside.hardlink_to(scene.part)  # a kill follows, before the old name is removed
    outcome = await scene.fetch(parts(GOOD, **V1), GOOD)
    assert outcome.status is DownloadStatus.COMPLETED
    assert scene.final.read_bytes() == GOOD and aside.read_bytes() == half
    assert not scene.part.exists() and not scene.state.exists()


@pytest.mark.skipif(not hasattr(os, "setxattr"), reason="no extended attributes here")
async def test_bytes_without_a_mark_are_kept_aside_beside_others(scene: Scene) -> None:
    """They may be of another program, so that they are not removed for those of an earlier run."""
    half, aside = GOOD[:300_000], scene.folder / "file.bin.unverified"
    aside.write_bytes(b"of an earlier run")
    os.setxattr(aside, "user.rheo.part", bytes(16))
    scene.part.write_bytes(half)
    scene.state.touch(0o600)
    scene.state.write_bytes(keyless(state_for(scene.config().url, half, len(GOOD)), 4))
    outcome = await scene.fetch(parts(GOOD, **V1), GOOD)
    assert outcome.status is DownloadStatus.COMPLETED
    assert aside.read_bytes() == b"of an earlier run"
    assert aside.with_name("file.bin.unverified.1").read_bytes() == half


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize("strategy", ["skip", "error", "overwrite", "rename"])
async def test_an_empty_part_file_of_another_user_is_left_alone(
    scene: Scene, strategy: str
) -> None:
    """The finished file would be theirs, to be changed after its check."""
    scene.part.touch()
    os.chown(scene.part, 1, 1)
    config = scene.config(file_exists_strategy=strategy)
    outcome = await scene.fetch(parts(GOOD, **V1), GOOD, config=config)
    assert outcome.status is DownloadStatus.COMPLETED
    assert scene.final.read_bytes() == GOOD
    assert scene.final.stat().st_uid == os.geteuid()
    left = scene.part.stat()
    assert (left.st_uid, left.st_size) == (1, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell")
@pytest.mark.parametrize("size", [100_000, len(GOOD)])
async def test_an_empty_part_file_that_another_program_has_open_is_left_alone(
    scene: Scene, size: int
) -> None:
    """The program has not written anything yet, and would write into the finished file."""
    code = "import sys; file = open(sys.argv[1], 'wb'); print(); input(); file.write(b'theirs')"
    asked = (sys.executable, "-c", code, str(scene.part))
    pipes = {"stdin": asyncio.subprocess.PIPE, "stdout": asyncio.subprocess.PIPE}
    other = await asyncio.create_subprocess_exec(*asked, **pipes)  # type: ignore[arg-type]
    assert other.stdout is not None
    await other.stdout.readline()
    scene.server.on(scene.path, parts(GOOD[:size], **V1))
    manager, _ = await fetch(scene.folder, [config := scene.config()])
    assert status_of(manager, config) is DownloadStatus.COMPLETED
    await other.communicate(b"\n")
    assert scene.part.read_bytes() == b"theirs"
    assert scene.final.read_bytes() == GOOD[:size]
    assert names_in(scene.folder) == sorted([*scene.before, scene.final.name, scene.part.name])


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell")
@pytest.mark.parametrize("how", ["replaced", "emptied", "changed"])
async def test_a_part_file_that_another_program_changed_and_has_open_is_left_alone(
    scene: Scene, how: str
) -> None:
    """Our state is beside it, but what is written there from now on would be in the file."""
    await scene.begin(GOOD, len(GOOD) // 2, **V1)
    if how == "replaced":
        scene.part.unlink()
    code = "import sys; file = open(sys.argv[1], sys.argv[2]); {}; print(); input(); {}".format(
        "file.write(b'a'); file.flush()" if how == "changed" else "",
        "file.seek(0); file.write(b'theirs'); file.flush()",
    ).replace("; ;", ";")
    mode = "r+b" if how == "changed" else "wb"
    pipes = {"stdin": asyncio.subprocess.PIPE, "stdout": asyncio.subprocess.PIPE}
    asked = (sys.executable, "-c", code, str(scene.part), mode)
    other = await asyncio.create_subprocess_exec(*asked, **pipes)  # type: ignore[arg-type]
    assert other.stdout is not None
    await other.stdout.readline()
    scene.server.on(scene.path, parts(GOOD, **V1))
    manager, _ = await fetch(scene.folder, [config := scene.config()])
    assert status_of(manager, config) is DownloadStatus.COMPLETED
    await other.communicate(b"\n")
    assert scene.part.read_bytes()[:6] == b"theirs"
    assert scene.final.read_bytes() == GOOD


async def test_a_part_file_that_another_program_only_reads_goes_on(scene: Scene) -> None:
    """As a player does that shows what is there so far."""
    await scene.begin(GOOD, len(GOOD) // 2, **V1)
    with scene.part.open("rb"):
        outcome = await scene.fetch(parts(GOOD, **V1), GOOD)
    outcome.completed(GOOD)
    assert outcome.requests[-1].range_start == len(GOOD) // 2


async def test_a_state_of_another_name_is_not_believed(scene: Scene) -> None:
    """Even one that this program wrote, for bytes of the same link."""
    await scene.begin(GOOD, 300_000, **V1)
    for ours, name in ((scene.part, "other.bin.part"), (scene.state, "other.bin.part.state")):
        ours.rename(scene.folder / name)
    scene.keep()
    outcome = await scene.fetch(parts(GOOD, **V1), GOOD, config=scene.config(filename="other.bin"))
    assert outcome.status is DownloadStatus.COMPLETED
    assert outcome.requests[-1].headers.get("range") is None


async def test_a_folder_that_was_moved_goes_on(scene: Scene, tmp_path: Path) -> None:
    await scene.begin(GOOD, 300_000, **V1)
    scene.folder.rename(tmp_path / "elsewhere")
    scene.server.on(scene.path, parts(GOOD, **V1))
    manager, _ = await fetch(tmp_path / "elsewhere", [scene.config()])
    assert manager.stats.completed == 1
    assert (tmp_path / "elsewhere" / "file.bin").read_bytes() == GOOD
    assert scene.server.requests[-1].range_start == 300_000


async def test_the_state_notes_the_media_type(scene: Scene) -> None:
    await scene.begin(GOOD, 300_000, Content_Type="Application/Zip; x=y", **V1)
    assert state_of(scene.part).media_type == "application/zip"


# All is there


async def all_there(scene: Scene, **headers: Any) -> None:
    """Leave a whole part file, as a crash between the last byte and the commit does."""
    scene.server.on(scene.path, whole(GOOD, **headers))
    async with scene.manager() as manager, asyncio.timeout(LIMIT):
        manager.on("download.progress", lambda _: scene.final.touch())
        await manager.add([scene.config(file_exists_strategy="error")])
        await manager.wait_until_complete()
    assert scene.part.read_bytes() == GOOD
    scene.final.unlink()


async def test_the_server_is_asked_once_whether_all_is_there(scene: Scene) -> None:
    await all_there(scene, **V1)
    outcome = await scene.fetch(parts(GOOD, **V1), GOOD)
    outcome.completed(GOOD, requests=2)
    asked = outcome.requests[-1].headers
    assert asked["range"] == f"bytes={len(GOOD) - 1}-" and asked["if-range"] == '"v1"'


async def test_a_server_without_ranges_confirms_with_its_head(scene: Scene) -> None:
    await all_there(scene, **V1)
    (await scene.fetch(whole(GOOD, **V1), GOOD)).completed(GOOD, requests=2)


@pytest.mark.parametrize("newer", [EVIL, EVIL[:-1], EVIL + b"more"])
@pytest.mark.parametrize("behave", [whole, parts], ids=["whole", "parts"])
async def test_another_version_begins_again(
    scene: Scene, newer: bytes, behave: Callable[..., object]
) -> None:
    await all_there(scene, **V1)
    outcome = await scene.fetch(behave(newer, **V2), GOOD, newer)  # type: ignore[arg-type]
    outcome.completed(newer)


@pytest.mark.parametrize("status", ["416 Range Not Satisfiable", "412 Precondition Failed"])
async def test_a_refusal_begins_again(scene: Scene, status: str) -> None:
    await all_there(scene, **V1)
    outcome = await scene.fetch(without_ranges(answer(status), whole(EVIL, **V2)), GOOD, EVIL)
    outcome.completed(EVIL)


async def test_without_a_validator_nothing_can_confirm(scene: Scene) -> None:
    await all_there(scene)
    outcome = await scene.fetch(parts(EVIL), GOOD, EVIL)
    outcome.completed(EVIL)
    assert "range" not in outcome.requests[-1].headers


@pytest.mark.parametrize(
    "response",
    [page(b"<p>sign in"), answer("200 OK", b'{"error": 1}', Content_Type="application/json")],
    ids=["page", "JSON"],
)
async def test_a_message_does_not_replace_a_whole_file_without_a_validator(
    scene: Scene, response: Behaviour
) -> None:
    scene.path, scene.name = "/get", "get"
    zipped = {"Content_Type": "application/zip"}
    await all_there(scene, **zipped)
    (await scene.fetch(response, GOOD)).failed("instead of the file")
    assert scene.part.read_bytes() == GOOD
    (await scene.fetch(whole(GOOD, **zipped), GOOD)).completed(GOOD)


async def test_a_hash_of_the_user_needs_no_request(scene: Scene) -> None:
    await all_there(scene, **V1)
    outcome = await scene.fetch(None, GOOD, config=scene.config(hash_config=checksum(GOOD)))
    outcome.completed(GOOD, requests=1)


async def test_a_hash_that_the_bytes_do_not_match_asks_the_server(scene: Scene) -> None:
    """The user looked up the hash of the new version; the server has that, and was not asked."""
    await all_there(scene, **V1)
    config = scene.config(hash_config=checksum(EVIL))
    outcome = await scene.fetch(parts(EVIL, **V2), GOOD, EVIL, config=config)
    outcome.completed(EVIL, requests=2)


@pytest.mark.parametrize(
    "response",
    [answer("503 Busy"), answer("404 Gone"), page(b"<p>sign in")],
    ids=["503", "404", "page"],
)
async def test_a_hash_that_the_bytes_do_not_match_costs_none_before_a_response(
    scene: Scene, response: Behaviour
) -> None:
    """The hash may be mistyped."""
    await all_there(scene, **V1)
    outcome = await scene.fetch(response, GOOD, config=scene.config(hash_config=checksum(EVIL)))
    assert outcome.status is DownloadStatus.FAILED
    assert scene.part.read_bytes() == GOOD
    (await scene.fetch(parts(GOOD, **V1), GOOD)).completed(GOOD)


async def test_a_hash_that_is_wrong_all_the_same_fails_once(scene: Scene) -> None:
    await all_there(scene, **V1)
    config = scene.config(hash_config=checksum(EVIL))
    outcome = await scene.fetch(parts(GOOD, **V1), GOOD, config=config)
    assert outcome.status is DownloadStatus.FAILED
    assert len(outcome.requests) == 2 and not scene.final.exists()


async def test_a_server_that_is_away_costs_no_byte(scene: Scene) -> None:
    await all_there(scene, **V1)
    outcome = await scene.fetch(answer("503 Busy"), GOOD)
    outcome.failed("503")
    assert scene.part.read_bytes() == GOOD
    (await scene.fetch(parts(GOOD, **V1), GOOD)).completed(GOOD)


async def test_a_retry_in_the_same_run_needs_no_request(scene: Scene) -> None:
    """This very run received the bytes; only the name was taken."""
    scene.server.on(scene.path, whole(GOOD))
    config = scene.config(file_exists_strategy="error")
    async with scene.manager() as manager, asyncio.timeout(LIMIT):
        appear = manager.on("download.progress", lambda _: scene.final.touch())
        await manager.add([config])
        await manager.wait_until_complete()
        assert status_of(manager, config) is DownloadStatus.FAILED
        appear.unsubscribe()
        scene.final.unlink()
        await manager.retry(config.id)
        await manager.wait_until_complete()
        assert status_of(manager, config) is DownloadStatus.COMPLETED
    assert scene.final.read_bytes() == GOOD and len(scene.server.requests) == 1


# Another download's part file


@pytest.mark.parametrize("strategy", ["skip", "error", "overwrite", "rename"])
@pytest.mark.parametrize("is_there", [False, True])
async def test_another_downloads_beginning_is_left_alone(
    scene: Scene, strategy: str, is_there: bool
) -> None:
    """And can go on afterwards."""
    first = scene.server.on("/first", Hold(EVIL, 300_000, **V1))
    begun = FileConfig(url=first, filename="file.bin")
    async with scene.manager() as manager, asyncio.timeout(LIMIT):
        await manager.add([begun])
        await bytes_come(manager, 300_000)
        await manager.pause(begun.id)
    if is_there:
        scene.final.write_bytes(b"there")
    before = [path.read_bytes() for path in (scene.part, scene.state)]
    scene.server.on(scene.path, parts(GOOD, **V1))
    config = scene.config(filename="file.bin", file_exists_strategy=strategy)
    async with scene.manager() as manager, asyncio.timeout(LIMIT):
        await manager.add([config])
        await manager.wait_until_complete()
        status = status_of(manager, config)
    assert [path.read_bytes() for path in (scene.part, scene.state)] == before
    left_alone = {"skip": DownloadStatus.SKIPPED, "error": DownloadStatus.FAILED}
    if is_there and strategy in left_alone:
        assert status is left_alone[strategy]
        assert scene.final.read_bytes() == b"there"
    else:
        assert status is DownloadStatus.COMPLETED
        assert GOOD in [path.read_bytes() for path in scene.folder.glob("file*.bin")]
    scene.final.unlink(missing_ok=True)
    scene.server.on("/first", parts(EVIL, **V1))
    manager, _ = await fetch(scene.folder, [begun])
    assert scene.final.read_bytes() == EVIL
    assert scene.server.requests[-1].range_start == 300_000


def taken_names(scene: Scene, count: int) -> list[Path]:
    """Let other programs have the first names for the part file; return their files."""
    source = source_of(scene.config().url)
    tags = ["", *(f".{source[at : at + 8]}" for at in range(0, 32, 8))]
    files = [scene.folder / f"file.bin{tag}.part" for tag in tags[:count]]
    for file in files:
        file.write_bytes(b"of a browser")
    return files


@pytest.mark.parametrize("stays", [False, True])
@pytest.mark.parametrize("count", [1, 2, 4])
async def test_its_own_beginning_under_another_name_is_found_again(
    scene: Scene, count: int, stays: bool
) -> None:
    """The first names are other programs': now, and perhaps when the download goes on."""
    others = taken_names(scene, count)
    before = names_in(scene.folder)
    gone: set[str] = set()
    await scene.begin(GOOD, 300_000, **V1)
    assert len(list(scene.folder.glob("file.bin*.part"))) == count + 1
    if not stays:  # the other programs are done
        for file in others:
            file.unlink()
            gone.add(file.name)
    scene.server.on(scene.path, parts(GOOD, **V1))
    await fetch(scene.folder, [scene.config()])
    assert scene.final.read_bytes() == GOOD
    assert [request.range_start for request in scene.server.requests] == [None, 300_000]
    assert names_in(scene.folder) == sorted({*before, "file.bin"} - gone)
    assert all(file.read_bytes() == b"of a browser" for file in others if stays)


@pytest.mark.parametrize("count", [1, 2, 4])
async def test_its_own_beginning_under_another_name_is_removed_on_demand(
    scene: Scene, count: int
) -> None:
    taken_names(scene, count)
    before = names_in(scene.folder)
    scene.server.on(scene.path, Hold(GOOD, 300_000, **V1))
    config = scene.config()
    async with scene.manager() as manager, asyncio.timeout(LIMIT):
        await manager.add([config])
        await bytes_come(manager, 300_000)
        await manager.pause(config.id)
        assert len(list(scene.folder.glob("file.bin*.part"))) == count + 1
        await manager.cancel(config.id)
    assert names_in(scene.folder) == before


async def test_no_name_for_the_part_file_is_a_sentence(scene: Scene) -> None:
    link = exact_source_of(scene.config().url, user_key())
    others = [*taken_names(scene, 5), scene.folder / f"file.bin.{link[:8]}.part"]
    others[-1].write_bytes(b"of a browser")
    before = names_in(scene.folder)
    scene.server.on(scene.path, parts(GOOD, **V1))
    manager, _ = await fetch(scene.folder, [config := scene.config()])
    assert "use this name and all alternatives" in error_of(manager, config)
    assert all(file.read_bytes() == b"of a browser" for file in others)
    assert names_in(scene.folder) == before


# Verified


def scribble(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(1000)
        file.write(b"scribbled" * 100)


@pytest.mark.parametrize("how", ["hash", "sidecar", "pieces"])
async def test_verified_speaks_of_what_is_on_the_disk(scene: Scene, until: Until, how: str) -> None:
    tap = Tap(GOOD, 400_000, **V1)
    digests = [sha256(GOOD[at : at + 100_000]) for at in range(0, len(GOOD), 100_000)]
    pieces = PieceHashes(algorithm="sha256", length=100_000, hashes=tuple(digests))
    scene.server.on(f"{scene.path}.sha256", answer("200 OK", sha256(GOOD).encode()))
    wishes: dict[str, dict[str, Any]] = {
        "hash": {"hash_config": checksum(GOOD)},
        "pieces": {"pieces": pieces},
    }
    config = scene.config(**wishes.get(how, {"sidecar": True}))

    async def write_into_it(manager: DownloadManager) -> None:
        await bytes_come(manager, 400_000)
        await until(lambda: scene.part.exists() and scene.part.stat().st_size >= 400_000)
        scribble(scene.part)
        tap.opened.set()

    outcome = await scene.fetch(tap, GOOD, config=config, meanwhile=write_into_it)
    if how == "pieces":  # fetched again
        outcome.completed(GOOD)
    else:
        outcome.failed("wrong SHA-256")


@pytest.mark.parametrize("strategy", ["overwrite", "rename"])
async def test_what_is_written_into_a_small_file_after_its_check_is_noticed(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, strategy: str
) -> None:
    """The file was checked in memory, and reaches the disk at its commit."""
    small, real_sync, real_create = GOOD[:100_000], os.fsync, create_whole

    def scribbling(descriptor: int) -> None:
        if scene.part.exists() and os.path.samestat(os.fstat(descriptor), scene.part.stat()):
            scribble(scene.part)
        real_sync(descriptor)

    def too_late(*args: Any, **wishes: Any) -> Identity | None:
        scene.final.write_bytes(b"quicker")
        return real_create(*args, **wishes)

    monkeypatch.setattr(os, "fsync", scribbling)
    if strategy == "overwrite":
        scene.final.write_bytes(b"quicker")
    else:
        monkeypatch.setattr(committing, "create_whole", too_late)
    scene.server.on(scene.path, parts(small, **V1))
    config = scene.config(hash_config=checksum(small), file_exists_strategy=strategy)
    manager, _ = await fetch(scene.folder, [config])
    assert status_of(manager, config) is DownloadStatus.FAILED
    info = manager.get_download_info(config.id)
    assert info is not None and "after its check" in (info.error or "")
    assert scene.final.read_bytes() == b"quicker"
    assert not (scene.folder / "file (1).bin").exists()


@pytest.mark.parametrize("name", ["hash", "pieces"])
async def test_what_is_written_after_the_check_is_noticed(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    real = os.fsync

    def scribbling(descriptor: int) -> None:
        if scene.part.exists() and os.path.samestat(os.fstat(descriptor), scene.part.stat()):
            scribble(scene.part)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", scribbling)
    pieces = PieceHashes(algorithm="sha256", length=len(GOOD), hashes=(sha256(GOOD),))
    wishes: dict[str, dict[str, Any]] = {
        "hash": {"hash_config": checksum(GOOD)},
        "pieces": {"pieces": pieces},
    }
    scene.server.on(scene.path, parts(GOOD, **V1))
    config = scene.config(**wishes[name])
    manager, _ = await fetch(scene.folder, [config])
    assert status_of(manager, config) is DownloadStatus.FAILED
    info = manager.get_download_info(config.id)
    assert info is not None and "changed file.bin after its check" in (info.error or "")
    assert not scene.final.exists()


async def test_a_key_that_cannot_be_kept_stops_no_download(
    server: MisbehavingServer, tmp_path: Path, until: Until
) -> None:
    """Downloads go on, and later runs begin again beside what the first of them left."""
    home, folder = Home(tmp_path / "home", {"chunk_size": 65536}), tmp_path / "files"
    key = home.path / "state" / "rheo" / "key"
    key.mkdir(parents=True)  # also stops root, who may write everywhere
    tap = Tap(GOOD, 400_000, **V1)
    line = ("download", "-x", "1", server.on("/file.bin", tap), "-o", folder)
    folder.mkdir()
    (folder / "file.bin.unverified").write_bytes(b"of another day")
    for _ in range(4):
        before = len(server.requests)
        process = await home.start(HASTE + COMMAND, *line)
        await server.wait_for_requests(before + 1)
        part = folder / "file.bin.part"
        await until(lambda part=part: part.exists() and part.stat().st_size >= 300_000)
        process.send_signal(signal.SIGINT)
        _, told = await process.communicate()
        assert process.returncode == 130 and told.count(b"cannot use the key") <= 1
    tap.opened.set()
    assert (await home.rheo(*line)).code == 0
    assert (folder / "file.bin").read_bytes() == GOOD
    # Of four runs one set of bytes is kept, and nothing of anybody else is touched.
    kept = ["file.bin", "file.bin.unverified", "file.bin.unverified.1"]
    assert names_in(folder) == kept
    assert (folder / kept[1]).read_bytes() == b"of another day"
    bytes_kept = (folder / kept[2]).read_bytes()
    assert len(bytes_kept) >= 300_000 and GOOD.startswith(bytes_kept)


@pytest.mark.parametrize("missing", ["proc", "marks", "both"])
@pytest.mark.parametrize("strategy", ["skip", "overwrite"])
@pytest.mark.parametrize("kind", ["file", "folder", "nothing", None])
async def test_systems_without_proc_or_marks(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, missing: str, strategy: str, kind: str | None
) -> None:
    """As macOS, or a file system without extended attributes: no foreign byte gets the name."""

    def unsupported(*_: object, **__: object) -> None:
        raise OSError(errno.ENOTSUP, "not supported")

    if missing in ("proc", "both"):
        monkeypatch.setattr(identity, "link_open", lambda *_: False)
        monkeypatch.setattr(files, "link_open", lambda *_: False)
    if missing in ("marks", "both"):
        for call in ("getxattr", "setxattr", "removexattr"):
            monkeypatch.setattr(os, call, unsupported)
    if strategy == "overwrite":
        scene.final.write_bytes(b"old")
    tap = Tap(GOOD, 400_000, **V1)

    async def swap(manager: DownloadManager) -> None:
        await bytes_come(manager, 400_000)
        await waiting.until(lambda: scene.part.exists() and scene.part.stat().st_size)
        if kind is not None:
            scene.part.unlink()
        if kind == "file":
            scene.part.write_bytes(EVIL)
        elif kind == "folder":
            scene.part.mkdir()
        tap.opened.set()

    config = scene.config(file_exists_strategy=strategy)
    outcome = await scene.fetch(tap, GOOD, config=config, meanwhile=swap)
    if kind is None:
        assert outcome.status is DownloadStatus.COMPLETED and scene.final.read_bytes() == GOOD
        assert not scene.part.exists() and not scene.state.exists()
        return
    assert outcome.status is DownloadStatus.FAILED
    fate = "moved or removed" if kind == "nothing" else "replaced"
    assert outcome.error == f"cannot write {scene.part}: was {fate} by another program"
    assert strategy == "skip" or scene.final.read_bytes() == b"old"
    assert strategy == "overwrite" or not scene.final.exists()
    assert kind != "file" or scene.part.read_bytes() == EVIL
    assert kind != "folder" or scene.part.is_dir()


@pytest.mark.parametrize("strategy", ["skip", "overwrite"])
async def test_a_file_that_slips_in_during_the_rename_is_told(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, strategy: str
) -> None:
    """Without /proc the commit goes by name: another file may get it, but nobody calls it done."""
    monkeypatch.setattr(identity, "link_open", lambda *_: False)
    real = identity.check_at

    def slip_in(descriptor: int, path: Path) -> None:
        real(descriptor, path)
        if path == scene.part and scene.part.stat().st_size == len(GOOD):
            scene.part.unlink()
            scene.part.write_bytes(EVIL)

    monkeypatch.setattr(identity, "check_at", slip_in)
    if strategy == "overwrite":
        scene.final.write_bytes(b"old")
    config = scene.config(file_exists_strategy=strategy)
    outcome = await scene.fetch(parts(GOOD, **V1), GOOD, config=config)
    assert outcome.status is DownloadStatus.FAILED
    assert outcome.error == f"cannot write {scene.final}: was replaced by another program"
    assert scene.final.read_bytes() == EVIL  # nothing of another program is removed
