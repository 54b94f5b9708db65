"""Secrets in URLs are known by their shapes, and ordinary URLs stay as they are."""

import asyncio
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheo_core import DownloadManager, FileConfig
from rheo_core.domain import redaction
from rheo_core.domain.redaction import is_redacted, without_login
from rheo_core.domain.text import redact, redact_unreadable, redact_url
from rheo_core.downloads import CompletionHooks
from tests.core.engine import Journal, serving
from tests.core.secret_urls import IN_PATHS, NAMES, ORDINARY, SHAPES, WORDY
from tests.servers.misbehaving import MisbehavingServer

FORMS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "quoted": lambda text: quote(text, safe=""),
    "encoded": lambda text: "".join(f"%{ord(character):02X}" for character in text),
    "encoded twice": lambda text: "".join(f"%25{ord(character):02x}" for character in text),
}
PLACES = (
    "https://x.example/f.iso?{}",
    "https://x.example/f.iso?page=1&{}&page=2",
    "https://x.example/f.iso?page=1;{};page=2",
    "https://x.example/f.iso?token=a&{0}&{0}",
    "https://x.example/f.iso#{}",
    "https://x.example/f.iso?page=1#page=2&{}",
    "https://x.example/a;{}/f.iso",
    "https://x.example/{}/f.iso",
    "see 'https://x.example/f.iso?{}', please",
    "/f.iso?{}",
    "https://x.example/?url=http://y.example/?{}",
)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.halved("form", "place")
def test_no_parameter_of_an_unknown_name_shows_its_value(place: str, form: str) -> None:
    for name in NAMES:
        for secret in SHAPES:
            if "#" in place and name == "md5":
                continue  # a checksum of the file, as on PyPI
            value = FORMS[form](secret)
            shown = redact(place.format(f"{name}={value}"))
            assert secret not in shown and value not in shown, (name, shown)


@pytest.mark.parametrize("name", ["id", "file", "v", "q", "path", "title", "lang"])
def test_a_harmless_name_shows_no_value_that_looks_like_a_secret(name: str) -> None:
    for secret in SHAPES[2:]:
        for form in FORMS.values():
            assert form(secret) not in redact(f"https://x.example/f?{name}={form(secret)}")
            assert form(secret) not in redact(f"https://x.example/f?{name}=a-{form(secret)}&b=1")


@pytest.mark.parametrize(
    "inner",
    [
        "http://y.example/?token=c4nary7x",
        "http://me:c4nary7x@y.example/",
        "http://y.example/d/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.c2ln/c4nary7x",
        "attachment; token=c4nary7x",
        "a&token=c4nary7x",
    ],
)
@pytest.mark.parametrize("name", ["url", "u", "next", "file", "response-content-disposition"])
def test_a_secret_inside_of_a_value_hides_it(inner: str, name: str) -> None:
    for times in range(1, 6):
        value = inner
        for _ in range(times):
            value = quote(value, safe="")
        shown = redact(f"https://x.example/f?{name}={value}&page=2")
        assert shown == f"https://x.example/f?{name}=***&page=2"


@pytest.mark.parametrize("url", IN_PATHS)
def test_a_token_in_a_path_is_hidden(url: str) -> None:
    shown = redact(url)
    assert "***" in shown and is_redacted(shown)
    assert shown.startswith(url[: url.index("/", 8) + 1])
    name = url.rpartition("/")[2]
    if "." in name and "%" not in name:
        assert shown.endswith(f"/{name}")


@pytest.mark.parametrize("url", ORDINARY)
def test_an_ordinary_url_is_shown_as_it_is(url: str) -> None:
    assert redact_url(url) == url
    assert redact(f"GET {url}: 404 Not Found") == f"GET {url}: 404 Not Found"
    assert not is_redacted(url)


@pytest.mark.parametrize(
    "text",
    [
        "@EXPLICIT",
        "# platform: linux-64",
        "a.iso # latest",
        "http://x.example/a.iso # latest",
        "write to john.doe@example.org",
        "Mail: me@example.org",
        "the title is: what; why; how?",
        "line 3: 5 < 6 & a == b",
        "/srv/downloads/AndroidStudio-2024.1/file: Permission denied",
    ],
)
def test_plain_text_is_shown_as_it_is(text: str) -> None:
    assert redact(text) == text
    assert redact_unreadable(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("me:c4nary7x@host/x", "***@host/x"),
        ("ghp_kJ8sLq2mZx9Vb4Nc7Tr1Wp5YhGf3Dd6E12ab@github.com/x", "***@github.com/x"),
        ("c4nary7x@host/x", "***@host/x"),
        ("http://a b:c4nary7x@host/x", "http://***@host/x"),
        ("http://[me:c4nary7x]/x", "http://[***]/x"),
        ("http://[me:c4nary7x]:80/x", "http://[***]:80/x"),
        ("https://[c4nary7x", "https://[***"),
        ("http://[::1:c4nary7x]/x", "http://[***]/x"),
        ("http://[fe80::1%eth0/x", "http://[fe80::1%eth0/x"),
    ],
)
def test_a_login_in_what_is_no_url_is_hidden(text: str, shown: str) -> None:
    assert redact_unreadable(text) == shown


