"""References are resolved as browsers do; expected values are those of the WHATWG URL standard."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheo_core.domain.references import resolve

BASE = "http://a.example/dir/f?q"


@pytest.mark.parametrize(
    ("reference", "url"),
    [
        ("http:\\\\b.example\\x\\y", "http://b.example/x/y"),
        ("\\\\b.example\\x", "http://b.example/x"),
        ("/\\b.example/x", "http://b.example/x"),
        ("\\/b.example/x", "http://b.example/x"),
        ("///b.example/x", "http://b.example/x"),
        ("////b.example/x", "http://b.example/x"),
        ("http:/\\b.example/x", "http://b.example/x"),
        ("HTTP:\\\\b.example", "http://b.example"),
        ("https:\\\\b.example\\x", "https://b.example/x"),
        ("https:b.example/x", "https://b.example/x"),
        ("https:/b.example/x", "https://b.example/x"),
        ("http:///b.example/x", "http://b.example/x"),
        ("http://b.example\\@c.example/x", "http://b.example/@c.example/x"),
        ("http://b.example:80\\x", "http://b.example:80/x"),
        ("\thttp:/\t/b.example/x ", "http://b.example/x"),
        ("ht\ntp:\\\\b.example/x", "http://b.example/x"),
        ("\x01//b.example/x", "http://b.example/x"),
        ("http:x", "http://a.example/dir/x"),
        ("http:/x", "http://a.example/x"),
        ("http:\\x", "http://a.example/x"),
        ("\\x\\y", "http://a.example/x/y"),
        ("x\\y", "http://a.example/dir/x/y"),
        ("..\\x", "http://a.example/x"),
        ("x?a=\\b", "http://a.example/dir/x?a=\\b"),
        ("?\\\\b.example", "http://a.example/dir/f?\\\\b.example"),
        ("x#\\b", "http://a.example/dir/x#\\b"),
        ("", BASE),
        ("mailto:a\\b", "mailto:a\\b"),
        ("ftp:\\\\b.example", "ftp:\\\\b.example"),
    ],
)
def test_what_a_reference_leads_to(reference: str, url: str) -> None:
    assert resolve(BASE, reference) == url


@pytest.mark.parametrize("reference", ["https://b.example/x", "//b.example/x"])
def test_without_a_base(reference: str) -> None:
    assert resolve("", reference) == reference


@given(st.text(), st.sampled_from(["", BASE]))
def test_any_text_is_resolved_or_refused(text: str, base: str) -> None:
    with suppress(ValueError):
        assert isinstance(resolve(base, text), str)
