"""File names: one safe component from any text."""

import os
import unicodedata
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rheo_core.domain.filenames import (
    MAX_NAME_BYTES,
    filename_from_url,
    fit_filename,
    number_filename,
    sanitise_filename,
    shorten_filename,
)
from rheo_core.downloads.file_naming import fitted

LONGEST_SUFFIX = ".part.state.new"

anything = st.text(st.characters(), max_size=400)  # surrogates included
pieces = [
    "\u202e",
    "\u200b",
    "\ud800",
    "con",
    ".txt",
    ".lnk",
    ".Desktop",
    *'ab.~ /\\:*?"<>|\x00\n\t{}-1é€😀',
]
hostile = st.lists(st.sampled_from(pieces), max_size=300).map("".join)


def assert_safe(name: str) -> None:
    assert name not in ("", ".", "..")
    assert not set(name) & set('/\\\x00<>:"|?*')
    assert len((name + LONGEST_SUFFIX).encode()) <= MAX_NAME_BYTES
    categories = {unicodedata.category(character) for character in name}
    assert not categories & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    assert not name.startswith((".", " "))
    assert not name.endswith((".", " "))
    assert not name.lower().endswith((".desktop", ".lnk", ".local", ".scf", ".url"))


@given(anything | hostile)
@example("." * 300)
@example("a" * 300 + ".")
@example("a" + "." * 300 + "b")
@example("\u202egpj.exe")
@example("con")
@example("a" * 300 + ".desktop")
@example("a" * 232 + ".desktop" + "x" * 60)
def test_safe_whatever_comes(text: str) -> None:
    assert_safe(sanitise_filename(text))


@given(anything | hostile)
def test_sanitising_twice_changes_nothing(text: str) -> None:
    once = sanitise_filename(text)
    assert sanitise_filename(once) == once


@given(anything)
def test_name_from_any_path(text: str) -> None:
    path = quote(text, errors="surrogatepass", safe="/")
    assert_safe(filename_from_url(f"http://example.com/{path}"))


@given(st.integers(240, 400), st.sampled_from(["a", "é", "€", "😀"]))
def test_a_long_name_is_cut_between_characters(count: int, letter: str) -> None:
    name = sanitise_filename(f"{letter * count}.gz")
    assert_safe(name)
    assert set(name.removesuffix(".gz")) == {letter}
    room = MAX_NAME_BYTES - len(f"{name}{LONGEST_SUFFIX}".encode())
    assert room < len(letter.encode())
    assert name.endswith(".gz")


def test_short_names_stay() -> None:
    assert shorten_filename("a.txt") == "a.txt"
    assert shorten_filename("a" * 240) == "a" * 240
    assert shorten_filename("a" * 241) == "a" * 240
    assert shorten_filename("abc.txt", 6) == "ab.txt"
    long_extension = "a." + "b" * 300
    assert shorten_filename(long_extension) == long_extension[:240]


ENDINGS = [
    ".part", ".part.state", ".part.state.new", ".PART", ".unverified", ".unverified.2", ".desktop",
    ".lnk", ".LNK", ".url", ".scf", ".local", ". ", "...", " . ",
    ".{20D04FE0-3AEA-1069-A2D8-08002B30309D}", ".p\u00e4", "\u212b.lnk", ".part\u3000",
]  # fmt: skip


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(
    "rest", ["B" * 60, "B" * 300, "B" * 40 + ".txt", "\u00e9" * 60, ".bin" * 20]
)
def test_a_cut_brings_back_no_ending_that_was_made_harmless(ending: str, rest: str) -> None:
    for limit in (60, 109, 125, 240):
        for over in (0, 1, 5, 9):
            name = sanitise_filename("A" * (limit - len(ending.encode()) - over) + ending + rest)
            fitting = fit_filename(name, limit)
            assert len(fitting.encode()) <= limit
            assert sanitise_filename(fitting) == fitting, name


