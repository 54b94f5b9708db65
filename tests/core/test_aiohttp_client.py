"""The client on aiohttp, for those who bring a session: its time limits and its errors."""

import aiohttp
import pytest

from rheo_core.domain.exceptions import ConnectionFailedError
from rheo_core.infrastructure.http.base import is_of_aiohttp


class OwnError(aiohttp.ClientError):
    """An error of a user of the library."""


@pytest.mark.parametrize(
    "error", [aiohttp.ClientError(), aiohttp.ClientOSError(), aiohttp.InvalidURL("x"), OwnError()]
)
def test_errors_of_aiohttp(error: Exception) -> None:
    assert is_of_aiohttp(error)


@pytest.mark.parametrize("error", [OSError(), TimeoutError(), ConnectionFailedError("a", "b")])
def test_other_errors(error: Exception) -> None:
    assert not is_of_aiohttp(error)
