"""The judgement whether the network or one host fails, and the wait for the network."""

import asyncio
import errno
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest

from rheo_core import DownloadManager, DownloadStatus, FileConfig
from rheo_core.domain.exceptions import (
    ConnectionFailedError,
    DownloadError,
    DownloadTimeoutError,
    HostNotFoundError,
    HttpStatusError,
    IncompleteError,
    NoNetworkError,
)
from rheo_core.domain.tuning import Tuning
from rheo_core.downloads import network_watch as network_watch_module
from rheo_core.downloads.network_watch import NetworkWatch
from rheo_core.infrastructure import network
from rheo_core.infrastructure.http import Timeouts
from rheo_core.infrastructure.http.connection_problems import failed_lookup
from rheo_core.transfer.errors import translation

Until = Callable[..., Awaitable[None]]
TUNING = Tuning(network_look_seconds=0.01)
SILENT = NoNetworkError("a.example", "no name server answers", is_lookup=True)
UNREACHABLE = NoNetworkError("a.example", "network is unreachable")
A, B = "a.example:443", "b.example:443"


class World:
    """Route and name servers of the machine."""

    def __init__(self) -> None:
        self.route = True
        self.names = True
        self.looks = 0  # for name servers
        self.route_looks = 0

    def has_route(self) -> bool:
        self.route_looks += 1
        return self.route


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()

    async def has_name_servers(_: str) -> bool:
        world.looks += 1
        return world.names

    monkeypatch.setattr(network, "has_route", world.has_route)
    monkeypatch.setattr(network, "has_name_servers", has_name_servers)
    return world


def now() -> float:
    return asyncio.get_running_loop().time()


def watch(patience: float | None = None) -> NetworkWatch:
    return NetworkWatch(patience, lambda: None, TUNING)


@pytest.mark.parametrize(
    "error",
    [
        SILENT,
        UNREACHABLE,
        ConnectionFailedError("h", "reset"),
        DownloadTimeoutError("no data", 1),
        IncompleteError(1, 2),
    ],
)
async def test_without_a_route_no_failure_is_that_of_a_host(
    world: World, error: DownloadError
) -> None:
    network_watch = watch()
    world.route = False
    assert network_watch.is_lost(error, A, now())
    assert network_watch.must_wait(A) and not network_watch.must_wait(B)  # that one may try


@pytest.mark.parametrize(
    "error",
    [ConnectionFailedError("h", "refused"), HostNotFoundError("h"), IncompleteError(1, 2)],
)
async def test_with_a_route_other_failures_are_those_of_a_host(
    world: World, error: DownloadError
) -> None:
    network_watch = watch()
    assert not network_watch.is_lost(error, A, now())
    assert network_watch.is_lost(SILENT, A, now())


async def test_an_address_of_ipv6_says_nothing_about_a_network_of_ipv4(world: World) -> None:
    error = NoNetworkError("a.example", "network is unreachable")
    error.is_ipv6_only = True
    network_watch = watch()
    assert not network_watch.is_lost(error, A, now())
    world.route = False
    assert network_watch.is_lost(error, A, now())


@pytest.mark.parametrize("route", [True, False])
async def test_an_unreachable_network_is_tried_again_until_the_patience_ends(
    world: World,
    until: Until,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    route: bool,
) -> None:
    """The default route may lead to a router that has lost its own network."""
    monkeypatch.setattr(network_watch_module, "_SAME_LOSS_LOOKS", 1000)  # a busy machine is slow
    world.route = route
    network_watch = watch(patience=0.2)
    looking = asyncio.create_task(network_watch.run())
    tries = 0
    while network_watch.is_lost(UNREACHABLE, A, now()):
        tries += 1
        await until(lambda: not network_watch.must_wait(A))
    looking.cancel()
    assert tries > 2
    assert caplog.text.count("no network (") == 1 and "network is back" not in caplog.text


async def test_a_status_is_never_a_lost_network(world: World) -> None:
    network_watch = watch()
    world.route = False
    assert not network_watch.is_lost(HttpStatusError(503), A, now())


async def test_a_local_server_needs_no_route(world: World) -> None:
    network_watch = watch()
    world.route = False
    refused = ConnectionFailedError("127.0.0.1", "connection refused")
    assert not network_watch.is_lost(refused, "127.0.0.1:80", now())


async def test_a_machine_that_never_had_a_route_judges_by_the_error(world: World) -> None:
    """Such as one that reaches the Internet over a proxy in its own network."""
    world.route = False
    network_watch = watch()
    assert not network_watch.is_lost(DownloadTimeoutError("no data", 1), A, now())
    assert network_watch.is_lost(UNREACHABLE, A, now())


async def test_a_local_host_that_needs_no_route_does_not_wait_for_one(
    world: World, until: Until
) -> None:
    world.route = False
    network_watch = watch()
    looking = asyncio.create_task(network_watch.run())
    flapping = NoNetworkError("10.5.0.1", "network is unreachable")
    assert network_watch.is_lost(flapping, "10.5.0.1:80", now())
    await until(lambda: not network_watch.must_wait("10.5.0.1:80"))
    looking.cancel()


async def test_a_local_host_waits_for_a_route_that_it_had(world: World, until: Until) -> None:
    network_watch = watch()
    looking = asyncio.create_task(network_watch.run())
    world.route = False  # both went away, and will come back together
    assert network_watch.is_lost(NoNetworkError("10.5.0.1", "down"), "10.5.0.1:80", now())
    seen = world.route_looks
    await until(lambda: world.route_looks > seen + 3)
    assert network_watch.must_wait("10.5.0.1:80")
    looking.cancel()


