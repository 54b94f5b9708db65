"""Several checksums of one file: the strongest counts, and none is dropped in silence."""

import base64
import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from rheo_core import FileConfig
from rheo_core.domain.file_config import STORED
from rheo_core.domain.hash_algorithms import STRONGEST_FIRST, HashAlgorithm
from rheo_core.domain.hash_hints import join_hashes
from rheo_core.domain.hash_validation import HashConfig
from rheo_core.infrastructure.session_salvage import _is_itself
from rheo_core.inputs import (
    Entry,
    ReadOptions,
    Verdict,
    checksum_list,
    read_entries,
    recheck_entries,
)
from rheo_core.inputs.arguments import read_arguments
from rheo_core.inputs.checksum_list import _MAX_HELD
from rheo_core.inputs.reader_api import Lines
from tests.inputs.texts import read

MD5, SHA1, SHA256, OTHER, SHA512 = "0" * 32, "1" * 40, "2" * 64, "3" * 64, "4" * 128
URL = "https://h/a.iso"
WEAKER = "ignored: md5 hash (sha256 is used)"


def metalink(content: str) -> str:
    return (
        '<metalink xmlns="urn:ietf:params:xml:ns:metalink">'
        f'<file name="a.iso">{content}</file></metalink>'
    )


def config(digest: str) -> dict[str, str]:
    name = {32: "md5", 64: "sha256"}[len(digest)]
    return {"algorithm": name, "expected_hash": digest}


def only(text: str) -> Entry:
    (entry,) = read(text, base="https://h/SUMS")
    return entry


def in_every_format(first: str, second: str) -> dict[str, str]:
    """Return texts with two checksums of one file, in all pairs of places for them."""
    one, two = (f"{'md5' if len(each) == 32 else 'sha256'}={each}" for each in (first, second))
    fragment = f"{URL}#{one}"
    names = [pair.partition("=")[0] for pair in (one, two)]
    aria2 = [pair.replace("sha256", "sha-256") for pair in (one, two)]
    kinds = [pair.partition("=")[0] for pair in aria2]
    elements = [
        f'<hash type="{kinds[0]}">{first}</hash>',
        f'<hash type="{kinds[1]}">{second}</hash>',
    ]
    return {
        "fragment": f"{URL}#{one}&{two}",
        "table": f"url,{names[0]},{names[1]} hash\n{URL},{first},{second}\n",
        "fragment and table": f"url,{names[1]}\n{fragment},{second}\n",
        "fragment and pip": f"{fragment} --hash={two.replace('=', ':')}",
        "fragment and pip in a requirement": f"a @ {fragment} --hash={two.replace('=', ':')}",
        "fragment and apt": f"'{fragment}' a.iso 11 {names[1].replace('md5', 'MD5Sum')}:{second}",
        "aria2": f"{URL}\n checksum={aria2[0]}\n checksum={aria2[1]}\n",
        "fragment and aria2": f"{fragment}\n checksum={aria2[1]}\n",
        "aria2c": f"aria2c --checksum={aria2[0]} --checksum={aria2[1]} {URL}\n",
        "fragment and aria2c": f"aria2c --checksum={aria2[1]} '{fragment}'\n",
        "fragments of mirrors": f"{fragment}\thttps://m/a.iso#{two}\n",
        "fragment and JSON": json.dumps({"url": fragment, "hash_config": config(second)}),
        "JSON": json.dumps({"url": URL, "hash_config": [config(first), config(second)]}),
        "mirror in JSON": json.dumps(
            {"url": URL, "mirrors": [f"https://m/a.iso#{one}"], "hash_config": config(second)}
        ),
        "curl": f"curl '{fragment}&{two}'",
        "checksum list": f"{first}  a.iso\n{second}  a.iso\n",
        "tagged checksum list": f"{names[0].upper()} (a.iso) = {first}\n"
        f"{names[1].upper()} (a.iso) = {second}\n",
        "sections of a checksum list": f"{first}  a.iso\n{first}  b.iso\n{second}  ./a.iso\n",
        "fragment and checksum list": f"{second}  {fragment}\n",
        "Metalink": metalink(f"{''.join(elements)}<url>{URL}</url>"),
        "fragment and Metalink": metalink(f"{elements[1]}<url>{fragment}</url>"),
        "mirror of a Metalink": metalink(
            f"{elements[1]}<url priority='1'>{URL}</url><url>https://m/a.iso#{one}</url>"
        ),
    }