@pytest.mark.parametrize(
    "slashes", ["", "/", "//", "///", "////", "\\", "\\\\", "\\/\\/", "/\\", "x://", "http:"]
)
@pytest.mark.parametrize("scheme", ["http:", "HTTPS:", "see (http:"])
def test_a_login_is_hidden_behind_any_slashes(scheme: str, slashes: str) -> None:
    """Browsers read all of them as an address with a login."""
    text = f"{scheme}{slashes}me:c4nary@7x@host.example/f"
    for shown in (redact(text), redact_unreadable(text), redact_url(text), without_login(text)):
        assert "c4nary" not in shown and "7x" not in shown
        assert shown.endswith("host.example/f")


@pytest.mark.parametrize("part", ["http:", "http:/", "http:x:", "://", "@"])
def test_logins_are_looked_for_in_linear_time(part: str) -> None:
    assert len(without_login(f"{part * 200_000}x")) > 1


@pytest.mark.parametrize(
    ("url", "redacted"),
    [
        ("http://x/a?token=***", True),
        ("http://x/***/a.iso", True),
        ("http://x/a;sid=***/b", True),
        ("http://x/a?***", True),
        ("http://x/a?b=1&***&c=2", True),
        ("http://x/a.zip?x=***)", True),
        ("http://x/a.zip?***=1", True),
        ("http://***.x/a.zip", True),
        ("http://x/a/***.zip", False),
        ("http://x/a.iso#***", False),  # never sent
        ("http://x/a***b?c=*", False),
    ],
)
def test_a_redacted_url_is_recognised(url: str, redacted: bool) -> None:
    assert is_redacted(url) is redacted


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("X-Api-Key: c4nary7x", "X-Api-Key: ***"),
        ("x-auth-token:c4nary7x", "x-auth-token: ***"),
        ("unexpected token: 'x'", "unexpected token: 'x'"),
        ("http://x/TOKEN/c4nary7x", "http://x/TOKEN/***"),
        ("http://x/a?page=c4nary7x", "http://x/a?page=***"),
        (
            "http://x/a?start=12:30&end=2024-01-01T12:30:00Z",
            "http://x/a?start=12:30&end=2024-01-01T12:30:00Z",
        ),
        (
            "<ClientResponse(http://x/a?frob=c4nary7x) [404 None]>",
            "<ClientResponse(http://x/a?frob=***) [404 None]>",
        ),
        ("URL('http://x/a?frob=c4nary7x')", "URL('http://x/a?frob=***')"),
        ("//x/a?frob=c4nary7x", "//x/a?frob=***"),
        ("http://x/a?n=1&amp;frob=c4nary7x", "http://x/a?n=1&amp;frob=***"),
    ],
)
def test_other_places(text: str, shown: str) -> None:
    assert redact(text) == shown


def test_tokens_made_by_chance_are_hidden() -> None:
    """Even if their parameter has a harmless name, nearly always; else always."""
    chance = Random(12)
    kinds = {
        "base62": "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
        "base64": "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
        "base36": "abcdefghijklmnopqrstuvwxyz0123456789",
        "base32": "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
        "hex": "0123456789abcdef",
    }
    for kind, letters in kinds.items():
        tokens = ["".join(chance.choices(letters, k=32)) for _ in range(300)]
        for template in ("http://x/a?id={}", "http://x/get/{}/f.iso", "http://x/get/{}"):
            if kind == "hex" and "?" not in template:
                continue  # hashes of content are shown
            shown = sum(token in redact(template.format(token)) for token in tokens)
            assert shown <= 6, (kind, template)
        for template in ("http://x/a?frob={}", "http://x/a?{}", "http://x/a#{}"):
            assert not any(token in redact(template.format(token)) for token in tokens)


@given(st.text(st.characters(), max_size=300), st.sampled_from(["", "http://x/", "http://x/?"]))
def test_redacting_twice_changes_nothing_more(text: str, before: str) -> None:
    once = redact(before + text)
    assert redact(once) == once


