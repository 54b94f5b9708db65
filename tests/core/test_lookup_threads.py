"""Name lookups: names that nobody answers for delay neither the others nor the end."""

import asyncio
import errno
import os
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from rheo_core import DownloadManager, FileConfig
from rheo_core.domain import DownloadStatus
from rheo_core.domain.exceptions import ProtocolError, ShortageError
from rheo_core.domain.request_options import RequestOptions
from rheo_core.infrastructure.http import lookup_threads, resolver
from rheo_core.infrastructure.http.lookup_threads import LookupThreads
from rheo_core.infrastructure.http.resolver import GuardedResolver, SystemResolver
from tests.core.engine import error_of, fetch, quick_retries, serving, status_of
from tests.faults.program import Home
from tests.servers.misbehaving import MisbehavingServer, body_of
from tests.servers.proxy import proxy
from tests.waiting import Until

BODY = body_of(30_000)


class SilentNames:
    """The system's lookups, of which those of `silent` names get no answer until `go_on`.

    A name server that does not answer cannot be had without rights on the machine's network.
    """

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.busy = Counter[str]()
        self.peak = Counter[str]()
        self._guard = threading.Lock()
        self._ask = socket.getaddrinfo

    def __call__(self, host: Any, *args: Any, **kwargs: Any) -> Any:
        if not str(host).startswith("silent"):
            name = "127.0.0.1" if str(host).endswith(".example") else host
            return self._ask(name, *args, **kwargs)
        with self._guard:
            self.busy[host] += 1
            self.peak[host] = max(self.peak[host], self.busy[host])
        self.go_on.wait(60)
        with self._guard:
            self.busy[host] -= 1
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    @property
    def waiting(self) -> int:
        return sum(self.busy.values())


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[SilentNames]:
    silent = SilentNames()
    monkeypatch.setattr(socket, "getaddrinfo", silent)
    monkeypatch.setattr(resolver, "_threads", LookupThreads())
    yield silent
    silent.go_on.set()


async def test_a_good_host_does_not_wait_for_names_without_an_answer(
    server: MisbehavingServer, tmp_path: Path, names: SilentNames, until: Until
) -> None:
    port = server.on("/good", serving(BODY)).rpartition(":")[2].partition("/")[0]
    silent = [FileConfig(url=f"http://silent{n}.example:{port}/f{n}") for n in range(20)]
    good = FileConfig(url=f"http://good.example:{port}/good")
    async with DownloadManager(download_dir=tmp_path, max_concurrent=30) as manager:
        await manager.add(silent)
        await until(lambda: names.waiting == 20)
        await manager.add([good])
        await until(lambda: status_of(manager, good) is DownloadStatus.COMPLETED)
        assert names.waiting == 20  # none of them was answered meanwhile
        names.go_on.set()
        await manager.wait_until_complete(timeout=60)
    assert {error_of(manager, each) for each in silent} == {
        f"silent{n}.example: no name server answers" for n in range(20)
    }


async def test_more_names_without_an_answer_than_threads_delay_no_other(
    names: SilentNames, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookup_threads, "_MAX_QUEUED_SECONDS", 0.1)
    asking = [
        asyncio.create_task(SystemResolver().resolve(f"silent{n}.example")) for n in range(100)
    ]
    await until(lambda: names.waiting >= 32)
    async with asyncio.timeout(60):
        assert await SystemResolver().resolve("good.example")
    for task in asking:
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)


async def test_a_name_without_an_answer_is_waited_for_as_long_as_for_a_connection(
    tmp_path: Path, names: SilentNames
) -> None:
    config = FileConfig(url="http://silent.example/f")
    manager, _ = await fetch(tmp_path, [config], connect_timeout=0.1)
    assert names.waiting == 1
    assert error_of(manager, config) == "no connection to silent.example within 0.1 s"


async def test_one_host_holds_two_threads_at_the_most(names: SilentNames, until: Until) -> None:
    """Each route has a resolver of its own; those who ask lose patience and come again."""
    families = [socket.AF_INET, socket.AF_INET6, socket.AF_UNSPEC]
    asking = [
        asyncio.create_task(GuardedResolver().resolve("silent.example", 80, family))
        for family in families * 4
    ]
    await until(lambda: names.busy["silent.example"] == 2)
    async with asyncio.timeout(60):
        assert await SystemResolver().resolve("good.example")  # there are threads for others
    for task in asking:
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    assert names.peak["silent.example"] == 2


