"""Checksums in the headers of a response (RFC 9530, RFC 3230, RFC 1864, object stores)."""

import base64
import hashlib
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

from rheo_core.domain.hash_validation import HashAlgorithm, HashConfig
from rheo_core.transfer.digests import digest_of

BODY = b'{"hello": "world"}\n'  # the body of RFC 9530's examples
OTHER = b"another file"
NAMES = {
    "sha-512": HashAlgorithm.SHA512,
    "sha-256": HashAlgorithm.SHA256,
    "sha": HashAlgorithm.SHA1,
    "md5": HashAlgorithm.MD5,
}


def b64(name: str, body: bytes = BODY) -> str:
    return base64.b64encode(hashlib.new(NAMES[name], body).digest()).decode()


def hexadecimal(name: str, body: bytes = BODY) -> str:
    return hashlib.new(NAMES[name], body).hexdigest()


def promised(name: str, body: bytes = BODY) -> HashConfig:
    return HashConfig(algorithm=NAMES[name], expected_hash=hexadecimal(name, body))


def structured(name: str, body: bytes = BODY) -> str:
    return f"{name}=:{b64(name, body)}:"


def lines(*headers: tuple[str, str]) -> CIMultiDictProxy[str]:
    return CIMultiDictProxy(CIMultiDict(headers))


WHOLE = [  # hold for a part as well
    ({"Repr-Digest": structured("sha-256")}, "sha-256"),
    ({"REPR-DIGEST": structured("sha-512")}, "sha-512"),
    ({"repr-digest": f"{structured('sha-256')},{structured('sha-512')}"}, "sha-512"),
    ({"Repr-Digest": f"  {structured('sha-256')}\t,\t{structured('md5')} "}, "sha-256"),
    ({"Repr-Digest": f"{structured('sha-256')};a=1;b=?0"}, "sha-256"),
    ({"Repr-Digest": f"sha-256=:{b64('sha-256').rstrip('=')}:"}, "sha-256"),  # RFC 9651 4.2.7
    ({"Repr-Digest": f"sha-512=:AAAA:, {structured('sha')}"}, "sha"),
    ({"Repr-Digest": f'sha-512=1, sha-256=("a"), md5, unixsum="x", {structured("sha")}'}, "sha"),
    ({"Repr-Digest": f"crc32c=:AAAAAA==:, {structured('md5')}"}, "md5"),
    ({"Digest": f"SHA-256={b64('sha-256')}"}, "sha-256"),
    ({"Digest": f"sha-256={b64('sha-256')},unixsum=30637"}, "sha-256"),
    ({"Digest": f"MD5={b64('md5')} , SHA={b64('sha')}"}, "sha"),
    ({"Digest": f"SHA-512={b64('sha-512')},SHA-256={b64('sha-256')}"}, "sha-512"),
    ({"Digest": f"ADLER32=03da0195,,=,SHA-512,md5={b64('md5')}"}, "md5"),
    ({"x-goog-hash": f"crc32c=n03x6A==,md5={b64('md5')}"}, "md5"),
    ({"X-Goog-Hash": f"md5={b64('md5')}", "X-Goog-Stored-Content-Encoding": "identity"}, "md5"),
    ({"Digest": "SHA-256=nonsense", "Repr-Digest": "nonsense:", **{"x-goog-hash": ""}}, None),
    ({"Repr-Digest": structured("sha"), "Digest": f"SHA-256={b64('sha-256')}"}, "sha-256"),
    ({"Repr-Digest": structured("sha-256"), "Digest": f"SHA-256={b64('sha-256')}"}, "sha-256"),
]
MESSAGE = [  # speak of one message, or may do so
    ({"Content-Digest": structured("sha-256")}, "sha-256"),
    ({"Content-Digest": f"{structured('md5')}, {structured('sha-512')}"}, "sha-512"),
    ({"Content-MD5": b64("md5")}, "md5"),
    ({"content-md5": f" {b64('md5')} "}, "md5"),
    ({"x-amz-checksum-sha256": b64("sha-256")}, "sha-256"),
    ({"x-amz-checksum-sha1": b64("sha"), "x-amz-checksum-type": "FULL_OBJECT"}, "sha"),
    ({"x-amz-checksum-crc32": "AAAAAA==", "X-Amz-Checksum-SHA256": b64("sha-256")}, "sha-256"),
]
NOTHING = [
    {},
    {"ETag": f'"{hexadecimal("md5")}"', "Content-Type": "text/plain"},
    {"Repr-Digest": ""},
    {"Repr-Digest": f"SHA-256=:{b64('sha-256')}:"},  # keys are lower case (RFC 9651 3.1.2)
    {"Repr-Digest": f"sha-256={b64('sha-256')}"},
    {"Repr-Digest": f'sha-256="{b64("sha-256")}"'},
    {"Repr-Digest": f"sha-256=({b64('sha-256')})"},
    {"Repr-Digest": f"{structured('sha-256')}, é"},
    {"Repr-Digest": f"{structured('sha-256')}\udcff"},
    {"Repr-Digest": f"sha-256=:{hexadecimal('sha-256')}:"},
    {"Repr-Digest": f"sha-256=:{b64('md5')}:"},
    {"Repr-Digest": f"sha-384=:{base64.b64encode(hashlib.sha384(BODY).digest()).decode()}:"},
    {"Digest": f"SHA-256={hexadecimal('sha-256')}"},
    {"Digest": f"MD5={hexadecimal('md5')}"},
    {"Digest": f"SHA-256=:{b64('sha-256')}:"},
    {"Digest": f"id-sha-256={b64('sha-256')}"},
    {"Digest": "SHA-256"},
    {"Content-MD5": hexadecimal("md5")},
    {"Content-MD5": b64("md5").rstrip("=")},
    {"Content-MD5": "٠٠٠٠"},
    {"x-goog-hash": "crc32c=n03x6A=="},
    {"x-goog-hash": f"md5={b64('md5')}", "x-goog-stored-content-encoding": "gzip"},
    {"x-goog-hash": f"md5={b64('md5')}", "Content-Encoding": "gzip"},
    {"x-amz-checksum-sha256": f"{b64('sha-256')}-3"},
    {"x-amz-checksum-sha256": b64("sha-256"), "x-amz-checksum-type": "COMPOSITE"},
    {"x-amz-checksum-sha256": b64("sha-256"), "Content-Encoding": "br"},
]


