"""Headers of one download: what is accepted, where they go, and where they never go."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rheo_core import FileConfig
from rheo_core.domain import DownloadStatus
from rheo_core.domain.request_headers import read_headers
from rheo_core.infrastructure.session_rows import to_record, to_stored
from rheo_core.tracking import DownloadRecord
from tests.core.engine import error_of, fetch, status_of
from tests.servers.misbehaving import Exchange, MisbehavingServer, body_of
from tests.servers.scenarios import redirect

BODY = body_of(50_000)
SECRET = {
    "cookie": "session=s3cret",
    "Authorization": "Basic dTpw",
    "X-Token": "s3cret",
    "Referer": "http://example.org/private",
}
HEADERS = {**SECRET, "user-agent": "Mine/1.0", "Accept": "text/plain"}


async def whole(exchange: Exchange) -> None:
    await exchange.serve(BODY, ETag='"1"', Accept_Ranges="bytes")


async def test_they_are_sent_with_every_request(tmp_path: Path) -> None:
    async with MisbehavingServer() as server:
        config = FileConfig(url=server.on("/a", whole), headers=HEADERS)
        manager, _ = await fetch(tmp_path, [config], connections=3)
        assert status_of(manager, config) is DownloadStatus.COMPLETED
        for request in server.requests:
            headers = request.headers
            assert headers.items() >= {key.lower(): HEADERS[key] for key in HEADERS}.items()
            assert headers["accept-encoding"] == "identity"
    assert (tmp_path / "a").read_bytes() == BODY


async def test_secrets_stay_at_their_origin(tmp_path: Path) -> None:
    """Neither a redirect nor a mirror takes them elsewhere; nor back, once elsewhere was asked."""
    async with MisbehavingServer() as home, MisbehavingServer() as stranger:
        back = home.on("/back", whole)
        away = stranger.on("/away", redirect(back))
        home.on("/here", redirect(away))
        config = FileConfig(url=home.on("/a", redirect("/here")), headers=HEADERS)
        manager, _ = await fetch(tmp_path, [config])
        assert status_of(manager, config) is DownloadStatus.COMPLETED
        names = {name.lower() for name in SECRET}
        assert home.requests_for("/here")[0].headers["referer"] == "http://example.org/private"
        assert stranger.requests_for("/away")[0].headers["referer"] == "http://example.org/"
        for path in ("/a", "/here"):
            assert home.requests_for(path)[0].headers.keys() >= names
        for request in (stranger.requests_for("/away")[0], home.requests_for("/back")[0]):
            assert not (names - {"referer"}) & request.headers.keys()
            assert request.headers["user-agent"] == "Mine/1.0"


async def test_an_empty_user_agent_is_a_wish_everywhere(tmp_path: Path) -> None:
    async with MisbehavingServer() as home, MisbehavingServer() as stranger:
        away = stranger.on("/away", whole)
        url = home.on("/a", redirect(away))
        await fetch(tmp_path, [FileConfig(url=url, headers={"User-Agent": "", "Referer": "x"})])
        (first,), (second,) = home.requests, stranger.requests
        assert (first.headers["user-agent"], second.headers["user-agent"]) == ("", "")
        assert first.headers["referer"] == "x" and "referer" not in second.headers


@pytest.mark.parametrize(
    "referer", ["https://[x/", "http://[::1", "//[", "http://\u2100.com/", "https://a]b/"]
)
async def test_a_referer_that_is_no_url_goes_no_further(tmp_path: Path, referer: str) -> None:
    async with MisbehavingServer() as home, MisbehavingServer() as stranger:
        url = home.on("/a", redirect(stranger.on("/away", whole)))
        config = FileConfig(url=url, headers={"Referer": referer})
        manager, _ = await fetch(tmp_path, [config])
        assert status_of(manager, config) is DownloadStatus.COMPLETED, error_of(manager, config)
        assert "referer" not in stranger.requests[0].headers


async def test_a_mirror_gets_no_secrets(tmp_path: Path) -> None:
    async with MisbehavingServer() as home, MisbehavingServer() as stranger:
        mirror = stranger.on("/a", whole)
        url = home.url("/missing")
        config = FileConfig(url=url, filename="a", mirrors=(mirror,), headers=HEADERS)
        manager, _ = await fetch(tmp_path, [config])
        assert status_of(manager, config) is DownloadStatus.COMPLETED
        assert stranger.requests
        for request in stranger.requests:
            assert not ({name.lower() for name in SECRET} - {"referer"}) & request.headers.keys()
            assert request.headers["referer"] == "http://example.org/"


async def test_a_redirect_to_a_login_of_the_same_origin(tmp_path: Path) -> None:
    """aiohttp refuses a login in the URL beside a header Authorization."""
    async with MisbehavingServer() as server:
        there = server.on("/b", whole).replace("http://", "http://other:login@")
        config = FileConfig(url=server.on("/a", redirect(there)), headers=HEADERS)
        manager, _ = await fetch(tmp_path, [config])
        assert status_of(manager, config) is DownloadStatus.COMPLETED
        assert server.requests_for("/b")[0].headers["authorization"] == "Basic b3RoZXI6bG9naW4="


@pytest.mark.parametrize(
    ("headers", "problem"),
    [
        ({"Range": "bytes=0-"}, "header 'Range' is set by the engine"),
        ({"accept-encoding": "br"}, "set by the engine"),
        ({"Na me": "x"}, "header name 'Na me' is not valid"),
        ({"": "x"}, "header name ''"),
        ({"X": "s3cret\r\nHost: evil"}, "the value of header 'X' contains control characters"),
        ({"X": "s3cret\udc80"}, "the value of header 'X' is not valid Unicode"),
        ({"X": 5}, "the value of header 'X' should be text"),
        ({"Proxy-Authorization": "s3cret"}, "is set by the engine"),
        ("X: y", "should be a mapping or pairs"),
        ([("X",)], "should be a mapping or pairs"),
        (5, "should be a mapping or pairs"),
    ],
)
def test_what_is_refused(headers: object, problem: str) -> None:
    with pytest.raises(ValidationError) as caught:
        FileConfig(url="http://x/", headers=headers)
    message = caught.value.errors()[0]["msg"]
    assert problem in message
    assert "s3cret" not in message


def test_they_are_kept_and_not_shown() -> None:
    config = FileConfig(url="http://x/", headers=HEADERS)
    assert "s3cret" not in repr(config)
    record = DownloadRecord.of(config)
    assert to_record(to_stored(record)).config == config
    assert config.id == FileConfig(url="http://x/").id
    assert hash(config)


@given(st.dictionaries(st.text(), st.text()) | st.lists(st.tuples(st.text(), st.text())))
def test_no_headers_break_a_request(headers: object) -> None:
    try:
        pairs = read_headers(headers)
    except ValueError:
        return
    for name, value in pairs:
        assert not set("\r\n\0") & set(name + value)
        f"{name}: {value}".encode()
