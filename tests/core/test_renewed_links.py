"""A link that replaces that of a download: its route, whom it trusts and its checksum stay."""

from pathlib import Path
from typing import Any

import pytest

from rheo_core import DownloadManager, FileConfig
from rheo_core.domain.downloads import DownloadStatus
from rheo_core.domain.hash_validation import HashConfig
from rheo_core.domain.request_options import NO_OPTIONS, REVEAL, RequestOptions
from rheo_core.inputs import ReadOptions, read_entries
from tests.core.engine import Journal, error_of, serving, status_of
from tests.servers.misbehaving import MisbehavingServer
from tests.servers.scenarios import answer

URL, NEW = "https://h/f.iso?X-Amz-Signature=1", "https://h/f.iso?X-Amz-Signature=2"
GOOD, EVIL, WEAK, STRONG = "a" * 64, "e" * 64, "1" * 32, "c" * 128
ROUTE: dict[str, Any] = {
    "proxy": "socks5h://127.0.0.1:9050",
    "interface": "eth0",
    "ip_version": 6,
    "ca_file": "/ca.pem",
    "client_cert": "/cert.pem",
    "client_key": "/key.pem",
    "allow_downgrade": False,
    "auth": "digest",
    "user": "me:secret",
    "netrc": False,
    "user_agent": "Me/1",
}


def pasted(text: str, *, allowed: bool = False) -> FileConfig:
    (entry,) = read_entries([text], (), ReadOptions(list_options=allowed))
    assert entry.config is not None, entry.problem
    return entry.config


def shown(options: RequestOptions) -> dict[str, Any]:
    return options.model_dump(mode="json", context=REVEAL, exclude_none=True)


@pytest.mark.parametrize("name", ROUTE)
@pytest.mark.parametrize(
    "link",
    [
        NEW,
        f"curl '{NEW}' -H 'X: y'",
        f"curl '{NEW}' -b a=1 -A Other/2",
        f"wget '{NEW}' --header 'X: y'",
        f"aria2c '{NEW}' --header 'X: y'",
        f'{{"url": "{NEW}", "headers": {{"X": "y"}}}}',
        "https://other/f.iso",
        "curl https://other/f.iso -H 'X: y'",
    ],
)
def test_an_option_without_a_successor_stays(name: str, link: str) -> None:
    config = FileConfig(url=URL, request={name: ROUTE[name]}, list_options=(name,))
    renewed = config.renewed_by(pasted(link))
    assert renewed.source == pasted(link).url
    assert renewed.id == config.id
    assert shown(renewed.request)[name] == shown(config.request)[name]
    assert renewed.list_options == (name,)


@pytest.mark.parametrize("allowed", [True, False])
def test_a_route_is_replaced_only_if_the_user_allowed_it(allowed: bool) -> None:
    config = FileConfig(
        url=URL,
        headers={"X-Key": "secret", "Accept": "a/b"},
        request={"proxy": "http://mine:1", "user": "me:secret", "ip_version": 4},
        list_options=("ip_version",),
    )
    renewed = config.renewed_by(pasted(f"curl -x http://other:1 '{NEW}'", allowed=allowed))
    own = renewed.request
    if allowed:  # and no secret of the download takes a route that the paste chose
        assert own.proxy_url == "http://other:1" and own.user is None and own.ip_version == 4
        assert renewed.headers == (("Accept", "a/b"),)
        assert renewed.list_options == ("ip_version", "proxy")
    else:
        assert own.proxy_url == "http://mine:1" and own.user is not None
        assert renewed.list_options == ("ip_version",)


def test_headers_of_a_link_replace_those_of_the_same_name() -> None:
    old = {"Cookie": "old", "Authorization": "Basic old", "X-Other": "1"}
    renewed = FileConfig(url=URL, headers=old).renewed_by(pasted(f"curl '{NEW}' -H 'cookie: new'"))
    assert dict(renewed.headers) == {
        "Authorization": "Basic old",
        "X-Other": "1",
        "cookie": "new",
    }
    login = pasted(f'{{"url": "{NEW}", "request": {{"user": "a:b"}}}}')
    renewed = FileConfig(url=URL, headers=old).renewed_by(login)
    assert "Authorization" not in dict(renewed.headers)
    assert shown(renewed.request)["user"] == "a:b"


def test_the_login_in_a_link_does_not_change_how_that_of_the_download_is_sent() -> None:
    config = FileConfig(url=URL, request={"user": "me:secret", "auth": "digest"})
    for link in ("wget https://a:b@h/f.iso", "curl --anyauth https://a:b@h/f.iso"):
        assert shown(pasted(link).request)["auth"] == "any"
        assert config.renewed_by(pasted(link)).request.auth == "digest"
        assert FileConfig(url=URL).renewed_by(pasted(link)).request.auth == "any"
    own = pasted(f"wget --user=a --password=b '{NEW}'")
    for before, auth in ((config, "digest"), (FileConfig(url=URL), "any")):
        renewed = shown(before.renewed_by(own).request)
        assert (renewed["user"], renewed["auth"]) == ("a:b", auth)


