"""The server's time and the origin, on the file before anybody can see it."""

import errno
import hashlib
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from rheo_core import FileConfig
from rheo_core.infrastructure.file_metadata import FileMetadata
from rheo_core.infrastructure.user_key import user_key
from rheo_core.transfer import exact_source_of
from tests.core.engine import fetch, names_in, quick_retries, serving
from tests.servers.misbehaving import Exchange, MisbehavingServer, body_of

MODIFIED, WHEN = "Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777
SMALL, LARGE = 1000, 1_500_000
ORIGIN = "user.xdg.origin.url"
SOURCE = "user.rheo.source"

sizes = pytest.mark.parametrize("size", [SMALL, LARGE])


class Watch:
    """Looks at a path in a thread of its own, as often as it can, and keeps every time seen."""

    def __init__(self, path: Path) -> None:
        self.seen: set[float] = set()
        self._path = path
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        last = False
        while not last:
            last = self._stop.is_set()
            try:
                self.seen.add(self._path.stat().st_mtime)
            except FileNotFoundError:
                continue


@sizes
@pytest.mark.parametrize("strategy", ["skip", "overwrite"])
async def test_a_file_has_the_servers_time_from_its_first_moment(
    server: MisbehavingServer, tmp_path: Path, size: int, strategy: str
) -> None:
    url = server.on("/f", serving(body_of(size), Last_Modified=MODIFIED))
    with Watch(tmp_path / "f") as watch:
        await fetch(
            tmp_path, [FileConfig(url=url)], server_time=True, file_exists_strategy=strategy
        )
    assert watch.seen == {WHEN}
    assert names_in(tmp_path) == ["f"]