@pytest.mark.parametrize(("headers", "name"), WHOLE)
@pytest.mark.parametrize("partial", [False, True])
def test_what_is_said_of_the_file(headers: dict[str, str], name: str | None, partial: bool) -> None:
    expected = promised(name) if name else None
    assert digest_of(headers, partial=partial) == expected
    assert digest_of(lines(*headers.items()), partial=partial) == expected


@pytest.mark.parametrize(("headers", "name"), MESSAGE)
def test_what_is_said_of_one_message(headers: dict[str, str], name: str) -> None:
    assert digest_of(headers, partial=False) == promised(name)
    assert digest_of(headers, partial=True) is None


@pytest.mark.parametrize("headers", NOTHING)
def test_what_promises_nothing(headers: dict[str, str]) -> None:
    assert digest_of(headers, partial=False) is None


@pytest.mark.parametrize(
    ("member", "body"),
    [
        ("sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:", BODY),
        (
            "sha-512=:YMAam51Jz/jOATT6/zvHrLVgOYTGFy1d6GJiOHTohq4yP+pgk4vf2aCsyRZOtw8MjkM7iw7yZ/Wkp"
            "pmM44T3qg==:",
            BODY,
        ),
        # Appendix D
        (
            "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEm"
            "THWXvJwew==:",
            BODY.strip(),
        ),
        ("sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:", BODY.strip()),
        ("md5=:Sd/dVLAcvNLSq16eXua5uQ==:", BODY.strip()),
        ("sha=:07CavjDP4u3/TungoUHJO/Wzr4c=:", BODY.strip()),
    ],
)
def test_examples_of_rfc_9530(member: str, body: bytes) -> None:
    expected = promised(member.partition("=")[0], body)
    assert digest_of({"Repr-Digest": member}, partial=True) == expected
    assert digest_of({"Content-Digest": member}, partial=False) == expected


def test_part_of_rfc_9530() -> None:
    """The 206 of appendix B: bytes 10 to 18, with a digest of the part and one of the whole."""
    part = "sha-256=:jjcgBDWNAtbYUXI37CVG3gRuGOAjaaDRGpIUFsdyepQ=:"
    assert digest_of({"Content-Digest": part}, partial=False) == promised("sha-256", BODY[10:])
    headers = {"Repr-Digest": structured("sha-256"), "Content-Digest": part}
    assert digest_of(headers, partial=True) == promised("sha-256")


@pytest.mark.parametrize(
    "header", [("Repr-Digest", structured("sha-256")), ("Content-MD5", b64("md5"))]
)
def test_a_coding_is_part_of_what_is_stored(header: tuple[str, str]) -> None:
    headers = lines(header, ("Content-Encoding", "gzip"))
    assert digest_of(headers, partial=False) == digest_of(lines(header), partial=False) is not None


def test_an_uncoded_response_may_say_so() -> None:
    headers = {"Content-Encoding": "Identity", "x-amz-checksum-sha1": b64("sha")}
    assert digest_of(headers, partial=False) == promised("sha")