async def test_name_servers_of_a_network_without_a_route_end_the_wait(
    world: World, until: Until
) -> None:
    world.route = world.names = False
    network_watch = watch()
    looking = asyncio.create_task(network_watch.run())
    assert network_watch.is_lost(SILENT, A, now())
    await until(lambda: world.looks > 1)
    assert network_watch.must_wait(A) and network_watch.is_waited_for
    world.names = True
    await until(lambda: not network_watch.must_wait(A))
    assert not network_watch.is_waited_for
    looking.cancel()


async def test_a_host_fails_alone_if_another_answers_meanwhile(world: World) -> None:
    network_watch = watch()
    assert network_watch.is_lost(SILENT, A, now())
    network_watch.note_answer(B)
    assert not network_watch.must_wait(A)
    assert not network_watch.is_lost(SILENT, A, now())
    network_watch.note_answer(A)  # that mends it
    assert network_watch.is_lost(SILENT, A, now())


async def test_an_answer_during_the_lookup_means_that_the_host_fails_alone(world: World) -> None:
    network_watch, began = watch(), now()
    await asyncio.sleep(0.01)
    network_watch.note_answer(B)
    assert not network_watch.is_lost(SILENT, A, began)
    assert not network_watch.is_lost(SILENT, A, now())  # its next attempt
    world.route = False
    assert network_watch.is_lost(SILENT, A, now())


@pytest.mark.parametrize("host", [A, "127.0.0.1:80", "10.5.0.1:80"])
async def test_an_answer_of_itself_or_nearby_during_the_lookup_means_nothing(
    world: World, host: str
) -> None:
    network_watch, began = watch(), now()
    await asyncio.sleep(0.01)
    network_watch.note_answer(host)
    assert network_watch.is_lost(SILENT, A, began)


async def test_an_answer_before_the_lookup_means_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    network_watch, began = watch(), now()
    network_watch.note_answer(B)
    await asyncio.sleep(0.01)
    assert network_watch.is_lost(SILENT, A, now())
    monkeypatch.setattr(network_watch_module, "_MAX_LOOKUP_SECONDS", 0.0)
    network_watch = watch()
    network_watch.note_answer(B)
    await asyncio.sleep(0.01)
    assert network_watch.is_lost(SILENT, A, began)  # of a long attempt


async def test_a_host_that_fails_alone_waits_once_the_network_is_lost(world: World) -> None:
    network_watch, began = watch(), now()
    await asyncio.sleep(0.01)
    network_watch.note_answer(B)
    assert not network_watch.is_lost(SILENT, A, began)
    assert network_watch.is_lost(SILENT, "c.example:80", now())
    assert network_watch.is_lost(SILENT, A, now())


async def test_a_local_answer_says_nothing_about_the_internet(world: World) -> None:
    network_watch = watch()
    assert network_watch.is_lost(SILENT, A, now())
    network_watch.note_answer("127.0.0.1:80")
    assert network_watch.must_wait(A) and network_watch.is_lost(SILENT, A, now())


async def test_the_wait_ends_with_the_network(world: World, until: Until) -> None:
    network_watch = watch()
    world.names = False
    looking = asyncio.create_task(network_watch.run())
    assert network_watch.is_lost(SILENT, A, now())
    await until(lambda: world.looks > 1)
    assert network_watch.must_wait(A)
    world.names = True
    await until(lambda: not network_watch.must_wait(A))
    looking.cancel()


async def test_the_wait_ends_with_the_patience_and_begins_again_after_an_answer(
    world: World, until: Until
) -> None:
    network_watch = watch(patience=0.03)
    world.names = False
    looking = asyncio.create_task(network_watch.run())
    assert network_watch.is_lost(SILENT, A, now())
    await until(lambda: not network_watch.must_wait(A))
    assert not network_watch.is_lost(SILENT, A, now())
    network_watch.note_answer(B)
    network_watch.note_answer(A)
    assert network_watch.is_lost(SILENT, A, now())
    looking.cancel()


@pytest.mark.parametrize("number", [errno.ENETUNREACH, errno.ENETDOWN])
def test_errors_of_the_system_that_mean_no_network(number: int) -> None:
    cause = aiohttp.ClientOSError(number, os.strerror(number))
    assert isinstance(translation(cause, "h", Timeouts()), NoNetworkError)


@pytest.mark.parametrize("number", [errno.EHOSTUNREACH, errno.ECONNREFUSED, errno.ETIMEDOUT])
def test_errors_of_the_system_that_are_those_of_a_host(number: int) -> None:
    cause = aiohttp.ClientOSError(number, os.strerror(number))
    found = translation(cause, "h", Timeouts())
    assert isinstance(found, ConnectionFailedError) and not isinstance(found, NoNetworkError)


@pytest.mark.parametrize(
    ("number", "kind"),
    [(socket.EAI_AGAIN, NoNetworkError), (socket.EAI_NONAME, HostNotFoundError)],
)
def test_lookups_fail_by_the_name_server_or_by_the_name(number: int, kind: type) -> None:
    assert type(failed_lookup("h", socket.gaierror(number, ""))) is kind


async def test_a_waiting_download_says_so_and_counts_no_attempt(
    world: World, monkeypatch: pytest.MonkeyPatch, until: Until, tmp_path: Path
) -> None:
    async def resolve(*_: object, **__: object) -> list[object]:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr("rheo_core.infrastructure.http.resolver.SystemResolver.resolve", resolve)
    world.names = False
    config = FileConfig(url="https://a.example/f.bin")
    manager = DownloadManager(download_dir=tmp_path, tuning=TUNING, network_timeout=None)
    async with manager:
        await manager.add([config])
        await until(lambda: manager.snapshot().downloads[0].reason == "no network")
        (seen,) = manager.snapshot().downloads
        assert (seen.status, seen.failures) == (DownloadStatus.QUEUED, 0)
        await manager.cancel(config.id)