FORMATS = list(in_every_format(MD5, SHA256))


@pytest.mark.parametrize(("first", "second"), [(MD5, SHA256), (SHA256, MD5)])
@pytest.mark.parametrize("name", FORMATS)
def test_the_strongest_counts_in_every_format(name: str, first: str, second: str) -> None:
    entry = read(in_every_format(first, second)[name], base="https://h/SUMS")[0]
    assert entry.verdict is Verdict.OK, entry.problem
    assert entry.config is not None and entry.config.hash_config is not None
    assert entry.config.hash_config.expected_hash == SHA256
    assert entry.note == WEAKER


@pytest.mark.parametrize("name", FORMATS)
def test_two_of_one_algorithm_make_the_entry_invalid(name: str) -> None:
    entry = read(in_every_format(SHA256, OTHER)[name], base="https://h/SUMS")[0]
    assert (entry.verdict, entry.config) == (Verdict.INVALID, None)
    assert entry.problem.startswith("two sha256 hashes of the file differ: ")
    assert SHA256 in entry.problem and OTHER in entry.problem


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_twice_is_no_conflict(name: str) -> None:
    entry = read(in_every_format(SHA256, SHA256.upper())[name], base="https://h/SUMS")[0]
    assert (entry.verdict, entry.note) == (Verdict.OK, "")
    assert entry.config is not None and entry.config.hash_config is not None


def test_all_algorithms_have_a_strength() -> None:
    assert sorted(STRONGEST_FIRST) == sorted(HashAlgorithm)
    hashes = [
        HashConfig(algorithm=each, expected_hash="a" * each.hex_length) for each in HashAlgorithm
    ]
    joined = join_hashes(hashes)
    assert joined.used is not None
    assert (joined.used.algorithm, len(joined.weaker)) == (HashAlgorithm.SHA512, 5)
    assert joined.ignored == [
        "sha384 and sha256 and blake2b and sha1 and md5 hashes (sha512 is used)"
    ]


def test_a_name_that_is_repeated_takes_no_more_memory() -> None:
    """Each line once copied all checksums before it."""
    same = f"{SHA256}  a.iso\n" * 1000
    assert only_held(same) == 1 and only(same).verdict is Verdict.OK
    different = "".join(f"{number:064x}  a.iso\n" for number in range(1000))
    assert only_held(different) <= len(HashAlgorithm) + 1
    assert "two sha256 hashes of the file differ" in (only(different).problem or "")
    late = f"{MD5}  a.iso\n{SHA1}  a.iso\n" * 500 + f"{SHA256}  a.iso\n{OTHER}  a.iso\n"
    assert "two sha256 hashes of the file differ" in (only(late).problem or "")


def only_held(text: str) -> int:
    """Return the number of checksums of the only candidate of a checksum list."""
    (candidate,) = checksum_list.read(Lines(text.splitlines(keepends=True)), ReadOptions(base=URL))
    return len(candidate.outside.hash_config or ())


def test_a_long_checksum_list_is_joined_in_parts_and_never_drops_a_checksum() -> None:
    count = _MAX_HELD + 1
    lines = [f"{MD5}  {number}" for number in range(count)] + [
        f"{SHA256}  0",
        f"{SHA256}  {count - 1}",
    ]
    entries = list(read_entries(lines, (), ReadOptions(base="https://h/")))
    assert [entry.line for entry in entries] == [*range(1, count + 1), count + 1]
    assert (entries[-2].verdict, entries[-2].note) == (Verdict.OK, WEAKER)
    assert entries[-1].verdict is Verdict.INVALID
    assert entries[-1].problem == (
        f"already in the list, line 1, with md5:{MD5}… instead of sha256:{SHA256[:32]}…"
    )


