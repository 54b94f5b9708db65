"""Addresses that are connected to: with a zone, several, or none."""

import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from rheo_core import FileConfig
from tests.clients import IS_AIOHTTP, opened_client
from tests.core.engine import error_of, fetch, serving, status_of
from tests.servers.misbehaving import MisbehavingServer, body_of

BODY = body_of(3_000)
LOOPBACK = next(name for _, name in socket.if_nameindex() if name.startswith("lo"))

pytestmark = pytest.mark.skipif(IS_AIOHTTP, reason="aiohttp connects by itself")


@pytest.fixture
async def server_v6() -> AsyncIterator[MisbehavingServer]:
    try:
        async with MisbehavingServer(host="::1") as server:
            yield server
    except OSError:
        pytest.skip("this machine has no IPv6")


@pytest.mark.parametrize("sign", ["%25", "%"])
async def test_an_address_may_have_a_zone(
    server_v6: MisbehavingServer, tmp_path: Path, sign: str
) -> None:
    url = server_v6.on("/f", serving(BODY)).replace("127.0.0.1", f"[::1{sign}{LOOPBACK}]")
    config = FileConfig(url=url)
    manager, _ = await fetch(tmp_path, [config])
    assert status_of(manager, config) == "completed", error_of(manager, config)
    (request,) = server_v6.requests
    assert request.headers["host"] == server_v6.url("")[7:].replace("127.0.0.1", "[::1]")


async def test_a_zone_that_does_not_exist_is_named(tmp_path: Path) -> None:
    config = FileConfig(url="http://[fe80::1%25nowhere0]/f")
    manager, _ = await fetch(tmp_path, [config])
    assert error_of(manager, config).startswith("fe80::1%nowhere0: no ")


class Answers(AbstractResolver):
    """Gives each name the same addresses of IP version 4."""

    def __init__(self, *addresses: str) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host, host=each, port=port, family=socket.AF_INET, proto=0, flags=0
            )
            for each in self._addresses
        ]

    async def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        (["127.0.0.2", "127.0.0.1"], ""),
        (["0.0.0.1", "127.0.0.1"], ""),
        ([], "files.example: host name not found"),
        (["127.0.0.2"], "files.example: connection refused"),
    ],
)
async def test_the_first_address_that_answers_is_used(
    server: MisbehavingServer, tmp_path: Path, addresses: list[str], expected: str
) -> None:
    url = server.on("/f", serving(BODY)).replace("127.0.0.1", "files.example")
    config = FileConfig(url=url)
    async with opened_client(resolver=Answers(*addresses)) as client:
        manager, _ = await fetch(tmp_path, [config], client=client)
    assert error_of(manager, config) == expected
    assert (tmp_path / "f").exists() is not bool(expected)
