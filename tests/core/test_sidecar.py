"""Checksum files beside a download, as projects publish them."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheo_core.domain.hash_validation import HashAlgorithm, HashConfig
from rheo_core.transfer.sidecar import Sidecar, hash_in, sidecars

SHA256 = HashAlgorithm.SHA256
SHA512 = HashAlgorithm.SHA512
NAME = "tool-1.0.tar.gz"
OURS = hashlib.sha256(b"ours").hexdigest()
OTHER = hashlib.sha256(b"other").hexdigest()
PGP_LIST = f"""\
-----BEGIN PGP SIGNED MESSAGE-----
Hash: SHA512

{OTHER}  tool-1.0.zip
{OURS}  {NAME}
-----BEGIN PGP SIGNATURE-----

iQIzBAEBCgAdFiEEhGOPJ8sSRhZ0nVVmFrDkaEGi1LgFAmYmZcQACgkQFrDkaEGi
=Yv8C
-----END PGP SIGNATURE-----
"""


def read(text: str, name: str = NAME, *, single: bool = False) -> str | None:
    found = hash_in(text, name, SHA256, is_single=single)
    return found.expected_hash if found else None


@pytest.mark.parametrize(
    "text",
    [
        f"{OURS}  {NAME}\n",
        f"{OURS} *{NAME}",
        f"{OURS} {NAME}\n",
        f"{OURS}\t{NAME}\n",
        f"  {OURS.upper()}  {NAME} \n",
        f"{OTHER}  other\r\n{OURS}  {NAME}\r\n",
        f"\ufeff{OURS}  {NAME}\n",
        f"{OURS}  ./{NAME}\n",
        f"{OURS} *./dist/{NAME}\n",
        f"{OURS}  /home/builder/dist/{NAME}\n",
        f"{OURS}  a/{NAME}\n{OURS}  b/{NAME}\n",
        f"{OTHER}  old/{NAME}\n{OURS}  {NAME}\n",
        f"{OTHER}  old/{NAME}\n{OURS}  ./{NAME}\n",
        f"# {OTHER}  {NAME}\n; made by hand\n\n{OURS}  {NAME}\n",
        f"{OURS}  {NAME}\n{OURS}  {NAME}\n",
        f"SHA256 ({NAME}) = {OURS}\n",
        f"SHA256 (./{NAME}) = {OURS}\n",
        f"SHA256({NAME})= {OURS}\n",
        f"SHA2-256({NAME})= {OURS}\n",
        f"SHA512 ({NAME}) = {'0' * 128}\nSHA256 ({NAME}) = {OURS}\n",
        f"SIZE ({NAME}) = 12345\nSHA256 ({NAME}) = {OURS}\n",
        f"{hashlib.md5(b'ours').hexdigest()}  {NAME}\n{OURS}  {NAME}\n",
        PGP_LIST,
        PGP_LIST.replace("\n", "\r\n"),
    ],
)
@pytest.mark.parametrize("single", [False, True])
def test_a_line_that_names_the_file(text: str, single: bool) -> None:
    assert read(text, single=single) == OURS


@pytest.mark.parametrize(
    "text",
    [
        OURS,
        f"{OURS}\n",
        f"\ufeff{OURS.upper()}\r\n",
        f"\n\n  {OURS}  \n\n",
        f"# sha256 of the release\n{OURS}\n",
        f"{OURS}  -\n",
        f"{OURS} *-\n",
        f"(stdin)= {OURS}\n",
        f"SHA256(stdin)= {OURS}\n",
        f"SHA2-256(stdin)= {OURS.upper()}\r\n",
        f"SHA2-512(stdin)= {'0' * 128}\nSHA2-256(stdin)= {OURS}\n",
        PGP_LIST.replace(f"{OTHER}  tool-1.0.zip\n", "").replace(f"  {NAME}", ""),
    ],
)
def test_a_hash_alone(text: str) -> None:
    assert read(text, single=True) == OURS
    assert read(text) is None


def test_a_name_counts_more_than_none() -> None:
    assert read(f"{OTHER}\n{OURS}  {NAME}\n", single=True) == OURS


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (f"\\{OURS}  a\\\\b", "a\\b"),
        (f"\\{OURS} *a\\nb\\rc", "a\nb\rc"),
        (f"\\{OURS}  a\\\\nb", "a\\nb"),
        (f"\\SHA256 (a\\\\b) = {OURS}", "a\\b"),
        (f"{OURS}  a\\nb", "a\\nb"),
        (f"{OURS}  a b  c.iso", "a b  c.iso"),
        (f"{OURS} **a", "*a"),
        (f"{OURS}  日本語.iso", "日本語.iso"),
        (f"SHA256 (a (1) = b.iso) = {OURS}", "a (1) = b.iso"),
    ],
)
def test_odd_names(line: str, name: str) -> None:
    assert read(f"{OTHER}  x\n{line}\n", name) == OURS


@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize(
    "text",
    [
        "",
        "\ufeff",
        f"{OURS}  other\n",
        f"{OURS}  {NAME}.asc\n",
        f"{OURS}  not-{NAME}\n",
        f"{OURS}  {NAME}\n{OTHER}  {NAME}\n",
        f"{OURS}  {NAME}\nSHA256 ({NAME}) = {OTHER}\n",
        f"{OURS}  a/{NAME}\n{OTHER}  b/{NAME}\n",
        f"{OURS}\n{OTHER}\n",
        f"{OURS[:-1]}  {NAME}\n",
        f"{OURS}0  {NAME}\n",
        f"{'g' * 64}  {NAME}\n",
        f"{'٠' * 64}  {NAME}\n",
        f"{OURS}{NAME}\n",
        f"{NAME}  {OURS}\n",
        f"SHA3-256 ({NAME}) = {OURS}\n",
        f"SHA512/256 ({NAME}) = {OURS}\n",
        f"BLAKE2b-256 ({NAME}) = {OURS}\n",
        f"{hashlib.sha512(b'ours').hexdigest()}  {NAME}\n",
        f"<!DOCTYPE html>\n<pre>\n{OURS}  {NAME}\n</pre>\n",
        f"\ufeff\r\n  <html>\n{OURS}\n</html>\n",
        "<html><body>404 Not Found</body></html>",
        '{"sha256": "' + OURS + '"}',
    ],
)
def test_what_says_nothing_of_the_file(text: str, single: bool) -> None:
    assert read(text, single=single) is None


def test_other_algorithms() -> None:
    for algorithm in HashAlgorithm:
        digest = hashlib.new(algorithm, b"ours").hexdigest()
        expected = HashConfig(algorithm=algorithm, expected_hash=digest)
        for line in (f"{digest}  {NAME}", f"{algorithm.name} ({NAME}) = {digest}"):
            assert hash_in(line, NAME, algorithm, is_single=False) == expected
    blake = f"BLAKE2b ({NAME}) = {'0' * 128}"
    assert hash_in(blake, NAME, SHA512, is_single=True) is None


@pytest.mark.parametrize(
    ("url", "folder"),
    [
        ("https://example.org/dist/a.iso", "https://example.org/dist/"),
        ("http://example.org/a.iso", "http://example.org/"),
        ("https://user@[::1]:8443/d/a.iso?sig=1/2&x#part/3", "https://user@[::1]:8443/d/"),
        ("https://example.org//x/%2e/a.iso", "https://example.org//x/%2e/"),
    ],
)
def test_where_to_look(url: str, folder: str) -> None:
    assert sidecars(url) == [
        Sidecar(f"{folder}a.iso.sha256", SHA256, True),
        Sidecar(f"{folder}SHA256SUMS", SHA256, False),
        Sidecar(f"{folder}a.iso.sha512", SHA512, True),
        Sidecar(f"{folder}SHA512SUMS", SHA512, False),
    ]


def test_names_stay_as_they_are_in_the_url() -> None:
    assert sidecars("https://h/a%20b%3F%2f{}.iso")[0].url == "https://h/a%20b%3F%2f{}.iso.sha256"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "a.iso",
        "/a.iso",
        "ftp://example.org/a.iso",
        "file:///a.iso",
        "https:///a.iso",
        "https://example.org",
        "https://example.org/",
        "https://example.org/dist/",
        "https://example.org/?file=a.iso",
        "https://[::1/a.iso",
        "https://example.org/a.iso.sha256",
        "https://example.org/SHA512SUMS?x=1",
    ],
)
def test_where_not_to_look(url: str) -> None:
    assert sidecars(url) == []


@given(st.text(st.characters()) | st.text(st.characters()).map(lambda text: f"https://h/{text}"))
def test_any_url_has_four_places_or_none(url: str) -> None:
    assert len(sidecars(url)) in (0, 4)


def gnu_line(digest: str, name: str) -> str:
    """A line as coreutils write it."""
    escaped = name.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    return f"{'' if escaped == name else chr(92)}{digest}  {escaped}"


NAMES = st.text(st.characters(exclude_characters="/\0"), min_size=1).filter(
    lambda name: name.strip(" \t*") == name and name != "-"
)


@given(NAMES, st.binary(), st.booleans())
def test_what_is_written_is_found(name: str, body: bytes, tagged: bool) -> None:
    digest = hashlib.sha256(body).hexdigest()
    line = gnu_line(digest, name)
    if tagged:
        mark, _, shown = line.partition(f"{digest}  ")
        line = f"{mark}SHA256 ({shown}) = {digest}"
    assert read(f"{OTHER}  {name}.asc\n{line}\n", name) == digest


PIECES = st.sampled_from(
    [OURS, OTHER, NAME, " ", "  ", " *", "\n", "\r\n", "\\", "SHA256", " (", ") = ", "./", "-", "<"]
)
TEXTS = st.text(st.characters()) | st.lists(PIECES).map("".join)


@given(
    TEXTS | st.binary().map(lambda raw: raw.decode("utf-8", "surrogateescape")),
    st.just(NAME) | st.text(st.characters()),
    st.sampled_from(HashAlgorithm),
    st.booleans(),
)
def test_any_text_gives_a_checksum_or_none(
    text: str, name: str, algorithm: HashAlgorithm, single: bool
) -> None:
    found = hash_in(text, name, algorithm, is_single=single)
    if found is not None:
        assert found.algorithm == algorithm
        assert len(found.expected_hash) == algorithm.hex_length
        bytes.fromhex(found.expected_hash)


@pytest.mark.parametrize(
    "piece",
    ["\0", " ", "(", ")", ") = 0", "0", "\\", "SHA256 (", f"{OURS} ", f"{OURS}\n", f"{OURS}  x\n"],
)
@pytest.mark.parametrize("start", ["", f"{OURS} ", "SHA256 ("])
@pytest.mark.halved("start", "piece")
def test_megabytes_are_read_in_no_time(start: str, piece: str) -> None:
    """Quadratic reading would take hours."""
    text = start + piece * (4_000_000 // len(piece))
    assert hash_in(text, NAME, SHA256, is_single=False) is None