@pytest.mark.parametrize("ending", ENDINGS)
def test_names_for_file_systems_with_short_ones_are_safe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    monkeypatch.setattr(os, "pathconf", lambda *_: 143)  # of eCryptfs
    for length in range(80, 125):
        path = tmp_path / sanitise_filename("A" * length + ending + "B" * 60)
        name = fitted(path).name
        assert len(name) < len(path.name) and sanitise_filename(name) == name


@given(anything, st.integers(60, 240))
def test_names_that_fit_are_safe(text: str, limit: int) -> None:
    fitting = fit_filename(sanitise_filename(text), limit)
    assert fitting and len(fitting.encode()) <= limit
    assert sanitise_filename(fitting) == fitting


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("report.pdf", "report.pdf"),
        ("a/b\\c:d", "a_b_c_d"),
        ("../../etc/passwd", "_.._etc_passwd"),
        (".bashrc", "bashrc"),
        ("...", "download"),
        ("", "download"),
        ("   ", "download"),
        ("name.txt. . ", "name.txt"),
        ("a \t\n b", "a b"),
        ("a\u3000b", "a b"),
        ("con", "con_"),
        ("CON.txt", "CON_.txt"),
        ("com1.tar.gz", "com1_.tar.gz"),
        ("console.txt", "console.txt"),
        ("desktop.ini", "desktop.ini_"),
        ("game.desktop", "game.desktop.download"),
        ("game.LNK", "game.LNK.download"),
        ("game.\u202edesktop.", "game.desktop.download"),
        ("desktop", "desktop"),
        ("game.url.txt", "game.url.txt"),
        ("a\u202egpj.exe", "agpj.exe"),
        ("a\u200bb", "ab"),
        ("a\u3164\u2800\u115fb\u034f.txt", "a b .txt"),
        ("\u3164", "download"),
        ("invoice.pdf" + "\u3164" * 70 + ".exe", "invoice.pdf .exe"),
        ("a\x1b[31mb", "a_[31mb"),
        ("a\x00b", "a_b"),
        ("\ud800", "_"),
        ("東京.zip", "東京.zip"),
        ("50%2F.zip", "50%2F.zip"),
        (
            "My Computer.{20D04FE0-3AEA-1069-A2D8-08002B30309D}",
            "My Computer_{20D04FE0-3AEA-1069-A2D8-08002B30309D}",
        ),
    ],
)
def test_examples(text: str, name: str) -> None:
    assert sanitise_filename(text) == name


@pytest.mark.parametrize("extension", [".tar.gz", ".tar.zst", ".parts", ".x"])
def test_a_cut_keeps_the_extension(extension: str) -> None:
    name = sanitise_filename("é" * 300 + extension)
    assert name.endswith(f"é{extension}")


def test_fallback() -> None:
    assert sanitise_filename("...", fallback="x") == "x"
    assert sanitise_filename("...", fallback="") == ""


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://example.com/a/b.zip", "b.zip"),
        ("http://example.com/a%20b.zip?x=/y.txt#z", "a b.zip"),
        ("http://example.com/", "example.com"),
        ("http://example.com/a/", "example.com"),
        ("http://example.com/..", "example.com"),
        ("http://example.com/%2e%2e", "example.com"),
        ("http://example.com/a%2Fb", "b"),
        ("http://example.com/a%5Cb", "b"),
        ("http://example.com/..%2f..%2f.bashrc", "bashrc"),
        ("http://example.com/..%5c..%5cevil.bat", "evil.bat"),
        ("http://example.com/a%252Fb", "a%2Fb"),
        ("http://example.com/a%2F", "example.com"),
        ("http://example.com/a\\b", "b"),
        ("http://example.com/%E6%9D%B1%E4%BA%AC.zip", "東京.zip"),
        ("http://example.com/%ff.zip", "%ff.zip"),
        ("http://example.com/%D6%D0/%B9%FA%2F.pdf", "%B9%FA%2F.pdf"),
        ("http://user:secret@example.com/", "example.com"),
        ("http://[::1]/", "__1"),
    ],
)
def test_name_from_url(url: str, name: str) -> None:
    assert filename_from_url(url) == name