@pytest.mark.parametrize(
    ("text", "verdict", "problem"),
    [
        (f"{URL}\n{SHA256}  {URL}", "invalid", f", with no checksum instead of sha256:{'2' * 32}…"),
        (f"{URL}#md5={MD5}\n{URL}#sha1={SHA1}", "invalid",
         f", with md5:{MD5}… instead of sha1:{'1' * 32}…"),
        (f"{URL}#sha256={SHA256}\n{URL}#sha256={OTHER}", "invalid",
         f", with sha256:{'2' * 32}… instead of sha256:{'3' * 32}…"),
        (f"{URL}#sha256={SHA256}\n{URL}#md5={MD5}", "duplicate", "; its md5 hash is not used"),
        (f"{URL}#sha256={SHA256}\n{URL}#sha256={SHA256}", "duplicate", ""),
        (f"{URL}#sha256={SHA256}\n{URL}", "duplicate", ""),
        (f"url,sha256\n{URL},{SHA256}\n{URL},{OTHER}", "invalid",
         f", with sha256:{'2' * 32}… instead of sha256:{'3' * 32}…"),
    ],
)  # fmt: skip
def test_a_repeated_url_never_loses_its_checksum_in_silence(
    text: str, verdict: str, problem: str
) -> None:
    first, second = read(text)
    assert first.verdict is Verdict.OK
    line = second.line - 1
    assert (second.verdict, second.problem) == (
        verdict,
        f"already in the list, line {line}{problem}",
    )
    assert (second.config is None) == (verdict == "invalid")


@pytest.mark.parametrize(
    ("header", "row", "is_valid"),
    [
        ("url,sha256,sha256", f"{URL},{SHA256},{OTHER}", False),
        ("url,sha256,sha256", f"{URL},{SHA256},{SHA256}", True),
        ("url,sha256,sha256", f"{URL},{SHA256}", True),
        ("url,SHA256,sha256", f"{URL},,{SHA256}", False),
        ("url,url,sha256", f"{URL},{URL}?2,{SHA256}", False),
        ("url,note,note,sha256", f"{URL},a,b,{SHA256}", True),
    ],
)
def test_columns_of_one_name_must_agree(header: str, row: str, is_valid: bool) -> None:
    (entry,) = read(f"{header}\n{row}\n")
    assert (entry.verdict is Verdict.OK) == is_valid, entry.problem
    assert is_valid or "have different values" in entry.problem


BETWEEN_INPUTS = [
    (URL, f"{SHA256}  {URL}", f", with no checksum instead of sha256:{'2' * 32}…"),
    (f"{URL}#md5={MD5}", f"{URL}#sha1={SHA1}", f", with md5:{MD5}… instead of sha1:{'1' * 32}…"),
    (f"{URL}#sha256={SHA256}", f"{OTHER}  {URL}",
     f", with sha256:{'2' * 32}… instead of sha256:{'3' * 32}…"),
    (f"{URL}#sha256={SHA256}", f"{URL}#md5={MD5}", "; its md5 hash is not used"),
    (f"{URL}#sha256={SHA256}", f"{SHA256}  {URL}", ""),
    (f"{URL}#sha256={SHA256}", URL, ""),
]  # fmt: skip


@pytest.mark.parametrize(("first", "second", "problem"), BETWEEN_INPUTS)
@pytest.mark.parametrize("are_lists", [True, False])
def test_a_repeated_url_of_another_input_does_not_lose_it_either(
    tmp_path: Path, first: str, second: str, problem: str, are_lists: bool
) -> None:
    (tmp_path / "1").write_text(f"{first}\n")
    (tmp_path / "2").write_text(f"{second}\n")
    arguments, lists = ([], ["1", "2"]) if are_lists else ([first], ["2"])
    paths = [str(tmp_path / name) for name in lists]
    entries = [
        entry for _, entry in read_arguments(arguments, paths, ReadOptions(base="https://h/"))
    ]
    assert [entry.verdict is Verdict.OK for entry in entries] == [True, False]
    assert entries[1].problem == f"already in the list{problem}"
    assert (entries[1].verdict is Verdict.INVALID) == (" instead of " in problem)


def test_the_checksum_of_a_link_that_is_in_the_list_already_is_named() -> None:
    known = {FileConfig(url=URL).id}
    (entry,) = read_entries([f"{URL}#sha256={SHA256}"], known)
    assert entry.verdict is Verdict.DUPLICATE
    assert entry.problem == "already in the list; this sha256 hash is not used"