@pytest.mark.parametrize("scheme", ["http", "socks5", "socks5h"])
async def test_names_of_proxies_without_an_answer_delay_no_other(
    tmp_path: Path, names: SilentNames, until: Until, scheme: str
) -> None:
    """As many as asyncio has threads for: none of them is used."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(max_workers=2))
    silent = [
        FileConfig(
            url=f"http://a.example/{n}",
            request=RequestOptions(proxy=f"{scheme}://silent{n}.example:9"),
        )
        for n in range(6)
    ]
    async with DownloadManager(download_dir=tmp_path, max_concurrent=30) as manager:
        await manager.add(silent)
        await until(lambda: names.waiting == 6)
        async with asyncio.timeout(60):
            assert await asyncio.to_thread(int) == 0
        names.go_on.set()
        await manager.wait_until_complete(timeout=60)
    assert {error_of(manager, each) for each in silent} == {
        f"silent{n}.example: no name server answers" for n in range(6)
    }


async def test_a_socks_proxy_is_found_by_its_name(
    tmp_path: Path, server: MisbehavingServer, names: SilentNames
) -> None:
    async with proxy(tmp_path) as way:
        options = RequestOptions(proxy=f"socks5h://way.example:{way.port}")
        config = FileConfig(url=server.on("/a", serving(BODY)), request=options)
        manager, _ = await fetch(tmp_path / "out", [config], connections=3)
        assert status_of(manager, config) == "completed", error_of(manager, config)
        assert server.url("").rpartition(":")[2] in way.log


UNREACHABLE = "224.0.0.1"  # no TCP connection leads to a group, with and without a network


def give(monkeypatch: pytest.MonkeyPatch, addresses: list[str]) -> None:
    """Let all names that end with `.example` have these addresses."""
    ask = socket.getaddrinfo

    def look_up(host: Any, *args: Any, **kwargs: Any) -> Any:
        hosts = addresses if str(host).endswith(".example") else [host]
        return [info for each in hosts for info in ask(each, *args, **kwargs)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.2", "127.0.0.1"], [UNREACHABLE, "127.0.0.1"], ["127.0.0.2", "::1", "127.0.0.1"]],
    ids=["refused", "unreachable", "several"],
)
async def test_a_socks_proxy_is_reached_by_any_of_its_addresses(
    tmp_path: Path,
    server: MisbehavingServer,
    monkeypatch: pytest.MonkeyPatch,
    addresses: list[str],
) -> None:
    async with proxy(tmp_path) as way:
        give(monkeypatch, addresses)
        options = RequestOptions(proxy=f"socks5h://way.example:{way.port}")
        config = FileConfig(url=server.on("/a", serving(BODY)), request=options)
        manager, _ = await fetch(tmp_path / "out", [config])
    assert status_of(manager, config) == "completed", error_of(manager, config)


@pytest.mark.parametrize("addresses", [[UNREACHABLE, "127.0.0.2"], ["127.0.0.2", UNREACHABLE]])
async def test_a_socks_proxy_without_a_good_address_is_refused_rather_than_unreachable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, addresses: list[str]
) -> None:
    give(monkeypatch, addresses)
    config = FileConfig(
        url="http://a.test/f", request=RequestOptions(proxy="socks5h://way.example:9")
    )
    manager, _ = await fetch(tmp_path, [config])
    assert status_of(manager, config) == "failed"
    assert error_of(manager, config).startswith("way.example: the SOCKS proxy: ")
    assert "unreachable" not in error_of(manager, config)


async def test_the_name_of_a_socks_proxy_is_waited_for_as_long_as_for_a_connection(
    tmp_path: Path, names: SilentNames
) -> None:
    options = RequestOptions(proxy="socks5://silent.example:9")
    config = FileConfig(url="http://a.example/f", request=options)
    manager, _ = await fetch(tmp_path, [config], connect_timeout=0.1)
    assert names.waiting == 1
    assert error_of(manager, config) == "no connection to a.example within 0.1 s"


async def test_who_has_left_the_line_is_not_looked_up(until: Until) -> None:
    threads = LookupThreads(threads=1)
    go_on, done = threading.Event(), []
    first = asyncio.create_task(threads.run("a", go_on.wait))
    await until(lambda: threads._busy["a"] == 1)
    second = asyncio.create_task(threads.run("b", lambda: done.append("b")))
    third = asyncio.create_task(threads.run("c", lambda: done.append("c")))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    go_on.set()
    await asyncio.gather(first, third)
    assert done == ["c"]


async def test_idle_threads_end_and_come_again(
    until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookup_threads, "_IDLE_SECONDS", 0.01)
    threads = LookupThreads()
    for _ in range(2):
        assert await asyncio.gather(*(threads.run(str(n), lambda: 1) for n in range(9))) == [1] * 9
        await until(lambda: threads._count == 0)


async def test_no_thread_to_be_had_is_a_shortage(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = LookupThreads()

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as context:
        context.setattr(threading.Thread, "start", refuse)
        with pytest.raises(ShortageError, match="thread"):
            await threads.run("a", lambda: 1)
    assert await threads.run("a", lambda: 1) == 1


async def test_no_descriptor_to_be_had_is_not_a_name_without_an_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The system's library says "not found" where it cannot open its files."""

    def open_nothing(*_: object) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(os, "open", open_nothing)
    with pytest.raises(OSError, match="Too many open files") as raised:
        await SystemResolver().resolve("no-such-host.invalid")
    assert raised.value.errno == errno.EMFILE