async def test_without_the_setting_it_has_its_own(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    url = server.on("/f", serving(b"x", Last_Modified=MODIFIED))
    await fetch(tmp_path, [FileConfig(url=url)])
    assert (tmp_path / "f").stat().st_mtime > WHEN


@pytest.mark.parametrize(
    "told",
    [
        "",
        "yesterday",
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "Mon, 01 Jan 1900 00:00:00 GMT",
        "Fri, 31 Dec 9999 23:59:59 GMT",
    ],
)
async def test_a_time_without_sense_is_left_alone(
    server: MisbehavingServer, tmp_path: Path, told: str
) -> None:
    (tmp_path / "before").touch()
    url = server.on("/f", serving(b"x", Last_Modified=told))
    manager, _ = await fetch(tmp_path, [FileConfig(url=url)], server_time=True)
    assert manager.stats.completed == 1
    before = (tmp_path / "before").stat().st_mtime
    assert before - 2 <= (tmp_path / "f").stat().st_mtime <= before + 60


async def test_the_time_outlives_a_restart(server: MisbehavingServer, tmp_path: Path) -> None:
    """All bytes come with the first start, which cannot give the name; nobody asks again."""
    body = body_of(LARGE)

    async def cut(exchange: Exchange) -> None:
        if exchange.number == 1:
            await exchange.head(Content_Length=LARGE, ETag='"v1"', Last_Modified=MODIFIED)
            await exchange.send(body[:1_000_000])
            await exchange.close()
        else:
            await exchange.serve(body, ETag='"v1"')

    config = FileConfig(url=server.on("/f", cut))
    await fetch(tmp_path, [config], server_time=True)
    assert names_in(tmp_path) == ["f.part", "f.part.state"]
    await fetch(tmp_path, [config], server_time=True)
    assert server.requests[-1].range_start == 1_000_000
    assert (tmp_path / "f").stat().st_mtime == WHEN
    assert (tmp_path / "f").read_bytes() == body


async def test_a_newer_version_brings_its_own_time(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    body = body_of(LARGE)

    async def changing(exchange: Exchange) -> None:
        if exchange.number == 1:
            old = "Sat, 05 Nov 1994 08:49:37 GMT"
            await exchange.head(Content_Length=LARGE, ETag='"v1"', Last_Modified=old)
            await exchange.send(body_of(1_000_000, "old"))
            await exchange.close()
        else:
            await exchange.serve(body, ETag='"v2"', Last_Modified=MODIFIED)

    config = FileConfig(url=server.on("/f", changing))
    await fetch(tmp_path, [config], server_time=True, retry_handler=quick_retries())
    assert (tmp_path / "f").stat().st_mtime == WHEN
    assert (tmp_path / "f").read_bytes() == body


@pytest.fixture
def attributes(tmp_path: Path) -> Path:
    """A folder whose file system has extended attributes."""
    probe = tmp_path / "probe"
    probe.touch()
    try:
        os.setxattr(probe, ORIGIN, b"x")
    except (AttributeError, OSError) as error:
        pytest.skip(f"no extended attributes here: {error}")
    folder = tmp_path / "files"
    folder.mkdir()
    return folder


@sizes
async def test_a_file_tells_its_origin_and_no_secret(
    server: MisbehavingServer, attributes: Path, size: int
) -> None:
    url = server.on("/f?part=1&token=s3cret", serving(body_of(size)))
    secret = url.replace("http://", "http://me:passw0rd@")
    manager, _ = await fetch(attributes, [FileConfig(url=secret)], origin=True)
    assert manager.stats.completed == 1
    told = os.getxattr(attributes / "f", ORIGIN).decode()
    assert told == url.replace("s3cret", "***")


async def test_without_the_setting_it_tells_nothing(
    server: MisbehavingServer, attributes: Path
) -> None:
    await fetch(attributes, [FileConfig(url=server.on("/f", serving(b"x")))])
    assert os.listxattr(attributes / "f") == [SOURCE]  # a keyed hash


async def test_the_source_needs_the_users_key(
    server: MisbehavingServer, attributes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else everybody who can read the file could guess a weak password in its URL."""
    url = server.on("/f?a=1", serving(b"x")).replace("http://", "http://me:hunter2@")
    await fetch(attributes, [FileConfig(url=url)])
    source = os.getxattr(attributes / "f", SOURCE)
    assert source == exact_source_of(url, user_key()).encode() and len(source) == 32
    assert source != hashlib.sha256(url.encode()).hexdigest()[:32].encode()
    assert source != exact_source_of(url, bytes(32)).encode()

    monkeypatch.setattr("rheo_core.infrastructure.user_key._keys", {})  # as another process
    await fetch(attributes, [FileConfig(url=url)], file_exists_strategy="overwrite")
    assert os.getxattr(attributes / "f", SOURCE) == source


async def test_without_a_storable_key_a_process_still_knows_its_files(
    server: MisbehavingServer,
    attributes: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", os.devnull)
    configs = [FileConfig(url=server.on(f"/{n}/f", serving(b"%d" % n))) for n in range(3)]
    await fetch(attributes, configs[1:2])
    assert "cannot use the key" not in caplog.text  # nothing is unfinished
    for _ in range(2):
        await fetch(attributes, configs[1:], file_exists_strategy="overwrite")
        assert [(attributes / name).read_bytes() for name in ("f", "f (1)")] == [b"1", b"2"]
    await fetch(attributes, configs)
    assert names_in(attributes) == ["f", "f (1)", "f (2)"]
    assert user_key() and caplog.text.count("cannot use the key") == 1


def room_for(folder: Path, origin: bytes) -> dict[str, bytes]:
    """Return the attributes of a file whose origin is stored, if this file system has room."""
    probe = folder / "probe"
    probe.touch()
    try:
        os.setxattr(probe, ORIGIN, origin)
    except OSError:
        return {}
    return {ORIGIN: origin}


@sizes
async def test_no_room_for_the_origin_is_no_failure(
    server: MisbehavingServer, attributes: Path, size: int
) -> None:
    """A URL longer than what many file systems take for an attribute."""
    url = server.on(f"/f?{'page=1&' * 9_000}", serving(b""))
    configs = [
        FileConfig(url=url.replace("/f?", "/g?"), fetch_url=server.on("/f", serving(body_of(size))))
    ]
    manager, journal = await fetch(attributes, configs, origin=True)
    assert manager.stats.completed == 1, journal.names()
    kept = {name: os.getxattr(attributes / "g", name) for name in os.listxattr(attributes / "g")}
    kept.pop(SOURCE, None)
    assert kept == room_for(attributes, configs[0].url.encode())


@sizes
async def test_a_file_system_without_marks_is_no_failure(
    server: MisbehavingServer, tmp_path: Path, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))

    monkeypatch.setattr(os, "setxattr", refuse, raising=False)
    monkeypatch.setattr(os, "utime", refuse)
    url = server.on("/f", serving(body_of(size), Last_Modified=MODIFIED))
    manager, _ = await fetch(tmp_path, [FileConfig(url=url)], origin=True, server_time=True)
    assert manager.stats.completed == 1
    assert (tmp_path / "f").read_bytes() == body_of(size)


def test_without_marks_nothing_is_touched(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.touch()
    before = path.stat()
    with path.open("rb+") as file:
        FileMetadata().apply(file.fileno())
    assert path.stat().st_ctime_ns == before.st_ctime_ns
