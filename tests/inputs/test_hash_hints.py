"""Checksums next to a URL: in its fragment, as an option of pip, in a line of apt."""

import time
from collections import deque
from collections.abc import Iterator

import pytest
from pydantic import ValidationError

from rheo_core import FileConfig
from rheo_core.inputs import Verdict, read_entries, reader_api

MD5, SHA1, SHA256 = "0" * 32, "1" * 40, "2" * 64


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (f"https://h/a.whl#sha256={SHA256}", f"sha256:{SHA256}"),
        (f"https://h/a.whl#SHA256={SHA256.upper()}", f"sha256:{SHA256}"),
        (f"https://h/a.tar.gz#egg=a&md5={MD5}", f"md5:{MD5}"),
        (f"https://h/a.zip#sha1={SHA1}", f"sha1:{SHA1}"),
        (f"https://h/a-1.conda#{MD5}", f"md5:{MD5}"),
        (f"https://h/a-1.tar.bz2#{MD5.upper()}", f"md5:{MD5}"),
        (f"https://h/a-1.conda#{SHA256}", f"sha256:{SHA256}"),
        (f"https://h/a-1.conda#sha256:{SHA256}", f"sha256:{SHA256}"),
        (f"https://h/a.zip#sha-256={SHA256}", f"sha256:{SHA256}"),
        (f"a @ https://h/a.whl#sha256={SHA256}", f"sha256:{SHA256}"),
        (f"https://h/a.whl --hash=sha256:{SHA256}", f"sha256:{SHA256}"),
        (f"a @ https://h/a.whl --hash sha256:{SHA256}", f"sha256:{SHA256}"),
        (f"'http://h/a_1_all.deb' a_1_all.deb 340 SHA256:{SHA256}", f"sha256:{SHA256}"),
        (f"'http://h/a_1_all.deb' a_1_all.deb 340 MD5Sum:{MD5}", f"md5:{MD5}"),
        (f"https://h/a.html#{MD5}", None),  # a place in a page
        ("https://h/a.html#section=2", None),
        (f"https://h/a.whl --hash=sha256:{SHA256} --hash=sha1:{SHA1}", None),
    ],
)
def test_a_checksum_in_the_line_is_checked(line: str, expected: str | None) -> None:
    (entry,) = read_entries([line])
    assert entry.verdict is Verdict.OK and entry.config is not None
    found = entry.config.hash_config
    assert (found and f"{found.algorithm}:{found.expected_hash}") == expected


@pytest.mark.parametrize(
    "line", ["https://h/a.whl#sha256=12", "https://h/a.whl --hash=sha256:12", "x https://h/a#md5=x"]
)
def test_a_checksum_that_is_not_valid_makes_the_line_invalid(line: str) -> None:
    (entry,) = read_entries([line])
    assert entry.verdict is Verdict.INVALID
    assert "hash" in entry.problem


@pytest.mark.parametrize("start", ["a @ https://h/a.whl", "https://h/a.whl"])
@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_the_hash_of_pip_may_stand_on_the_next_line(start: str, end: str) -> None:
    lines = [f"{start} \\{end}", f"    --hash=sha256:{SHA256}{end}", f"https://h/b{end}"]
    first, second = read_entries(lines)
    assert first.config is not None and first.config.hash_config is not None
    assert first.config.hash_config.expected_hash == SHA256
    assert (first.line, second.line) == (1, 3)
    lines[1:2] = [f"  --hash=sha256:{SHA256} \\{end}", f"  --hash=sha256:{'3' * 64}{end}"]
    first, second = read_entries(lines)
    assert (first.note, second.line) == ("ignored: --hash", 4)


def test_a_conda_list_has_only_downloads() -> None:
    lines = ["# platform: linux-64", "@EXPLICIT", f"https://h/a-1.conda#{MD5}"]
    assert [entry.verdict for entry in read_entries(lines)] == [Verdict.OK]


@pytest.mark.parametrize("mark", ["```", "```text", "---", "=====", "***"])
def test_marks_of_markdown_are_no_mistakes(mark: str) -> None:
    entries = read_entries([mark, "http://h/a", mark])
    assert [entry.verdict for entry in entries] == [Verdict.OK]


def test_two_urls_in_one_line_share_no_checksum() -> None:
    entries = list(read_entries([f"see http://h/a and http://h/b --hash=sha256:{SHA256}"]))
    assert [entry.config and entry.config.hash_config for entry in entries] == [None, None]


def test_a_checksum_of_blake2_in_a_fragment_is_checked() -> None:
    (entry,) = read_entries([f"https://h/a#blake2b={'1' * 128}"])
    assert entry.config is not None
    assert entry.config.hash_config is not None
    assert entry.config.hash_config.algorithm == "blake2b"


@pytest.mark.parametrize("name", ["crc32", "crc32c", "xxh3", "sha3-256", "SHA-224", "blake3"])
def test_a_checksum_that_is_not_supported_is_named(name: str) -> None:
    (entry,) = read_entries([f"https://h/a#x=1&{name}={'1' * 8}"])
    assert (entry.verdict, entry.note) == (
        Verdict.OK, f"ignored: {name.lower()} hash (not supported)"
    )  # fmt: skip


@pytest.mark.parametrize("fragment", ["page=12345678", "sha3-256", "crc32=x", "md5sum"])
def test_a_fragment_that_is_no_checksum_is_not_named(fragment: str) -> None:
    (entry,) = read_entries([f"https://h/a#{fragment}"])
    assert (entry.verdict, entry.note) == (Verdict.OK, "")


def test_the_library_reads_fragments_too() -> None:
    config = FileConfig(url=f"https://h/a.whl#sha256={SHA256}")
    assert config.hash_config is not None
    assert FileConfig.model_validate_json(config.model_dump_json()) == config
    with pytest.raises(ValidationError, match="sha256 hash has 1 characters instead of 64"):
        FileConfig(url="https://h/a.whl#sha256=0")


@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_a_requirement_goes_on_only_behind_a_backslash(end: str) -> None:
    lines = [
        f"a @ https://h/a.whl \\{end}",
        f"  --hash=sha256:{SHA256}{end}",
        f"  --hash=sha256:{'3' * 64}{end}",
        f"https://h/b{end}",
    ]
    first, other, stray = read_entries(lines)
    assert first.config is not None and first.config.hash_config is not None
    assert first.config.hash_config.expected_hash == SHA256
    assert (stray.verdict, stray.line, other.line) == (Verdict.NO_URL, 3, 4)


def test_the_hashes_of_a_requirement_are_as_long_as_a_line_may_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reader_api, "MAX_LINE_LENGTH", 10_000)
    taken = 0

    def lines() -> Iterator[str]:
        nonlocal taken
        yield "https://h/first\n"
        yield "a @ https://h/a.whl \\\n"
        for _ in range(1000):
            taken += 1
            yield f"    --hash=sha256:{SHA256} \\\n"

    first, long = read_entries(lines())
    assert first.config is not None
    assert (long.line, long.verdict) == (2, Verdict.INVALID)
    assert "a line may have at most" in long.problem
    assert taken < 150


def test_the_time_for_the_hashes_of_a_requirement_is_linear() -> None:
    """Each line copied all before it, so the time grew with the square of their number."""

    def seconds(count: int) -> float:
        text = ["a @ https://h/a.whl \\\n"] + [f" --hash=sha256:{SHA256} \\\n"] * count
        began = time.process_time()
        deque(reader_api.with_next_hashes(text), maxlen=0)
        return time.process_time() - began

    assert min(seconds(40_000) for _ in range(3)) < 24 * min(seconds(5_000) for _ in range(3))
