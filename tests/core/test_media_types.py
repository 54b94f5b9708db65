"""When a web page came in the place of a file."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheo_core.domain.file_extensions import is_file_name
from rheo_core.domain.filenames import names_in_url
from rheo_core.domain.media_types import (
    begins_page,
    is_message,
    is_page,
    is_page_instead,
    media_type,
)


@pytest.mark.parametrize(
    ("header", "type"),
    [
        ("text/html", "text/html"),
        (" Text/HTML ; charset=utf-8", "text/html"),
        ("text/html;charset=utf-8", "text/html"),
        ("text/html, text/html", "text/html"),
        ("application/xhtml+xml", "application/xhtml+xml"),
        ("application/octet-stream, text/html", "text/html"),
        ("text/html; charset=utf-8, application/octet-stream", "application/octet-stream"),
        ("text/html, ", "text/html"),
        ("text/html, x", "text/html"),
        ('text/html; a="b, image/png"', "text/html"),
        ('"text/html"', "text/html"),
        ('"text/html"; charset=utf-8', "text/html"),
        ('"text/html', None),
        ("application/vnd.ms-excel", "application/vnd.ms-excel"),
        ("", None),
        (None, None),
        ("html", None),
        ("text/", None),
        ("text / html", None),
        ("text/html charset=utf-8", "text/html"),
        ("text/html(a comment)", "text/html"),
        ("text/html:", None),
        ("text/h\udc80ml", None),
        (f"text/{'x' * 200}", None),
    ],
)
def test_media_types(header: str | None, type: str | None) -> None:
    assert media_type(header) == type


@given(st.text())
def test_a_media_type_fits_into_a_state(header: str) -> None:
    told = media_type(header)
    assert told is None or (told.isascii() and told.isprintable() and len(told) < 256)


@pytest.mark.parametrize(
    ("url", "names"),
    [
        ("http://example.zip", [""]),
        ("http://example.zip/", [""]),
        ("http://example.zip/download", ["download"]),
        ("http://h/a/b.zip", ["b.zip"]),
        ("http://h/a%2Fb.zip?c.iso#d.iso", ["b.zip", "c.iso"]),
        ("http://h/a%5Cb.zip", ["b.zip"]),
        ("http://h/b.zip;v=1", ["b.zip"]),
        ("http://h/b.zip/", ["", "b.zip"]),
        ("http://h/b.zip;v=1/Download/", ["", "b.zip"]),
        ("http://h/b.zip/view", ["view"]),
        ("http://h/%FF.zip", ["\ufffd.zip"]),
        ("http://h/get.php?file=a+b.zip&&n=1", ["get.php", "a b.zip", "1"]),
        ("http://h/get?path=%2Fpub%2Fa.zip;v=1", ["get", "a.zip"]),
        ("http://h/get?url=a.zip&Q=a.zip&f=https://h/a.zip", ["get"]),
        ("http://h/viewer.html?file=a.pdf", ["viewer.html"]),
    ],
)
def test_names_in_links(url: str, names: list[str]) -> None:
    assert list(names_in_url(url)) == names


@pytest.mark.parametrize(
    "data",
    [
        b"<!DOCTYPE html>",
        b"<html",
        b"\xef\xbb\xbf\r\n <HTML lang=en>",
        b"<!-- a comment --><html>",
        b"<title>Sign in</title>",
        b"<script>",
    ],
)
def test_beginnings_of_pages(data: bytes) -> None:
    assert begins_page(data)


@pytest.mark.parametrize(
    "data", [b"", b"PK\x03\x04<html>", b"<svg>", b"<?xml version='1.0'?>", b"<htmlx>", b"\0<html>"]
)
def test_other_beginnings(data: bytes) -> None:
    assert not begins_page(data)


@pytest.mark.parametrize("name", ["a.zip", "a.ZIP ", "a.tar.xz", "a.zip.001", ".zip", "a.zip..."])
def test_names_of_files(name: str) -> None:
    assert is_file_name(name) == (name != ".zip")


@pytest.mark.parametrize(
    "name",
    ["", "zip", "a", "a.html", "a.txt", "a.001", "1.2.3", "a.zip.sig", "a.html.gz", "A.XHTML.BZ2"],
)
def test_other_names(name: str) -> None:
    assert not is_file_name(name)


def test_pages_and_messages() -> None:
    assert is_page("text/html") and is_message("text/html")
    assert not is_page("application/json") and is_message("application/json")
    assert is_message("application/problem+json") and is_message("application/vnd.api+json")
    assert is_message("application/soap+xml") and not is_message("application/epub+zip")
    assert is_message("text/plain") and not is_message("image/svg+xml")
    assert not is_message("application/zip") and not is_message(None) and not is_page(None)


@pytest.mark.parametrize(
    ("came", "recorded", "name", "is_there", "is_instead"),
    [
        ("text/html", "application/zip", "a", False, True),
        ("text/html", "application/xhtml+xml", "a.zip", True, False),
        ("text/html", None, "a.zip", False, True),
        ("text/html", None, "a", False, False),
        ("text/html", None, "a", True, True),
        ("text/html", None, "a.html", True, False),
        ("application/json", "application/zip", "a", True, True),
        ("application/json", "application/zip", "a", False, False),
        ("application/json", "text/plain", "a", True, False),
        ("application/json", None, "a.zip", True, True),
        ("application/json", None, "a.zip", False, False),
        ("application/json", None, "a.json", True, False),
        ("application/json", None, "a", True, False),
        ("application/x-ndjson", "application/zip", "a", True, True),
        ("application/javascript", "video/mp4", "a", True, True),
        ("application/x-ndjson", "application/json", "a", True, False),
        ("image/gif", "application/zip", "a", True, True),
        ("image/gif", "application/zip", "a", False, False),
        ("image/gif", "image/png", "a", True, False),
        ("image/gif", "application/octet-stream", "a", True, False),
        ("video/ogg", "audio/ogg", "a", True, False),
        ("application/octet-stream", "image/png", "a", True, False),
        ("application/gzip", "application/zip", "a", True, False),
        (None, "application/zip", "a.zip", True, False),
    ],
)
def test_what_comes_instead(
    came: str | None, recorded: str | None, name: str, is_there: bool, is_instead: bool
) -> None:
    assert is_page_instead(came, recorded, [name], bytes_are_there=is_there) is is_instead
