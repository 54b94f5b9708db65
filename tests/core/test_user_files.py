"""Files that are not what they should be are refused at once, and pipes are read as lists."""

import grp
import os
import pwd
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from rheo_core import FileConfig
from rheo_core.domain.exceptions import ShortageError
from rheo_core.domain.request_options import RequestOptions
from rheo_core.inputs import read_entries_file
from rheo_core.user_files import (
    check_control,
    open_list,
    open_regular,
    read_regular,
    read_secret,
    read_secret_async,
)
from tests.core.engine import error_of, fetch
from tests.servers.misbehaving import MisbehavingServer
from tests.servers.tls import Authority


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


SPECIAL: dict[str, Callable[[Path], object]] = {
    "FIFO": os.mkfifo,
    "folder": Path.mkdir,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "socket": make_socket,
    "loop of links": lambda path: path.symlink_to(path),
}


@pytest.fixture(params=SPECIAL)
def special(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "s"
    SPECIAL[request.param](path)
    return path


def test_what_is_no_regular_file_is_refused(special: Path) -> None:
    for read in (open_regular, read_regular, read_secret):
        with pytest.raises(OSError) as caught:
            read(special)
        assert caught.value.strerror


async def test_without_blocking_the_same_is_refused(special: Path) -> None:
    with pytest.raises(OSError) as caught:
        await read_secret_async(special)
    assert caught.value.strerror


async def test_secrets_are_read_without_blocking(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"secret")
    path.chmod(0o640)
    with pytest.raises(PermissionError, match="other users can read it"):
        await read_secret_async(path)
    path.chmod(0o600)
    assert await read_secret_async(path) == b"secret"


async def test_a_shortage_of_threads_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"secret")
    path.chmod(0o600)

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(ShortageError, match="cannot start another thread"):
            await read_secret_async(path)


def test_a_file_that_is_too_long_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert read_regular(path, 5) == b"12345"
    with pytest.raises(OSError, match=r"it has 5 bytes; at most 4 are read$"):
        read_regular(path, 4)


@pytest.mark.usefixtures("limited_memory")
@pytest.mark.parametrize("field", ["cookies", "ca_file", "client_cert", "netrc"])
async def test_a_file_of_any_length_takes_no_memory(
    tmp_path: Path, field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "long"
    path.touch(0o600)
    os.truncate(path, 10 << 30)  # it takes no room
    monkeypatch.setenv("NETRC", str(path))
    fields: dict[str, object] = {field: True if field == "netrc" else path}
    async with MisbehavingServer(ssl=Authority().serving("127.0.0.1")) as server:
        config = FileConfig(url=server.url("/a"), request=RequestOptions(**fields))
        manager, _ = await fetch(tmp_path / "out", [config])
        said = error_of(manager, config)
    assert said.startswith(f"{field} {path}: ")
    assert "it has 10,737,418,240 bytes; at most 67,108,864 are read" in said


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610])
def test_secrets_are_for_their_owner_alone(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"secret")
    path.chmod(mode)
    with pytest.raises(PermissionError, match=r"other users can (read|change) it; run chmod 600"):
        read_secret(path)
    path.chmod(0o600)
    assert read_secret(path) == b"secret"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_secrets_of_another_user_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"secret")
    path.chmod(0o600)
    os.chown(path, 12345, -1)
    with pytest.raises(PermissionError, match="belongs to another user"):
        read_secret(path)


@pytest.mark.parametrize(
    ("group", "members", "is_private"),
    [("me", [], True), ("me", ["me"], True), ("me", ["me", "you"], False), ("staff", [], False)],
)
def test_the_group_of_one_user_is_nobody_else(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    group: str,
    members: list[str],
    is_private: bool,
) -> None:
    """Debian and Fedora give each user a group, and umask 002."""
    monkeypatch.setattr(pwd, "getpwuid", lambda _: SimpleNamespace(pw_name="me"))
    found = SimpleNamespace(gr_name=group, gr_mem=members)
    monkeypatch.setattr(grp, "getgrgid", lambda _: found)
    path = tmp_path / "file"
    path.write_bytes(b"")
    path.chmod(0o664)
    with path.open("rb") as file, nullcontext() if is_private else pytest.raises(PermissionError):
        check_control(file, path)