@pytest.mark.parametrize("host", ["a..b", ".a", "x" * 64, "x" * 64 + ".example"])
async def test_a_name_that_no_host_can_have(host: str) -> None:
    with pytest.raises(ProtocolError, match="is not valid"):
        await GuardedResolver().resolve(host)


async def test_the_system_answers_as_before() -> None:
    for family in (socket.AF_INET, socket.AF_UNSPEC):
        found = await SystemResolver().resolve("localhost", 8080, family)
        assert "127.0.0.1" in {address["host"] for address in found}
        assert {address["port"] for address in found} == {8080}
        assert {address["hostname"] for address in found} == {"localhost"}


async def test_a_name_with_hundreds_of_addresses_is_no_storm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connections = 0

    def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        writer.transport.abort()

    def addresses(*args: Any, **kwargs: Any) -> Any:
        kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        return [(*kind, ("127.0.0.1", 0))] * 250

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    monkeypatch.setattr(socket, "getaddrinfo", addresses)
    config = FileConfig(url=f"https://many.example:{port}/f")
    async with server:
        await fetch(tmp_path, [config], retry_handler=quick_retries(0))
    assert 1 <= connections <= 8


async def test_both_families_of_a_name_are_tried() -> None:
    class ManyOfOne(AbstractResolver):
        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
        ) -> list[ResolveResult]:
            found = [(f"2001:db8::{number}", socket.AF_INET6) for number in range(100)]
            return [
                ResolveResult(
                    hostname=host, host=address, port=port, family=family, proto=6, flags=0
                )
                for address, family in [*found, ("192.0.2.1", socket.AF_INET)]
            ]

        async def close(self) -> None:
            pass

    found = await GuardedResolver(ManyOfOne()).resolve("many.example", 80)
    assert [address["host"] for address in found][-2:] == ["2001:db8::6", "192.0.2.1"]
    assert len(found) == 8


NEVER_ANSWERED = """
import asyncio, socket, sys, threading
from pathlib import Path
from rheo_core import DownloadManager, FileConfig

socket.getaddrinfo = lambda *_, **__: threading.Event().wait()

async def main(folder):
    async with DownloadManager(download_dir=folder, connect_timeout=0.1) as manager:
        await manager.add([FileConfig(url=f"http://silent{n}.example/f") for n in range(9)])
        await manager.wait_until_complete()
        return manager.stats.failed

sys.exit(asyncio.run(main(Path(sys.argv[1]))))
"""


async def test_the_end_of_the_program_does_not_wait_for_names(tmp_path: Path) -> None:
    ended = await Home(tmp_path / "home").run(NEVER_ANSWERED, tmp_path / "files")
    assert ended.code == 9
