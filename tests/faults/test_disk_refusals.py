"""Disks that refuse what is not needed: permissions, links, locks, attributes, long names."""

import asyncio
import errno
import fcntl
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rheo_core import DownloadStatus, FileConfig
from rheo_core.infrastructure import locks
from tests.core.engine import error_of, fetch, names_in, status_of
from tests.faults.program import Home
from tests.servers.misbehaving import Exchange, MisbehavingServer, body_of

SIZES = pytest.mark.parametrize("size", [1_000, 1_000_000], ids=["small", "large"])
ODD = sorted(  # a set: on Linux ENOTSUP is EOPNOTSUPP
    {errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}
)


def refusal(number: int) -> Callable[..., Any]:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number))

    return refuse


async def is_downloaded(server: MisbehavingServer, folder: Path, size: int, **wishes: Any) -> None:
    body = body_of(size)

    async def serve(exchange: Exchange) -> None:
        await exchange.serve(body, ETag='"1"', Last_Modified="Mon, 01 Jan 2024 00:00:00 GMT")

    config = FileConfig(url=server.on("/file.bin", serve), **wishes)
    manager, _ = await fetch(folder, [config], server_time=True, origin=True)
    assert status_of(manager, config) is DownloadStatus.COMPLETED, error_of(manager, config)
    assert names_in(folder) == ["file.bin"] and (folder / "file.bin").read_bytes() == body


@SIZES
@pytest.mark.parametrize("number", [*ODD, errno.EXDEV, errno.ENOTTY], ids=errno.errorcode.get)
@pytest.mark.parametrize(
    "call", ["fchmod", "chmod", "link", "utime", "setxattr", "getxattr", "fstatvfs", "statvfs"]
)
@pytest.mark.halved("size", "number", "call")
async def test_a_call_that_is_an_improvement_only(
    server: MisbehavingServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    number: int,
    size: int,
) -> None:
    monkeypatch.setattr(os, call, refusal(number))
    await is_downloaded(server, tmp_path, size)


@SIZES
@pytest.mark.parametrize("strategy", ["skip", "overwrite", "rename", "error"])
async def test_links_that_are_refused_under_each_strategy(
    server: MisbehavingServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    strategy: str,
    size: int,
) -> None:
    monkeypatch.setattr(os, "link", refusal(errno.EACCES))
    await is_downloaded(server, tmp_path, size, file_exists_strategy=strategy)


@pytest.mark.parametrize("number", [errno.EIO, errno.EROFS], ids=errno.errorcode.get)
async def test_a_disk_that_fails_is_a_failure(
    server: MisbehavingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(os, "link", refusal(number))
    with pytest.raises(AssertionError, match="cannot write"):
        await is_downloaded(server, tmp_path, 1_000_000)


@SIZES
@pytest.mark.parametrize(
    "number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM], ids=errno.errorcode.get
)
async def test_a_disk_without_locks_costs_one_warning(
    server: MisbehavingServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    number: int,
    size: int,
) -> None:
    monkeypatch.setattr(locks, "_without_locks", set())
    monkeypatch.setattr(fcntl, "fcntl", refusal(number))
    monkeypatch.setattr(fcntl, "lockf", refusal(number))
    await is_downloaded(server, tmp_path, size)
    await fetch(tmp_path, [FileConfig(url=server.url("/file.bin"), filename="other")])
    assert caplog.text.count("does not support locks") == (1 if size > 300_000 else 0)


def names_up_to(limit: int, monkeypatch: pytest.MonkeyPatch, *, is_told: bool) -> None:
    """Make every name longer than `limit` bytes too long; pathconf says so or does not."""

    def checked(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            paths = [Path(each) for each in args[:2] if isinstance(each, str | os.PathLike)]
            if any(len(os.fsencode(path.name)) > limit for path in paths):
                raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
            return real(*args, **kwargs)

        return call

    for name in ("open", "lstat", "stat", "link", "rename", "replace", "unlink"):
        monkeypatch.setattr(os, name, checked(getattr(os, name)))
    if is_told:
        monkeypatch.setattr(os, "pathconf", lambda *_: limit)


@SIZES
@pytest.mark.parametrize("limit", [143, 200])
@pytest.mark.parametrize("is_told", [True, False], ids=["told", "not told"])
@pytest.mark.parametrize("letter", ["n", "\u540d"])
async def test_long_names_are_cut_to_what_the_disk_takes(
    server: MisbehavingServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    limit: int,
    is_told: bool,
    letter: str,
    size: int,
) -> None:
    names_up_to(limit, monkeypatch, is_told=is_told)
    body = body_of(size)
    stem = letter * (200 // len(letter.encode()))
    urls = [server.on(f"/{n}", lambda exchange: exchange.serve(body, ETag='"1"')) for n in range(3)]
    configs = [FileConfig(url=url, filename=f"{stem}.tar.gz") for url in urls]
    for _ in range(2):  # the second run finds them again
        asked = len(server.requests)
        manager, _ = await fetch(tmp_path, configs, max_concurrent=3)
        assert manager.stats.failed == 0, [error_of(manager, each) for each in configs]
        names = names_in(tmp_path)
        assert len(names) == 3 and all(name.endswith(".tar.gz") for name in names)
    assert len(server.requests) == asked


async def test_short_names_stay(
    server: MisbehavingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names_up_to(143, monkeypatch, is_told=True)
    name = "n" * 80 + ".bin"
    url = server.on("/a", lambda exchange: exchange.serve(b"x"))
    await fetch(tmp_path, [FileConfig(url=url, filename=name)])
    assert names_in(tmp_path) == [name]


@pytest.mark.parametrize("path", ["/nowhere/keys", "/proc/keys", "/dev/full", "pipe", ""])
async def test_a_log_of_keys_that_cannot_be_written_costs_itself(
    server: MisbehavingServer, tmp_path: Path, path: str
) -> None:
    url = server.on("/file.bin", lambda exchange: exchange.serve(b"x"))
    home = Home(tmp_path / "home")
    os.mkfifo(tmp_path / "pipe")
    command = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("rheo"), "download", "-o", tmp_path / "files", url,
        cwd=tmp_path, env=home.environment | {"SSLKEYLOGFILE": path},
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, said = await command.communicate()
    assert command.returncode == 0, said.decode()
    assert (tmp_path / "files" / "file.bin").read_bytes() == b"x"
    assert (f"SSLKEYLOGFILE: cannot write {path}" in said.decode()) == bool(path)