def test_a_name_of_its_own_makes_a_repeated_link_valid_again() -> None:
    first, second = read(f"{URL}#sha256={SHA256}\n{URL}#sha256={OTHER}\n  out=b.iso")
    assert second.verdict is Verdict.OK and second.config is not None
    same = second._replace(config=second.config.model_copy(update={"filename": "a.iso"}))
    *_, checked = recheck_entries([first, same])
    assert checked.verdict is Verdict.INVALID and checked.config is not None
    *_, again = recheck_entries([first, checked._replace(config=second.config)])
    assert again.verdict is Verdict.OK


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
@pytest.mark.parametrize("padding", [True, False])
def test_subresource_integrity_in_a_fragment(algorithm: str, padding: bool) -> None:
    digest = bytes(range(HashAlgorithm(algorithm).hex_length // 2))
    text = base64.b64encode(digest).decode()
    found = FileConfig(url=f"{URL}#{algorithm}-{text if padding else text.rstrip('=')}").hash_config
    assert found == HashConfig(algorithm=HashAlgorithm(algorithm), expected_hash=digest.hex())


@pytest.mark.parametrize(
    "place", ["sha256-checksum", f"sha512-{'a' * 43}", "sha256-", "sha256-" + "-" * 43]
)
def test_a_place_in_a_page_is_no_checksum(place: str) -> None:
    assert FileConfig(url=f"{URL}#{place}").hash_config is None


def test_the_library_joins_them_too() -> None:
    weaker = HashConfig.from_checksum_string(f"md5:{MD5}")
    stronger = f"{URL}#sha256={SHA256}"
    for url, mirrors in ((stronger, ()), (URL, (stronger,)), (stronger, (f"{URL}#sha1={SHA1}",))):
        assert FileConfig(url=url, mirrors=mirrors, hash_config=weaker).hash_config == weaker
    found = FileConfig(url=URL, mirrors=(f"{URL}?2#sha256={SHA256}",)).hash_config
    assert found is not None and found.expected_hash == SHA256
    with pytest.raises(ValidationError, match="two md5 hashes of the file differ"):
        FileConfig(url=f"{URL}#md5={'5' * 32}", hash_config=weaker)


@pytest.mark.parametrize("stored", [None, {"algorithm": "sha256", "expected_hash": OTHER}])
def test_a_stored_checksum_is_the_one_that_the_user_has_chosen(stored: object) -> None:
    fields = FileConfig(url=f"{URL}#sha256={SHA256}").model_dump(mode="json")
    row = json.dumps(fields | {"hash_config": stored})
    again = FileConfig.model_validate_json(row, extra="ignore", context=STORED)
    assert again.model_dump(mode="json")["hash_config"] == stored


def test_a_damaged_session_keeps_the_checksum_that_the_user_has_chosen() -> None:
    config = FileConfig(url=f"{URL}#sha256={SHA256}")
    chosen = HashConfig.from_checksum_string(f"sha256:{OTHER}")
    row = config.model_copy(update={"hash_config": chosen}).model_dump_json()
    assert _is_itself([config.id, row, True, 0])


@pytest.mark.parametrize("given", ["sha256", 5, [5], [[]], [None], {"algorithm": "crc"}])
def test_a_checksum_in_json_that_is_not_valid(given: object) -> None:
    entry = only(json.dumps({"url": URL, "hash_config": given}))
    assert entry.verdict is Verdict.INVALID and entry.problem


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (f'{{"url": "{URL}", "url": "https://h/b"}}', "has the key 'url' twice"),
        (f'{{"url": "{URL}", "\\u0075rl": "https://h/b"}}', "has the key 'url' twice"),
        (f'[{{"url": "{URL}", "request": {{"user": "a:b", "user": "c:d"}}}}]', "'user' twice"),
        (f'[{{"url": "{URL}"}}, {{"url": "{URL}2"}}]', ""),
    ],
)
def test_a_key_that_occurs_twice_in_an_object_makes_it_invalid(text: str, problem: str) -> None:
    entry, *_ = read_entries([text])
    assert (entry.verdict is Verdict.INVALID) is bool(problem) and problem in entry.problem


def test_an_object_with_very_many_keys_is_checked_in_linear_time() -> None:
    keys = ",".join(f'"k{number}":1' for number in range(100_000))
    (entry,) = read_entries([f'{{{keys},"k99999":2}}'])
    assert "has the key 'k99999' twice" in entry.problem
