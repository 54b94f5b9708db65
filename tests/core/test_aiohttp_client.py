"""The client on aiohttp, for those who bring a session: its time limits and its errors."""

import aiohttp
import pytest

from rheo_core.domain.exceptions import ConnectionFailedError
from rheo_core.infrastructure.http import AiohttpClient, Timeouts
from rheo_core.infrastructure.http.base import is_of_aiohttp
from tests.core.engine import serving
from tests.servers.misbehaving import MisbehavingServer, body_of


class OwnError(aiohttp.ClientError):
    """An error of a user of the library."""


@pytest.mark.parametrize("limits", [Timeouts(5.0, 5.0), Timeouts(), aiohttp.ClientTimeout(total=5)])
async def test_time_limits_of_both_kinds_are_taken(
    server: MisbehavingServer, limits: Timeouts | aiohttp.ClientTimeout
) -> None:
    body = body_of(1000)
    url = server.on("/a.bin", serving(body))
    async with AiohttpClient() as client, client.get(url, timeout=limits) as reply:
        assert await reply.read() == body


@pytest.mark.parametrize(
    "error", [aiohttp.ClientError(), aiohttp.ClientOSError(), aiohttp.InvalidURL("x"), OwnError()]
)
def test_errors_of_aiohttp(error: Exception) -> None:
    assert is_of_aiohttp(error)


@pytest.mark.parametrize("error", [OSError(), TimeoutError(), ConnectionFailedError("a", "b")])
def test_other_errors(error: Exception) -> None:
    assert not is_of_aiohttp(error)
