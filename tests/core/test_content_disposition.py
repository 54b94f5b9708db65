"""Content-Disposition (RFC 6266, RFC 8187) as it comes over the wire."""

import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheo_core.domain.filenames import sanitise_filename
from rheo_core.transfer.content_disposition import filename_from_disposition

CASES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "cases" / "content_disposition.json").read_text(encoding="utf-8")
)["cases"]
STRICT = [case for case in CASES if case["class"] == "valid"]
TOLERANT = [case for case in CASES if case["class"] != "valid"]


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("", None),
        ("attachment", None),
        ("attachment; filename=a.txt", "a.txt"),
        ('attachment; filename="a b.txt"', "a b.txt"),
        ('ATTACHMENT; FILENAME="a.txt"', "a.txt"),
        (r'attachment; filename="a \"b\".txt"', "a _b_.txt"),
        ('attachment; filename=";a.txt"', ";a.txt"),
        ("attachment; filename*=UTF-8''%e2%82%ac%20rates.txt", "€ rates.txt"),
        ("attachment; filename*=utf-8'en'a.txt; filename=b.txt", "a.txt"),
        ("attachment; filename=b.txt; filename*=utf-8''a.txt", "a.txt"),
        ("attachment; filename*=iso-8859-1''%a3%20rates.txt", "£ rates.txt"),
        ("attachment; filename*=koi8-r''%c1.txt; filename=b.txt", "а.txt"),
        ("attachment; filename*=windows-1252''caf%E9.png", "café.png"),
        ("attachment; filename*=euc-kr''%b0%a1.txt; filename=b.txt", "가.txt"),
        ("attachment; filename*=hex''00.txt; filename=b.txt", "b.txt"),
        ("attachment; filename*=euc-jp''%ff.txt; filename=b.txt", "b.txt"),
        ("attachment; filename*=utf-8''%ff.txt; filename=b.txt", "b.txt"),
        ("attachment; filename*=a.txt; filename=b.txt", "b.txt"),
        ("attachment; filename*=utf-8''a%.txt; filename=b.txt", "b.txt"),
        ("attachment; filename*=utf-8''\u00e9.txt; filename=b.txt", "b.txt"),
        ("attachment; filename*=iso-8859-1''%c3%a4.txt; filename=b.txt", "\u00c3\u00a4.txt"),
        ("attachment; filename*=iso-8859-1''%e2%82%ac.txt; filename=b.txt", "b.txt"),
        ('attachment; filename="a b.txt', "a b.txt"),
        ("attachment; filename=dir/a.txt", None),
        ("attachment; filename=a&amp;b.txt", "a&b.txt"),
        ("attachment; filename==?utf-8?Q?a?=", "a"),
        ('attachment; filename="=?UTF-8?B?0L7RgtGH0LXRgi5wZGY=?="', "отчет.pdf"),
        ('attachment; filename="=?UTF-8?Q?a=2Fb=5C.part?="', "a_b_.part_"),
        ('attachment; filename="=?utf-8?Q?a?= =?koi8-r?Q?=C1?= b.txt"', "aаb.txt"),
        ('attachment; filename="=?none?Q?a?="', None),
        ('attachment; filename="=?utf-8?B?x?="', None),
        ('attachment; filename="=?utf-8?Q?=FF?="', None),
        ('attachment; filename="%D0%BE%D1%82.pdf"', "от.pdf"),
        ("attachment; filename=%E5%B2%A1.txt", "岡.txt"),
        ('attachment; filename="100%25 %ff%41.txt"', "100% %ff%41.txt"),
        ('attachment; filename="50% off.txt"', "50% off.txt"),
        ('attachment; filename="%D0%BE é.txt"', "%D0%BE é.txt"),
        ('attachment; filename="..%2F..%5Ca%00%0a.part"', "_.._a_ .part_"),
        ('attachment; filename="../../etc/passwd"', "passwd"),
        (r'attachment; filename="C:\\dir\\a.txt"', "a.txt"),
        ('attachment; filename="a%2Fb.txt"', "a_b.txt"),
        ("attachment; filename*=utf-8''..%2fa.txt", "a.txt"),
        ('attachment; filename=".."', None),
        ('attachment; filename=""', None),
        ('attachment; filename="a/"', None),
        ("attachment; filename*=utf-8''a%00%0a%1b%e2%80%aeb.txt", "a_ _b.txt"),
        ('attachment; name="x; filename=b.txt"', None),
        ('attachment; x="; filename=b.txt"; filename=c.txt', "c.txt"),
    ],
)
def test_basics(header: str, name: str | None) -> None:
    assert filename_from_disposition(header) == name


