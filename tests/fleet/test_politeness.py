"""Limits of hosts for one shard, and names of files from keys."""

from pathlib import Path
from typing import Any

import pytest

from rheo_core.config import build_settings
from rheo_core.domain.exceptions import (
    CertificateError,
    ConnectionFailedError,
    DestinationError,
    DiskFullError,
    DownloadTimeoutError,
    FileAccessError,
    FileExistsError,
    FileInUseError,
    FileValidationError,
    HashMismatchError,
    HostNotFoundError,
    HttpStatusError,
    IncompleteError,
    NoNetworkError,
    ProtocolError,
    ProxyRefusalError,
    RequestOptionsError,
    RobotsTagError,
    ShortageError,
    TooLargeError,
    TooManyRedirectsError,
    WebPageError,
)
from rheo_core.domain.fleet import FleetEntry, FleetPlan
from rheo_core.domain.hosts import HostLimits
from rheo_core.domain.retry import RetryConfig
from rheo_core.downloads import RetryHandler
from rheo_core.events import ErrorInfo
from rheo_core.fleet.error_kinds import is_of_worker, kind_of, may_pass
from rheo_core.fleet.file_names import file_name, name_in_tar
from rheo_core.fleet.politeness import plan_within, shard_limits

URLS = [
    "https://a.example.org/x",
    "http://b.example.org:81/y",
    "http://[::1]:8000/",
    "http://1.2.3.4/",
]


def limits(own: dict[str, HostLimits] | None = None, **options: Any) -> dict[str, HostLimits]:
    plan = FleetPlan("", 4, 0, 8, (), **options)
    entries = [FleetEntry(f"{number:011d}", url) for number, url in enumerate(URLS)]
    return shard_limits(plan, [*entries, FleetEntry("9", "??", problem="no")], own or {})


def test_sites_in_one_lane_need_no_limits_of_their_own() -> None:
    assert limits() == {}


def test_lanes_of_a_site_share_its_limits() -> None:
    shared = limits(split_sites={"example.org": 3}, host_connections=48, host_rate=3_000_000.0)
    assert shared["a.example.org"] == shared["b.example.org"] == HostLimits(1_000_000, 16)
    assert shared["::1"] == shared["1.2.3.4"] == HostLimits(3_000_000, 48)


def test_settings_of_the_worker_win() -> None:
    own = {"*.example.org": HostLimits(connections=2)}
    shared = limits(own, host_rate=10.0)
    assert shared["a.example.org"] == HostLimits(10, 2)


@pytest.mark.parametrize(
    ("settings", "at_once", "within"),
    [
        ({}, 1, (256, 16)),  # the defaults are not limits of the user
        ({"max_concurrent": 1}, 4, (1, 16)),
        ({"max_concurrent": 64}, 4, (16, 16)),
        ({"max_concurrent": 4096}, 4, (256, 16)),
        ({"connections_per_host": 2}, 4, (256, 2)),  # a site has one lane
        ({"connections_per_host": 200}, 4, (256, 16)),
    ],
)
def test_the_smaller_limit_of_plan_and_user_applies(
    settings: dict[str, Any], at_once: int, within: tuple[int, int]
) -> None:
    plan = plan_within(FleetPlan("", 4, 0, 8, ()), build_settings(**settings), at_once)
    assert (plan.concurrency, plan.host_connections) == within


def mismatch(**facts: Any) -> HashMismatchError:
    return HashMismatchError(
        expected_hash="a" * 64, calculated_hash="b" * 64, file_path=Path("a"), **facts
    )


@pytest.mark.parametrize(
    ("url", "name", "expected"),
    [
        ("http://x/a.JPG", None, "00000000001.jpg"),
        ("http://x/a.tar.gz?b=c.png", None, "00000000001.tar.gz"),
        ("http://x/image", "photo.webp", "00000000001.webp"),
        ("http://x/a.jpg", "no extension", "00000000001.jpg"),
        ("http://x/v1.2", None, "00000000001"),
        ("http://x/", None, "00000000001"),
        ("http://x/.htaccess", None, "00000000001"),
        ("http://x/a.averylongextension", None, "00000000001"),
        ("http://x/a.part", None, "00000000001"),
        ("http://x/a%2e%2e%2fetc.desktop", None, "00000000001.download"),
    ],
)
def test_names_are_keys(url: str, name: str | None, expected: str) -> None:
    assert file_name(FleetEntry("00000000001", url, name=name)) == expected


@pytest.mark.parametrize(
    ("name", "media_type", "expected"),
    [
        ("1", "image/jpeg", "1.jpg"),
        ("1.png", "image/jpeg", "1.png"),
        ("1", None, "1"),
        ("1", "application/octet-stream", "1"),
        ("1", "x/unknown", "1"),
    ],
)
def test_types_become_extensions(name: str, media_type: str | None, expected: str) -> None:
    assert name_in_tar(name, media_type) == expected


@pytest.mark.parametrize(
    ("error", "kind", "passes", "of_worker"),
    [
        (HttpStatusError(404), "http_404", False, False),
        (HttpStatusError(503), "http_503", True, False),
        (HttpStatusError(421), "http_421", True, False),
        (HttpStatusError(407), "http_407", False, False),
        (ProxyRefusalError(403), "http_403", False, False),
        (ProxyRefusalError(503), "http_503", True, False),
        (ProxyRefusalError(407), "http_407", False, True),
        (ProxyRefusalError(407, is_login_refused=True), "http_407", False, True),
        (DownloadTimeoutError("no data", 3), "timeout", True, False),
        (HostNotFoundError("a.example"), "dns", True, False),
        (ConnectionFailedError("a.example", "x"), "connection", True, False),
        (IncompleteError(1, 2), "incomplete", True, False),
        (CertificateError("a.example", "x"), "certificate", False, False),
        (ProtocolError("x"), "protocol", False, False),
        (WebPageError("text/html", "a"), "web_page", False, False),
        (TooLargeError(1), "too_large", False, False),
        (RobotsTagError("noai"), "robots_tag", False, False),
        (TooManyRedirectsError(20), "redirects", False, False),
        (mismatch(), "hash", False, False),
        (mismatch(is_promised=True), "hash", False, False),
        (mismatch(bad_pieces=1), "hash", False, False),
        (FileValidationError("x"), "file", False, False),
        (FileAccessError("x"), "other", False, True),
        (FileExistsError(Path("a")), "other", False, True),
        (RequestOptionsError("x"), "other", False, True),
        (ShortageError("x"), "other", False, True),
        (DestinationError(Path("a"), "x"), "other", False, True),
        (DiskFullError(Path("a")), "disk_full", True, True),
        (FileInUseError(Path("a")), "other", False, True),
        (NoNetworkError("a.example", "x"), "no_network", True, False),
        (ValueError("x"), "other", False, False),
    ],
)
def test_kinds(error: Exception, kind: str, passes: bool, of_worker: bool) -> None:
    info = ErrorInfo.from_exception(error)
    assert kind_of(info) == kind
    assert may_pass(kind) is passes
    assert is_of_worker(info) is of_worker


def test_a_pass_tries_the_statuses_again_that_a_download_retries() -> None:
    handler = RetryHandler(RetryConfig(max_retries=1))
    for status in range(200, 1000):
        delay = handler.next_delay(HttpStatusError(status, "x"), 1)
        assert may_pass(f"http_{status}") is (delay is not None), status


@pytest.mark.parametrize("kind", ["http_", "http_5030", "http_5", "http_٥٠٣", "xhttp_503", ""])
def test_a_kind_that_is_no_status_does_not_pass(kind: str) -> None:
    assert not may_pass(kind)