@pytest.mark.parametrize(
    ("name", "numbered"),
    [
        ("a.txt", "a (1).txt"),
        ("a.tar.gz", "a (1).tar.gz"),
        ("a", "a (1)"),
        ("v1.2.3", "v1.2 (1).3"),
    ],
)
def test_numbered(name: str, numbered: str) -> None:
    assert number_filename(name, 1) == numbered


@given(anything | hostile | st.text("ab.é😀", min_size=200, max_size=300), st.integers(1, 10**6))
@example("a" * 236 + ".txt", 1)
@example("é" * 118 + ".txt", 1)
@example("a" * 231 + ".tar.gz", 12)
@example("a" * 240, 1)
@example("a." + "b" * 238, 1)
def test_numbered_names_are_safe_and_new(text: str, number: int) -> None:
    name = sanitise_filename(text)
    first, second = number_filename(name, number), number_filename(name, number + 1)
    assert_safe(first)
    assert f"({number})" in first
    assert len({name, first, second}) == 3


def test_the_longest_name_can_be_created(tmp_path: Path) -> None:
    path = tmp_path / (sanitise_filename("😀" * 300 + ".txt") + LONGEST_SUFFIX)
    path.touch()
    assert os.listdir(tmp_path) == [path.name]  # noqa: PTH208


# Names of our own files

_RESERVED = [".part", ".part.state", ".part.state.new", ".part.new", ".unverified", ".unverified.3"]


@pytest.mark.parametrize("ending", _RESERVED)
@pytest.mark.parametrize(
    "form",
    [
        str,
        str.upper,
        str.title,
        lambda ending: f"{ending}.",
        lambda ending: f"{ending} . ",
        lambda ending: f"{ending}\u200b",
        lambda ending: ending.replace("t", "t\ufe0f", 1),
        lambda ending: ending.replace("st", "\ufb06").replace("fi", "\ufb01"),
        lambda ending: ending.replace("s", "\u017f"),
        lambda ending: ending.replace("a", "\uff41").replace("e", "\uff45"),
        lambda ending: ending.replace(".", "\uff0e"),
        lambda ending: ending.replace("i", "\u0131"),
        lambda ending: ending.replace("i", "\u0130"),
    ],
)
def test_names_of_our_own_files_get_an_underscore(ending: str, form: Callable[[str], str]) -> None:
    """Some file system would take it for the part file or the state of another download."""
    name = sanitise_filename("file.bin" + form(ending))
    assert name.endswith("_") and len(name.encode()) <= 240
    assert sanitise_filename(name) == name
    numbered = number_filename(name, 1)
    assert numbered == sanitise_filename(numbered)


@pytest.mark.parametrize("ending", _RESERVED)
def test_a_cut_does_not_make_one(ending: str) -> None:
    """The rest is cut off because the name is too long."""
    name = sanitise_filename("x" * (240 - len(ending)) + ending + "." + "y" * 40)
    assert name.endswith("_") and len(name) == 240


@pytest.mark.parametrize("ending", _RESERVED)
def test_a_url_cannot_name_our_own_files(ending: str) -> None:
    for shown in (ending, ending.replace(".", "%2e"), ending.replace("a", "%61"), f"{ending}?q"):
        assert filename_from_url(f"http://h/file.bin{shown}") == f"file.bin{ending}_"


@pytest.mark.parametrize(
    "name",
    ["part", "file.parts", "file.part.zip", "file.part1.rar", "unverified", "file.state", "a.new"],
)
def test_other_names_stay(name: str) -> None:
    assert sanitise_filename(name) == name


@pytest.mark.parametrize(
    ("argument", "name"),
    [
        ("日本.bin".encode(), "日本.bin"),
        (b"caf\xe9.bin", "caf%E9.bin"),
        (b"caf\xe8.bin", "caf%E8.bin"),
        (b"\xff\xfe", "%FF%FE"),
        (b"\xed\xa0\x80.bin", "%ED%A0%80.bin"),
    ],
)
def test_bytes_that_the_locale_could_not_decode_stay_distinct(argument: bytes, name: str) -> None:
    assert sanitise_filename(argument.decode("ascii", "surrogateescape")) == name