def test_lines_of_one_name() -> None:
    google = lines(("x-goog-hash", "crc32c=n03x6A=="), ("x-goog-hash", f"md5={b64('md5')}"))
    assert digest_of(google, partial=True) == promised("md5")
    split = lines(("Repr-Digest", structured("md5")), ("repr-digest", structured("sha-256")))
    assert digest_of(split, partial=True) == promised("sha-256")
    broken = lines(("Repr-Digest", "("), ("Repr-Digest", structured("sha-256")))
    assert digest_of(broken, partial=True) == promised("sha-256")


@pytest.mark.parametrize(
    "headers",
    [
        lines(
            ("Repr-Digest", structured("sha-256")),
            ("Digest", f"SHA-256={b64('sha-256', OTHER)}"),
        ),
        lines(
            ("Repr-Digest", structured("sha-256")),
            ("Repr-Digest", structured("sha-256", OTHER)),
        ),
        lines(("Digest", f"SHA={b64('sha')}, sha={b64('sha', OTHER)}")),
        lines(("Repr-Digest", f"{structured('sha')}, {structured('sha', OTHER)}")),
        lines(("Content-MD5", b64("md5")), ("x-goog-hash", f"md5={b64('md5', OTHER)}")),
        # The weaker one is not taken in place of the strongest.
        lines(
            ("Repr-Digest", f"{structured('sha-512')}, {structured('md5')}"),
            ("Content-Digest", structured("sha-512", OTHER)),
        ),
    ],
)
def test_headers_that_disagree(headers: CIMultiDictProxy[str]) -> None:
    assert digest_of(headers, partial=False) is None


def test_the_strongest_decides_where_weaker_ones_disagree() -> None:
    headers = {
        "Repr-Digest": f"{structured('sha-256')}, {structured('md5')}",
        "Content-MD5": b64("md5", OTHER),
    }
    assert digest_of(headers, partial=False) == promised("sha-256")


def test_what_is_no_digest_disagrees_with_nothing() -> None:
    headers = {"Repr-Digest": structured("sha-256"), "Digest": "SHA-256=AAAA"}
    assert digest_of(headers, partial=False) == promised("sha-256")


FORMS = {
    "Repr-Digest": "{name}=:{value}:",
    "Content-Digest": "{name}=:{value}:",
    "Digest": "{name}={value}",
}


@settings(deadline=None)  # the first example may import http_sf
@given(st.binary(), st.sampled_from(sorted(NAMES)), st.sampled_from(sorted(FORMS)), st.booleans())
def test_what_is_written_is_found(body: bytes, name: str, field: str, upper: bool) -> None:
    shown = name.upper() if upper and field == "Digest" else name
    headers = {field: FORMS[field].format(name=shown, value=b64(name, body))}
    assert digest_of(headers, partial=False) == promised(name, body)


FIELDS = st.sampled_from(
    [*FORMS, "Content-MD5", "x-goog-hash", "x-amz-checksum-sha256", "x-amz-checksum-type"]
)
PIECES = st.sampled_from(
    ["sha-256", "md5", "SHA", "=", ":", ",", ";", " ", '"', "(", ")", "@1", "%", "?1", "-2"]
    + [b64(name, body) for name in NAMES for body in (BODY, OTHER)]
)
VALUES = st.text(st.characters()) | st.lists(PIECES).map("".join)


@settings(deadline=None)  # the first example may import http_sf
@given(st.lists(st.tuples(FIELDS | st.text(st.characters()), VALUES)), st.booleans())
def test_any_header_is_a_checksum_or_none(headers: list[tuple[str, str]], partial: bool) -> None:
    received: tuple[Mapping[str, str], ...] = (lines(*headers), dict(headers))
    for each in received:
        found = digest_of(each, partial=partial)
        if found is not None:
            assert len(found.expected_hash) == found.algorithm.hex_length
            bytes.fromhex(found.expected_hash)


@pytest.mark.parametrize("field", ["Repr-Digest", "Digest", "Content-MD5", "x-goog-hash"])
@pytest.mark.parametrize("piece", ["a=1,", "a=(", "=", ",", ":", "a=:", "A", "md5=AAAA,", '"'])
def test_a_long_header_is_read_in_no_time(field: str, piece: str) -> None:
    """64 KiB is what the HTTP library lets through; quadratic reading would take minutes."""
    assert digest_of({field: piece * (65_536 // len(piece))}, partial=False) is None


@pytest.mark.parametrize(
    "change",
    [
        {"x-guploader-response-body-transformations": "gunzipped"},
        {"Warning": '214 UploadServer "gunzipped"'},
        {"x-goog-stored-content-encoding": "gzip"},
    ],
)
def test_a_store_that_unpacks_its_object_does_not_promise_the_hash_of_the_packed_one(
    change: dict[str, str],
) -> None:
    told = {"x-goog-hash": "md5=CY9rzUYh03PK3k6DJie09g=="}
    assert digest_of(CIMultiDict(told), partial=False) is not None
    assert digest_of(CIMultiDict(told | change), partial=False) is None