def as_received(header: str) -> str:
    """Header text as the HTTP library hands it on: UTF-8, and what is not as surrogates."""
    return header.encode("latin-1").decode("utf-8", "surrogateescape")


def made_safe(name: str | None) -> str | None:
    return sanitise_filename(name, fallback="") or None if name else None


@pytest.mark.parametrize("case", STRICT, ids=lambda case: case["id"])
def test_valid_headers_of_public_suites(case: dict[str, Any]) -> None:
    name = filename_from_disposition(as_received(case["header_latin1"]))
    accepted = {made_safe(each) for each in (case["strict_rfc6266"], *case["accept_any_of"])}
    assert name in accepted


@pytest.mark.parametrize("case", TOLERANT, ids=lambda case: case["id"])
def test_other_headers_give_a_name_that_some_suite_accepts(case: dict[str, Any]) -> None:
    name = filename_from_disposition(as_received(case["header_latin1"]))
    assert name in {made_safe(each) for each in case["accept_any_of"]}


def assert_safe(name: str | None) -> None:
    if name is None:
        return
    assert name not in ("", ".", "..")
    assert name == sanitise_filename(name)
    assert not set(name) & set("/\\\x00")
    assert not name.startswith(".")
    assert len(f"{name}.part.state.new".encode()) <= 255
    assert not {unicodedata.category(character) for character in name} & {"Cc", "Cf", "Cs"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
@pytest.mark.parametrize("received", [True, False], ids=["utf-8", "latin-1"])
def test_every_header_gives_a_safe_name_or_none(case: dict[str, Any], received: bool) -> None:
    header = case["header_latin1"]
    assert_safe(filename_from_disposition(as_received(header) if received else header))


@given(
    st.text(st.characters())
    | st.text(st.characters()).map(lambda text: f'attachment; filename="{text}"')
    | st.text(st.characters()).map(lambda text: f"attachment; filename*=UTF-8''{text}")
    | st.lists(
        st.sampled_from(["filename", "*", "=", '"', ";", "\\", "'", "utf-8''", "%2f", "/", " "])
        | st.sampled_from(["filename*=", "UTF-8''", "%00", "%ff", "%80%e2", "..", "con", ".txt"])
        | st.sampled_from(["=?utf-8?Q?", "=?utf-7?B?", "?=", "=2F", "=FF", "+AC8-", "a", "%5C"])
    ).map("".join)
)
def test_any_header_gives_a_safe_name_or_none(header: str) -> None:
    assert_safe(filename_from_disposition(header))


@pytest.mark.parametrize(
    "piece",
    [
        *(";", " ", '"', "\\", "filename=", 'filename="', "; filename*=", "%", "';", "=?"),
        *("=?a?Q?b?= ", "=?x?q?a?b"),
    ],
)
def test_a_long_header_is_read_in_no_time(piece: str) -> None:
    """64 KiB is what the HTTP library lets through; quadratic reading would take minutes."""
    text = piece * (65_536 // len(piece))
    for value in ("", '; filename="', "; filename=", "; filename*="):
        assert_safe(filename_from_disposition(f"attachment{value}{text}"))


@pytest.mark.parametrize("charset", ["punycode", "idna", "UTF-8"])
def test_an_encoded_name_that_no_file_can_have_is_not_decoded(charset: str) -> None:
    """Two of these codecs of Python take quadratic time."""
    header = f"attachment; filename=a.txt; filename*={charset}''{{}}"
    assert filename_from_disposition(header.format("b" * 5_000)) == "a.txt"
    assert filename_from_disposition(header.format("b" * 100)) != "a.txt"