@pytest.mark.parametrize("name", ["proxy", "ca_file", "interface", "allow_downgrade"])
def test_no_login_in_a_link_is_sent_by_a_route_that_a_list_chose(name: str) -> None:
    own = FileConfig(url="https://x:y@h/f.iso", request={name: ROUTE[name]})
    config = own.model_copy(update={"list_options": (name,)})
    link = NEW.replace("h/", "me:secret@h/")
    for change in (config.with_link, lambda url: config.renewed_by(FileConfig(url=url))):
        with pytest.raises(ValueError, match="is not sent by a route that a list chose"):
            change(link)
        assert change(NEW).source == NEW
        assert change(NEW.replace("h/", "x:y@h/")).fetch_url  # the login of the list
    assert own.with_link(link).source == link
    theirs = FileConfig(url=link, request={name: ROUTE[name]}, list_options=(name,))
    assert config.renewed_by(theirs).source == link


def test_secrets_of_a_link_to_another_origin_are_left_out() -> None:
    link = FileConfig(
        url="https://other/f.iso",
        headers={"Cookie": "s=1"},
        request={"user": "a:b", "proxy": "http://p:1", "cookies": "/c.txt"},
    )
    renewed = FileConfig(url=URL).renewed_by(link)
    assert renewed.headers == ()
    assert renewed.request == RequestOptions(proxy="http://p:1")
    assert FileConfig(url=URL).renewed_by(FileConfig(url=NEW)).request == NO_OPTIONS


def checksum(digest: str) -> dict[str, str]:
    name = {32: "md5", 64: "sha256", 128: "sha512"}[len(digest)]
    return {"algorithm": name, "expected_hash": digest}


@pytest.mark.parametrize(
    ("before", "after", "counts"),
    [
        (None, GOOD, GOOD),
        (GOOD, None, GOOD),
        (GOOD, GOOD, GOOD),
        (GOOD, WEAK, GOOD),
        (WEAK, GOOD, WEAK),
        (GOOD, STRONG, GOOD),
        (None, None, None),
    ],
)
@pytest.mark.parametrize("in_fragment", [True, False])
def test_a_checksum_replaces_none_that_the_download_has(
    before: str | None, after: str | None, counts: str | None, in_fragment: bool
) -> None:
    config = FileConfig(url=URL, hash_config=checksum(before) if before else None)
    if in_fragment and after:
        kind = checksum(after)["algorithm"]
        url = f"{NEW}#{kind}={after}"
        ways = [config.with_link(url), config.renewed_by(FileConfig(url=url))]
    else:
        link = FileConfig(url=NEW, hash_config=checksum(after) if after else None)
        ways = [config.renewed_by(link)]
    expected = HashConfig.model_validate(checksum(counts)) if counts else None
    assert [each.hash_config for each in ways] == [expected] * len(ways)


@pytest.mark.parametrize("origin", ["https://h", "https://evil"])
def test_checksums_that_differ_are_an_error(origin: str) -> None:
    config = FileConfig(url=URL, hash_config=checksum(GOOD))
    link = FileConfig(url=f"{origin}/f.iso", hash_config=checksum(EVIL))
    with pytest.raises(ValueError, match="two sha256 hashes of the file differ"):
        config.renewed_by(link)
    with pytest.raises(ValueError, match="two sha256 hashes of the file differ"):
        config.with_link(f"{origin}/f.iso#sha256={EVIL}")


def test_the_own_link_of_a_download_brings_no_checksum_back() -> None:
    """The user may have corrected the checksum in it."""
    config = FileConfig(url=f"{URL}#sha256={EVIL}").model_copy(
        update={"hash_config": HashConfig.model_validate(checksum(GOOD))}
    )
    back = config.with_link(NEW).with_link(config.url)
    assert (back.fetch_url, back.hash_config) == (None, config.hash_config)


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("ftp://h/f", "scheme 'ftp'"),
        (f"{NEW}#sha256=12", "sha256 hash has 2 characters instead of 64"),
        (f"{NEW}#md5={'x' * 32}", "is not hexadecimal"),
    ],
)
def test_a_link_with_a_mistake_is_named_in_one_sentence(url: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as caught:
        FileConfig(url=URL).with_link(url)
    assert "\n" not in str(caught.value)


async def test_a_replaced_link_changes_neither_proxy_nor_checksum(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    """Only the proxy is asked, and data that do not match the first checksum stay out."""
    proxy = server.url("").rstrip("/")
    server.on("http://h.invalid/f?sig=1", answer("403 Forbidden"))
    server.on("http://h.invalid/f?sig=2", serving(b"EVIL"))
    config = FileConfig(
        url="http://h.invalid/f?sig=1", request={"proxy": proxy}, hash_config=checksum(GOOD)
    )
    async with DownloadManager(download_dir=tmp_path) as manager:
        journal = Journal(manager)
        await manager.add([config])
        await manager.wait_until_complete(timeout=60)
        link = pasted("curl 'http://h.invalid/f?sig=2' -H 'X: y'")
        await manager.edit(config.id, config.renewed_by(link))
        await manager.wait_until_complete(timeout=60)
        assert "wrong SHA-256" in error_of(manager, config)
        assert server.requests[-1].headers["x"] == "y"
        asked = journal.names()
        with pytest.raises(ValueError, match="two sha256 hashes of the file differ"):
            await manager.replace_url(config.id, f"http://h.invalid/f?sig=3#sha256={EVIL}")
        assert status_of(manager, config) is DownloadStatus.FAILED
        assert journal.names() == asked
    assert not (tmp_path / "f").exists()
