"""FileConfig: what is accepted, ids, destinations."""

import copy
import hashlib
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import HttpUrl, ValidationError

from rheo_core.domain import (
    FileConfig,
    HashAlgorithm,
    HashConfig,
    filenames,
    redaction,
    urls,
)
from rheo_core.domain.filenames import filename_from_url
from rheo_core.domain.hosts import normalise_host_pattern
from rheo_core.domain.text import redact_url
from rheo_core.domain.urls import host_of, normalise_url

URL = "http://example.com/a/file.zip"


@pytest.mark.parametrize(
    ("given_url", "url"),
    [
        (URL, URL),
        (f"  {URL}\n", URL),
        ("HTTP://Example.COM/A%2fb?Q=%20", "http://example.com/A%2fb?Q=%20"),
        ("http://example.com", "http://example.com/"),
        ("https://example.com:443/x", "https://example.com/x"),
        ("http://example.com:80/x", "http://example.com/x"),
        ("http://example.com:443/x", "http://example.com:443/x"),
        ("http://u:p@EXAMPLE.com/x", "http://u:p@example.com/x"),
        ("http://[::1]:8080/x", "http://[::1]:8080/x"),
        ("http://[::1]:80", "http://[::1]/"),
        ("http://[::1]:/x", "http://[::1]/x"),
        ("http://u:p@[FE80::1%25eth0]/x", "http://u:p@[fe80::1%25eth0]/x"),
        ("http://bücher.example/ü", "http://xn--bcher-kva.example/ü"),
        ("https://example.com/x?sig=a+b/c==&k", "https://example.com/x?sig=a+b/c==&k"),
    ],
)
def test_urls(given_url: str, url: str) -> None:
    assert FileConfig(url=given_url).url == url


def test_url_object() -> None:
    assert FileConfig(url=HttpUrl(URL)).url == URL


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("", "empty"),
        ("  ", "empty"),
        ("example.com/x", "no scheme"),
        ("ftp://example.com/x", "scheme 'ftp'"),
        ("file:///etc/passwd", "scheme 'file'"),
        ("javascript:alert(1)", "scheme 'javascript'"),
        ("http://", "no host"),
        ("http:///x", "no host"),
        ("http://example.com/a b", "white space"),
        ("http://example.com/\nHost: x", "white space"),
        ("http://example.com:99999/", "not valid"),
        (r"http://a.example\@b.example/x", "a backslash in its login; write %5C"),
        (r"http://corp\me:c4nary@b.example/x", "a backslash in its login; write %5C"),
        ("http://example.com:x/", "not valid"),
        ("http://[::1/", "not valid"),
        ("http://a<b>/", "host 'a<b>' contains invalid characters"),
        ("http://a\\b.org/", r"host 'a\\\\b.org' contains invalid characters"),
        ("http://127%2e0.0.1/", "host '127%2e0.0.1' contains invalid characters"),
        ("http://[@x]/", "not valid"),
        ("http://a[b@[/[::1]/", "not valid"),
        ("http://a[@b:c]:1/", "not valid"),
        ("http://[::1]x/", "text outside the brackets of its IPv6 address"),
        ("http://[::1]x:80/", "text outside the brackets"),
        ("http://x[::1]/", "text outside the brackets"),
        ("http://[::1].:80/", "text outside the brackets"),
        ("http://me:pw@[::1]x/", "'http://\\[::1\\]x/' is not valid"),
        ("http://[v1.a]/", "not valid"),
        ("http://[example.org]/", "not valid"),
        ("http://a..b/", "host 'a..b' has an empty part"),
        ("http://.a/", "host '.a' has an empty part"),
        ("http://..../", "host '....' has an empty part"),
        ("http://./x", "host '.' has an empty part"),
        ("http://a../x", "host 'a..' has an empty part"),
        ("HTTP://A..B:8080/x", "host 'a..b' has an empty part"),
        ("http://é..b/", "has a part that is empty or has over 63 characters"),
        ("http://a。。b/", "has a part that is empty or has over 63 characters"),
        (f"http://{'é' * 60}.com/", "has a part that is empty or has over 63 characters"),
        (f"http://{'a' * 64}.com/", "is longer than 63 characters"),
        (f"http://com.{'a' * 64}/", "is longer than 63 characters"),
        (f"http://{'.'.join(['a' * 49] * 6)}/", "is longer than 253 characters"),
        ("http://h/a\x7fb", "control characters"),
        ("http://h/?a=\x7f", "control characters"),
        ("http://h/é\x7f", "control characters"),
        ("http://h/a\x9bb", "control characters"),
        ("http://h/#\x7f", "control characters"),
        ("http://u\x7f@h/", "control characters"),
    ],
)
def test_refused_urls(url: str, problem: str) -> None:
    with pytest.raises(ValidationError, match=problem) as caught:
        FileConfig(url=url)
    assert len(caught.value.errors()) == 1


