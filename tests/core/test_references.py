"""References are resolved as browsers do; expected values are those of the WHATWG URL standard."""

from contextlib import suppress
from traceback import format_exception

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


@pytest.mark.parametrize(
    ("reference", "shown"),
    [
        ("http://me:c4nary9pw@ex℀mple.org/", "http://ex℀mple.org/"),
        ("//me:c4nary9pw@℀/", "//℀/"),
        ("\\\\me:c4nary9pw@℀", "//℀"),
        ("ftp://me:c4nary9pw@℀/", "ftp://℀/"),
        ("http://[me:c4nary9pw@h]/", "http://h]/"),
        ("http://me:c4nary9pw@[::1/", "http://[::1/"),
        ("http://me:c4nary9pw[@h/", "http://h/"),
        ("http://?token=c4nary9pw", "http://?token=***"),
    ],
)
def test_a_refusal_contains_no_secret(reference: str, shown: str) -> None:
    with pytest.raises(ValueError, match=r"URL .* (is not valid|has no host)$") as caught:
        resolve(BASE, reference)
    assert shown in str(caught.value)
    assert "c4nary" not in "".join(format_exception(caught.value))


def test_a_refusal_is_short() -> None:
    with pytest.raises(ValueError, match="not valid") as caught:
        resolve(BASE, f"http://[{'a' * 50_000}/")
    assert len(str(caught.value)) < 300


@given(st.text(), st.sampled_from(["", BASE]))
def test_any_text_is_resolved_or_refused(text: str, base: str) -> None:
    with suppress(ValueError):
        assert isinstance(resolve(base, text), str)
