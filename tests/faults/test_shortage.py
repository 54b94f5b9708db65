"""A machine that is short of file descriptors: fewer downloads at once, and all of them whole."""

import resource
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rheo_core.domain.exceptions import ShortageError
from rheo_core.infrastructure.user_key import user_key
from rheo_core.transfer import PartFile, PartOwner, commit
from rheo_core.transfer.validators import Validator
from tests.core.engine import names_in
from tests.faults.program import COMMAND, Ended, Home, tuned
from tests.programs import limited
from tests.servers.misbehaving import Exchange, MisbehavingServer, body_of

SMALL, LARGE = body_of(20_000), body_of(1_000_000, "large")


def only(count: int) -> Callable[[int], None]:
    """Limit the open files of a program, soft and hard (`ulimit -n`)."""
    return limited(resource.RLIMIT_NOFILE, count)


def place(server: MisbehavingServer, count: int, body: bytes) -> list[str]:
    async def steadily(exchange: Exchange) -> None:
        start, end = exchange.request.range_start, exchange.request.range_end or len(body)
        if start is not None:
            return await exchange.serve(body, ETag='"v1"')
        await exchange.head(Content_Length=end, ETag='"v1"')
        for offset in range(0, end, 100_000):
            await exchange.send(body[offset : offset + 100_000])
        return None

    return [server.on(f"/f{number}", steadily) for number in range(count)]


async def fetched(home: Home, folder: Path, count: int, urls: list[str], *flags: str) -> Ended:
    return await home.rheo("download", "-o", folder, *flags, *urls, within=only(count))


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("descriptors", [24, 32, 48])
async def test_forty_files_with_few_descriptors(
    server: MisbehavingServer, tmp_path: Path, home: Home, descriptors: int, body: bytes
) -> None:
    urls = place(server, 40, body)
    flags = ("-w", "20", "--connections", "4")
    ended = await fetched(home, tmp_path / "files", descriptors, urls, *flags)
    assert ended.code == 0, ended.err
    assert names_in(tmp_path / "files") == sorted(f"f{number}" for number in range(40))
    assert all((tmp_path / "files" / f"f{n}").read_bytes() == body for n in range(40))
    assert len(server.requests) < 40 * 10  # no loop that keeps asking
    assert ended.err.count("done      ") == 40 and "event handler" not in ended.err
    assert "cannot use the key" not in ended.err


@pytest.mark.skipif(sys.platform != "linux", reason="127.0.1.x is Linux's")
async def test_idle_connections_to_other_hosts_are_given_up(tmp_path: Path, home: Home) -> None:
    """Each of forty hosts leaves one behind: more than there are descriptors."""
    async with MisbehavingServer(host="0.0.0.0") as server:
        urls = place(server, 40, SMALL)
        urls = [url.replace("127.0.0.1", f"127.0.1.{n + 1}") for n, url in enumerate(urls)]
        ended = await fetched(home, tmp_path / "files", 24, urls, "-w", "4")
    assert ended.code == 0, ended.err
    assert all((tmp_path / "files" / f"f{n}").read_bytes() == SMALL for n in range(40))


@pytest.fixture
def nothing_can_be_opened() -> Iterator[Callable[[], None]]:
    """Call it to have every open(2) of this process fail until the test ends."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_file_that_has_its_name_is_done(
    tmp_path: Path, nothing_can_be_opened: Callable[[], None]
) -> None:
    """Another attempt would skip it as somebody else's, or fetch it twice."""
    part = PartFile(tmp_path / "a", PartOwner("source"))
    part.expect(len(SMALL), Validator())
    part.begin()
    part.write(0, SMALL)
    nothing_can_be_opened()
    commit(part, len(SMALL), overwrite=False)
    assert not part.is_open
    assert (tmp_path / "a").stat().st_size == len(SMALL)


def test_a_key_that_cannot_be_opened_now_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nothing_can_be_opened: Callable[[], None]
) -> None:
    """A random one would set every unfinished download aside."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    key = user_key()
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    monkeypatch.setattr("rheo_core.infrastructure.user_key._keys", {})  # as another process
    nothing_can_be_opened()
    with pytest.raises(ShortageError, match="too many open files"):
        user_key()
    resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert user_key() == key


async def test_too_few_for_a_single_download_is_told_in_one_sentence(
    server: MisbehavingServer, tmp_path: Path, home: Home
) -> None:
    impatient = tuned(shortage_patience_seconds=0.0)
    (url,) = place(server, 1, LARGE)
    arguments = ("download", "-o", tmp_path / "files", "--retries", "0", url)
    ended = await home.run(impatient + COMMAND, *arguments, within=only(7))
    assert ended.code == 1
    assert ended.told_once(
        "failed    f0: too many open files: this process may have 7; raise the limit with ulimit -n"
    ), ended.err


async def test_a_low_limit_of_the_shell_is_raised(
    server: MisbehavingServer, tmp_path: Path, home: Home
) -> None:
    """The system would let the program have more: it takes them, and is short of nothing."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    urls = place(server, 40, LARGE)
    ended = await home.rheo(
        *("download", "-o", tmp_path / "files", "-w", "20", *urls),
        within=limited(resource.RLIMIT_NOFILE, 10, min(hard, 4096)),
    )
    assert ended.code == 0, ended.err
    assert "too many" not in ended.err
    assert all((tmp_path / "files" / f"f{n}").read_bytes() == LARGE for n in range(40))


SHORT_OF = """
import asyncio, errno, os, socket, sys
from pathlib import Path
from rheo_core import DownloadManager, FileConfig

number, every, counted = getattr(errno, sys.argv[2]), int(sys.argv[3]), 0

class Socket(socket.socket):
    def connect(self, address):
        global counted
        counted += 1
        if counted % every == 0:
            raise OSError(number, os.strerror(number))
        return super().connect(address)

socket.socket = Socket
reasons = set()

async def main(folder, *urls):
    async with DownloadManager(download_dir=folder, max_concurrent=6) as manager:  # no retries
        await manager.add([FileConfig(url=url) for url in urls])
        done = asyncio.create_task(manager.wait_until_complete())
        while not done.done():
            await asyncio.wait({done}, timeout=0.002)
            reasons.update(row.reason for row in manager.snapshot().downloads)
        print(manager.stats.completed, *sorted(filter(None, reasons)), sep=",")

asyncio.run(main(Path(sys.argv[1]), *sys.argv[4:]))
"""
"""The system's own shortages of memory and ports cannot be had without harm to the machine."""


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        ("EMFILE", "too many open files"),
        ("ENFILE", "too many open files on this system"),
        ("ENOBUFS", "no memory for further connections"),
        ("ENOMEM", "out of memory"),
        ("EADDRNOTAVAIL", "no free local port"),
    ],
)
@pytest.mark.halved("number")
async def test_what_a_socket_lacks_is_waited_for(
    server: MisbehavingServer, tmp_path: Path, home: Home, number: str, reason: str
) -> None:
    async def then_close(exchange: Exchange) -> None:
        await exchange.serve(SMALL, Connection="close")
        await exchange.close()

    urls = [server.on(f"/f{n}", then_close) for n in range(20)]
    ended = await home.run(SHORT_OF, tmp_path / "files", number, 4, *urls)
    count, *reasons = ended.out.strip().split(",")
    assert count == "20", ended
    assert reason in reasons, ended
    assert all((tmp_path / "files" / f"f{n}").read_bytes() == SMALL for n in range(20))