@pytest.mark.parametrize(
    "host",
    ["a.", "a.b.", "_dmarc.a", "a-.b", f"{'a' * 63}.com", ".".join(["a" * 49] * 5), "1.a"],
)
def test_hosts_that_can_be(host: str) -> None:
    assert FileConfig(url=f"http://{host}/x").url == f"http://{host}/x"


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.1", "127.0.0.1"), ("2130706433", "127.0.0.1"), ("127.0.0.1.", "127.0.0.1"),
        ("0177.0.0.1", "127.0.0.1"), ("0x7f.1", "127.0.0.1"), ("1.2.3.4:8080", "1.2.3.4:8080"),
        ("1.2.3.04", "1.2.3.4"),
    ],
)  # fmt: skip
def test_addresses_in_an_odd_notation(host: str, address: str) -> None:
    assert FileConfig(url=f"http://{host}/x").url == f"http://{address}/x"


@pytest.mark.parametrize("host", ["1.2.3.4.5", "256.1.1.1", "a.1", "1.2.3.4.5:80", "0x"])
def test_hosts_that_end_in_a_number_are_addresses(host: str) -> None:
    with pytest.raises(ValidationError, match="ends in a number, but is not an IPv4 address"):
        FileConfig(url=f"http://{host}/x")


@pytest.mark.parametrize(
    "fields", [{"uri": "x"}, {"request": {"insecure": True}}, {"filname": "x"}, {"on_complete": ()}]
)
def test_an_unknown_field_is_a_mistake(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        FileConfig(url=URL, **fields)


def test_a_dump_makes_the_same_again() -> None:
    config = FileConfig(url=URL, filename="x", mirrors=("http://m/",), headers={"A": "b"})
    assert FileConfig(**config.model_dump()) == config
    assert FileConfig.model_validate_json(config.model_dump_json()) == config


def test_mirrors_are_bounded() -> None:
    mirrors = tuple(f"http://m{number}/" for number in range(65))
    assert len(FileConfig(url=URL, mirrors=mirrors[:16]).mirrors) == 16
    with pytest.raises(ValidationError, match="there are 65 mirrors; at most 16 are allowed"):
        FileConfig(url=URL, mirrors=mirrors)
    with pytest.raises(ValidationError, match="remove the extra dot"):
        FileConfig(url=URL, mirrors=("http://a..b/",))


PLAIN = st.from_regex(
    r"https?://[A-Za-z0-9._@-]{1,8}(:[0-9]{0,5})?(/[!-~]{0,8}){0,3}([?#][!-~]{0,8})?",
    fullmatch=True,
)


@given(PLAIN)
@example("http://example.com:65536/")
@example("http://example.com:8080/a?b#c")
@example("http://example.com/a?")
@example("http://example.com/http://me:secret@other.example/")
def test_the_short_way_of_plain_urls_leads_to_the_same(url: str) -> None:
    """Lists are long, so most URLs are let through by a look; it must not change any."""

    def all_of(url: str) -> tuple[str, ...]:
        try:
            normal = normalise_url(url)
        except ValueError as error:
            return (str(error), filename_from_url(url), redact_url(url))
        return (normal, filename_from_url(url), redact_url(url), host_of(normal))

    short = all_of(url)
    with pytest.MonkeyPatch.context() as patch:
        never = re.compile(r"(?!)")
        patch.setattr(urls, "_NORMAL", never)
        patch.setattr(urls, "_ORIGIN", never)
        patch.setattr(filenames, "_PLAIN_URL", never)
        patch.setattr(redaction, "_PLAIN_ADDRESS", never)
        assert all_of(url) == short


@pytest.mark.parametrize(
    ("host", "ascii"),
    [
        ("bücher.de", "xn--bcher-kva.de"),
        ("faß.de", "xn--fa-hia.de"),  # as browsers: fass.de is another site
        ("☃.net", "xn--n3h.net"),
        ("BÜCHER。de", "xn--bcher-kva.de"),
        ("１２７.0.0.1", "127.0.0.1"),
    ],
)
def test_names_of_hosts_are_those_that_browsers_ask_for(host: str, ascii: str) -> None:
    assert normalise_url(f"http://{host}/") == f"http://{ascii}/"
    assert normalise_host_pattern(host) == ascii
    assert normalise_host_pattern(f"*.{host}") == f"*.{ascii}"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://me:c4nary/w@host/x", "'https://***@host/x' is not valid"),
        ("https://me:c4nary#w@host/x", "'https://***@host/x' is not valid"),
        ("https://me:c4n ary@host/x", "'https://***@host/x' contains white space"),
        ("https://me:c4nary@host:x/", "'https://host:x/' is not valid"),
        ("https://me:c4nary@ex℀mple.com/", "'https://ex℀mple.com/' is not valid"),
        ("me:c4nary@host/x", "'***@host/x' has scheme"),
        ("https://host/a.zip me c4nary", "'https://host/a.zip…' contains white space"),
        ("https://host/a.zip\tpassword=c4nary", "'https://host/a.zip…' contains white space"),
        ("https://me:c4nary", "'https://me:***' is not valid: its port is not a number"),
        ("https://me:c4nary/x", "'https://me:***/x' is not valid: its port is not a number"),
        ("https://[me:c4nary]/x", "'https://[***]/x' is not valid: brackets are for IPv6"),
        ("https://[c4nary", "'https://[***' is not valid: brackets are for IPv6"),
        (f"ftp://me:c4nary{'x' * 300}@host/x", "'ftp://host/x' has scheme"),
    ],
)
def test_a_refused_url_is_named_without_its_login(url: str, shown: str) -> None:
    with pytest.raises(ValidationError) as caught:
        FileConfig(url=url)
    assert shown in caught.value.errors()[0]["msg"]
    assert "c4n" not in str(caught.value) and "ary" not in caught.value.errors()[0]["msg"]