@given(
    st.lists(st.sampled_from([*"/?&;#=:@%.*,~ -_\n", "://", "%25", "a", "B3", "q", "id", "token"]))
)
def test_what_is_put_together_from_marks_can_be_redacted(parts: list[str]) -> None:
    secret = "q83vEjRWeJq83u8SNFZ4mrze8w"
    for text in ("".join(parts), f"http://x/{''.join(parts)}"):
        redact_unreadable(text)
        assert secret not in redact(f"http://x/a?{''.join(parts).strip()}&frob={secret}")


@pytest.mark.parametrize(
    "part",
    ["a", "aB3", "/", "&", "=", "q=", "&q=", "%25", "://", ";a=b", "a@", "a.", "1", "eyJ", "0a",
     "cookie: ", "a-", "s/", "a=b#?", "u=http%3A%2F%2Fx%2F%3F", "12345678:", ")", "?u=http://x/"],
)  # fmt: skip
def test_a_hostile_text_takes_time_in_proportion(part: str) -> None:
    """Not by the clock: one of 64 KiB that took quadratic time would take minutes."""
    for before in ("", "http://x/", "http://x/?", "http://x/?q="):
        redact(before + part * (65536 // len(part)))


@pytest.mark.parametrize(
    "text",
    [
        "https://x.example/f?q=token:c4nary7x",
        "https://x.example/f?q=a,api_key:c4nary7x",
        "https://x.example/f?q=token%3Ac4nary7x",
        "https://x.example/key:c4nary7x/f.iso",
        "https://x.example/f?name=a token=c4nary7x",
        "the reply said: password=c4nary7x",
        "//me:c4nary7x@x.example/f",
    ],
)
def test_a_secret_behind_its_name_is_hidden_whatever_stands_between(text: str) -> None:
    assert "c4nary" not in redact(text)


def test_a_path_behind_such_a_name_is_none() -> None:
    assert redact("RHEO_SESSION=/home/me/x.db") == "RHEO_SESSION=/home/me/x.db"


LETTERS = "abxyzABXYZ0189-_~.+,"
SEGMENTS = st.one_of(
    st.text(st.sampled_from(LETTERS), max_size=40),
    st.sampled_from(["s", "d", "token", "share", "keys", "pool", "a.b.iso", *SHAPES]),
)


@given(st.lists(SEGMENTS, max_size=6))
def test_the_short_way_of_plain_urls_hides_as_much(segments: list[str]) -> None:
    url = "/".join(["http://x.example", *segments])
    shown = redact(url)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(redaction, "_PLAIN_ADDRESS", re.compile(r"(?!)"))
        assert redact(url) == shown


async def test_no_secret_leaves_the_engine(
    server: MisbehavingServer,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Events, log, the hook's environment, the file's origin, `info`, screen and history."""
    secrets = [f"c4n{number:03}ry{WORDY}" for number in range(len(NAMES))]
    queries = "&".join(map("=".join, zip(NAMES, secrets, strict=True)))
    targets = [f"/good.bin?{queries}", f"/lost.bin?{queries}"]
    targets += ["/" + url.split("/", 3)[3] for url in IN_PATHS]
    server.on(targets[0], serving(b"body"))
    configs = [FileConfig(url=server.url(target), filename=f"f{number}.bin")
               for number, target in enumerate(targets)]  # fmt: skip
    code = "import os; open(os.environ['FACTS'], 'a').write(repr(dict(os.environ)))"
    facts = tmp_path / "facts"
    monkeypatch.setenv("FACTS", str(facts))
    hook = (sys.executable, "-c", code)
    caplog.set_level("DEBUG")
    asyncio.get_running_loop().set_debug(True)
    async with DownloadManager(
        download_dir=tmp_path / "out",
        session_path=tmp_path / "session.db",
        origin=True,
        following=CompletionHooks(on_complete=hook, on_error=hook),
    ) as manager:
        journal = Journal(manager)
        await manager.add(configs)
        await manager.wait_until_complete(timeout=60)
        seen = [event.model_dump_json() for event in journal.events]
        seen += [repr(manager.get_download_info(config.id)) for config in configs]
        seen += [repr(manager.snapshot())]
        for config in configs:
            await manager.remove(config.id)
        seen += [repr(row) for row in await manager.history()]
    if hasattr(os, "getxattr"):
        seen += [os.getxattr(tmp_path / "out" / "f0.bin", "user.xdg.origin.url").decode()]
    seen += [facts.read_text(), caplog.text]
    assert facts.read_text().count("RHEO_URL") == len(configs)
    hidden = [*secrets, *(part for url in IN_PATHS for part in taken_out(url))]
    for text in seen:
        for secret in hidden:
            at = text.find(secret)
            assert at < 0, text[max(at - 300, 0) : at + 60]


def taken_out(url: str) -> list[str]:
    """Return the segments of `url` that are not shown."""
    left = redact(url).split("/")
    return [part.rpartition("=")[2] for part in url.split("/") if part not in left]