@pytest.mark.parametrize("through_folder", [False, True])
@pytest.mark.parametrize("open_folder", ["home/rheo", "home", "shared", "files", None])
def test_each_folder_on_the_way_through_links_is_checked(
    tmp_path: Path, open_folder: str | None, through_folder: bool
) -> None:
    """Somebody else could put a link to any file of the user there."""
    for name in ("home/rheo", "shared", "files"):
        (tmp_path / name).mkdir(parents=True)
    path, target = tmp_path / "home" / "rheo" / "settings.toml", tmp_path / "files" / "rheo.toml"
    target.write_bytes(b"")
    (tmp_path / "shared" / "rheo.toml").symlink_to("../files/rheo.toml")
    path.symlink_to(tmp_path / "shared" / "rheo.toml")
    if open_folder is not None:
        (tmp_path / open_folder).chmod(0o777)
    if through_folder:
        (tmp_path / "config").mkdir()
        (tmp_path / "config" / "rheo").symlink_to("../home/rheo")
        path = tmp_path / "config" / "rheo" / "settings.toml"
    named = path.parent if open_folder == "home/rheo" else tmp_path / (open_folder or "")
    refused = pytest.raises(PermissionError, match=f"other users can change its folder {named};")
    with path.open("rb") as file, refused if open_folder else nullcontext():
        check_control(file, path)


def test_a_folder_that_is_mounted_read_only_may_have_any_mode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can change it; only root can mount one in a test."""
    path = tmp_path / "file"
    path.write_bytes(b"")
    tmp_path.chmod(0o777)
    mounted = SimpleNamespace(f_flag=os.ST_RDONLY | os.ST_NOSUID)
    monkeypatch.setattr(os, "statvfs", lambda _: mounted)
    with path.open("rb") as file:
        check_control(file, path)


def test_a_fifo_without_a_writer_is_no_list(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "list")
    with pytest.raises(OSError, match="pipe that no program writes to"):
        open_list(tmp_path / "list")


@pytest.mark.parametrize("pause", [False, True])
def test_a_pipe_is_read_to_its_end(tmp_path: Path, pause: bool) -> None:
    """The writer may write before the pipe is opened, or later."""
    path, text = tmp_path / "list", b"http://x/1\n" * 20_000
    os.mkfifo(path)
    keep = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a reader, so that the writer can begin
    waits = "sys.stdin.read(1)" if pause else "0"
    code = (
        f"import sys; file = open({str(path)!r}, 'wb'); print('open', flush=True); {waits}; "
        f"file.write(b'http://x/1\\n' * 20_000)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdin and writer.stdout
        assert writer.stdout.readline() == b"open\n"
        with open_list(path) as file:
            os.close(keep)
            writer.stdin.close()
            assert file.peek(4)[:4] == text[:4]
            assert file.read() == text


async def test_the_app_loads_regular_files_only(special: Path) -> None:
    with pytest.raises(OSError):
        await read_entries_file(special)


@pytest.mark.parametrize("field", ["cookies", "ca_file", "client_cert", "client_key", "netrc"])
async def test_no_request_is_made_with_such_a_file(
    tmp_path: Path, special: Path, field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NETRC", str(special))
    fields: dict[str, object] = {field: True if field == "netrc" else special}
    authority = Authority()
    if field == "client_key":
        fields["client_cert"] = authority.client(tmp_path)[0]
    async with MisbehavingServer(ssl=authority.serving("127.0.0.1")) as server:
        config = FileConfig(url=server.url("/a"), request=RequestOptions(**fields))
        manager, journal = await fetch(tmp_path / "out", [config])
        assert error_of(manager, config).startswith(f"{field} {special}: ")
        assert journal.names() == ["queued", "failed"]
        assert not server.requests


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o602])
@pytest.mark.parametrize("field", ["cookies", "client_key", "client_cert"])
async def test_no_request_is_made_with_secrets_that_others_may_use(
    tmp_path: Path, field: str, mode: int
) -> None:
    authority = Authority()
    certificate, key = authority.client(tmp_path)
    cookies = tmp_path / "cookies.txt"
    cookies.write_text("# Netscape HTTP Cookie File\n")
    if field == "client_cert":
        certificate.write_bytes(certificate.read_bytes() + key.read_bytes())  # both in one file
    fields = {
        "cookies": {"cookies": cookies},
        "client_key": {"client_cert": certificate, "client_key": key},
        "client_cert": {"client_cert": certificate},
    }[field]
    fields[field].chmod(mode)
    async with MisbehavingServer(ssl=authority.serving("127.0.0.1")) as server:
        config = FileConfig(url=server.url("/a"), request=RequestOptions(**fields))
        manager, _ = await fetch(tmp_path / "out", [config])
        assert "it; run chmod 600 on it" in error_of(manager, config)
        assert not server.requests