def test_refused_url_is_named_in_printable_text() -> None:
    with pytest.raises(ValidationError) as caught:
        FileConfig(url="gopher://x/\u202e\u200b")
    message = caught.value.errors()[0]["msg"]
    assert message.isprintable()


@given(st.text(st.characters(), max_size=60))
@example("´")  # a space and an accent to IDNA
def test_any_text_as_url_is_accepted_or_refused_in_words(text: str) -> None:
    try:
        config = FileConfig(url=f"http://{text}")
    except ValidationError:
        return
    again = FileConfig(url=config.url)
    assert (again.url, again.id) == (config.url, config.id)
    assert config.get_destination_filename()


@pytest.mark.parametrize(
    "fields",
    [
        {"priority": 0},
        {"priority": -1},
        {"size_bytes": -1},
        {"start_at": -1},
        {"start_at": 1e18},
        {"start_at": 253_402_300_800},
        {"timeout": 0},
        {"timeout": -1},
        {"file_exists_strategy": "perhaps"},
    ],
)
def test_refused_values(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        FileConfig(url=URL, **fields)


@pytest.mark.parametrize(
    "subdir",
    ["", " ", ".", "..", "../a", "a/../b", "a/..", "/a", "//a", "\\a", "a\\..\\b", "C:\\a", "C:a"],
)
def test_refused_subdirs(subdir: str) -> None:
    with pytest.raises(ValidationError, match="destination_subdir"):
        FileConfig(url=URL, destination_subdir=subdir)


def test_nul_in_subdir() -> None:
    with pytest.raises(ValidationError, match="NUL"):
        FileConfig(url=URL, destination_subdir="a\x00b")


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_any_accepted_subdir_stays_below_the_folder(subdir: str) -> None:
    try:
        config = FileConfig(url=URL, destination_subdir=subdir)
    except ValidationError:
        return
    base = Path("/base")
    path = config.get_destination_path(base)
    assert path.is_relative_to(base)
    assert ".." not in path.parts


def test_destination() -> None:
    base = Path("/base")
    assert FileConfig(url=URL).get_destination_path(base) == base / "file.zip"
    named = FileConfig(url=URL, filename="../x y.bin", destination_subdir="a/b")
    assert named.get_destination_filename() == "_x y.bin"
    assert named.get_destination_path(base) == base / "a" / "b" / "_x y.bin"


def test_a_download_folder_of_its_own() -> None:
    base, own = Path("/base"), Path("/own")
    config = FileConfig(url=URL, download_dir=own)
    assert config.get_destination_path(base) == own / "file.zip"
    below = FileConfig(url=URL, download_dir=own, destination_subdir="a")
    assert below.get_destination_path(base) == own / "a" / "file.zip"
    assert (config.has_folder, below.has_folder, FileConfig(url=URL).has_folder) == (
        True,
        True,
        False,
    )
    assert FileConfig.model_validate_json(below.model_dump_json()) == below


@pytest.mark.parametrize("folder", ["", "own", "~/own", "../own", "/own\x00", "/own\udc80"])
def test_refused_download_folders(folder: str) -> None:
    with pytest.raises(ValidationError, match="download_dir"):
        FileConfig(url=URL, download_dir=Path(folder))


def test_frozen() -> None:
    config = FileConfig(url=URL)
    with pytest.raises(ValidationError, match="frozen"):
        config.priority = 2  # type: ignore[misc]


def test_id_is_stable() -> None:
    expected = hashlib.sha256(f"{URL}::file.zip".encode()).hexdigest()[:16]
    assert FileConfig(url=URL).id == expected == "6c4e4fb5ce275a2e"


def test_id_tells_place_from_place() -> None:
    configs = [
        FileConfig(url=URL),
        FileConfig(url=f"{URL}?x"),
        FileConfig(url=URL, filename="other.zip"),
        FileConfig(url=URL, destination_subdir="sub"),
        FileConfig(url=URL, download_dir=Path("/sub")),
        FileConfig(url=URL, download_dir=Path("/"), destination_subdir="sub2"),
    ]
    assert len({config.id for config in configs}) == len(configs)


def test_id_goes_by_url_and_place_only() -> None:
    checksum = HashConfig(algorithm=HashAlgorithm.MD5, expected_hash="0" * 32)
    same = FileConfig(url=URL, filename="file.zip", priority=9, hash_config=checksum, timeout=1)
    assert same.id == FileConfig(url=URL).id
    assert FileConfig(url="HTTP://EXAMPLE.com:80/a/file.zip").id == same.id


def test_id_of_a_changed_copy_is_its_own() -> None:
    config = FileConfig(url=URL)
    first = config.id
    copy = config.model_copy(update={"filename": "other.zip"})
    assert copy.id == FileConfig(url=URL, filename="other.zip").id != first


def test_equality_does_not_depend_on_who_asked_for_the_id() -> None:
    asked, fresh = FileConfig(url=URL), FileConfig(url=URL)
    assert asked.id
    assert asked == fresh
    assert hash(asked) == hash(fresh)


def test_json_and_back() -> None:
    config = FileConfig(url=URL, filename="x", destination_subdir="a", priority=3)
    assert FileConfig.model_validate_json(config.model_dump_json()) == config


def test_a_value_in_little_memory_is_one_as_pydantic_makes_them() -> None:
    fields = {"url": URL, "filename": "x", "priority": 3}
    config = FileConfig(**fields)
    assert config.id
    for same in (
        FileConfig(**fields),
        FileConfig.model_validate(config.model_dump(exclude={"id"})),
        config.model_copy(),
        config.model_copy(deep=True),
        copy.copy(config),
        copy.deepcopy(config),
        pickle.loads(pickle.dumps(config)),
    ):
        assert same == config
        assert hash(same) == hash(config)
        assert same.model_dump() == config.model_dump()
    assert list(config.model_dump()) == [*FileConfig.model_fields, "id"]
    assert config.model_dump(exclude_unset=True, exclude={"id"}) == fields
    assert config.model_dump(exclude_defaults=True, exclude={"id"}) == fields
    assert "description=None" in repr(config)


@pytest.mark.parametrize("shown", [repr, str, "{}".format, "{!r}".format])
@pytest.mark.parametrize("field", ["url", "fetch_url", "mirrors"])
@pytest.mark.parametrize(
    "url", ["http://me:kQ7zYx9Lw2Vb8@example.com/a", "http://example.com/a?token=kQ7zYx9Lw2Vb8"]
)
def test_its_repr_has_no_secret(shown: Callable[[object], str], field: str, url: str) -> None:
    config = FileConfig(**{"url": URL, field: [url, URL] if field == "mirrors" else url})
    assert "kQ7z" not in shown(config)
    assert "example.com/a" in shown(config) and URL in repr(FileConfig(url=URL))
    assert "kQ7z" in config.model_dump_json()


def test_a_changed_copy_leaves_the_field_sets_of_others() -> None:
    first, second = FileConfig(url=URL), FileConfig(url=f"{URL}2")
    changed = first.model_copy(update={"priority": 2})
    assert changed.model_fields_set == {"url", "priority"}
    assert first.model_fields_set == second.model_fields_set == {"url"}
