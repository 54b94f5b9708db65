"""Rows of a list, checked: URL, hash, name, and the secrets that must not be repeated."""

import pytest

from rheo_core.fleet.rows import checked_row


def test_a_url_gets_its_normal_form() -> None:
    assert checked_row(1, "HTTP://Example.org:80/a").url == "http://example.org/a"


@pytest.mark.parametrize(
    ("checksum", "algorithm", "expected"),
    [
        ("A" * 64, "", f"sha256:{'a' * 64}"),
        (f"SHA-1:{'a' * 40}", "", f"sha1:{'a' * 40}"),
        ("a" * 128, "blake2b", f"blake2b:{'a' * 128}"),
        ("", "md5", None),
        (None, "md5", None),
    ],
)
def test_a_hash_is_known_by_its_name_or_length(
    checksum: object, algorithm: str, expected: str | None
) -> None:
    row = checked_row(1, "https://example.org/a", checksum=checksum, algorithm=algorithm)
    assert (row.hash, row.problem) == (expected, None)


@pytest.mark.parametrize(
    ("url", "checksum", "problem"),
    [
        (None, None, "row 12: there is no URL"),
        (5, None, "row 12: there is no URL"),
        ("ftp://example.org/a", None, "scheme 'ftp'"),
        ("https://user:pass@example.org/a", None, "contains a login"),
        ("https://example.org/a", "a" * 31, "no known algorithm has 31 characters"),
        ("https://example.org/a", f"sha3:{'a' * 64}", "hash algorithm 'sha3' is unknown"),
        ("https://example.org/a", 5, "not text but int"),
    ],
)
def test_a_row_that_cannot_be_downloaded_says_why(
    url: object, checksum: object, problem: str
) -> None:
    row = checked_row(12, url, checksum=checksum, extra={"caption": "kept"})
    assert row.problem is not None and problem in row.problem
    assert row.extra == {"caption": "kept"}


@pytest.mark.parametrize(
    "url",
    [
        "https://user:s3cret@example.org/a",
        "user:s3cret@example.org",
        "ftp://user:s3cret@example.org/a",
        "https://example.org/a b?token=s3cret",
    ],
)
def test_an_unreadable_row_keeps_no_secret(url: str) -> None:
    assert "s3cret" not in str(checked_row(1, url))


@pytest.mark.parametrize(
    ("fragment", "checksum", "expected"),
    [
        (f"md5={'0' * 32}", None, f"md5:{'0' * 32}"),
        (f"sha256={'1' * 64}", f"md5:{'0' * 32}", f"sha256:{'1' * 64}"),
        (f"md5={'0' * 32}", f"sha256:{'1' * 64}", f"sha256:{'1' * 64}"),
        ("a-place-in-a-page", f"sha256:{'1' * 64}", f"sha256:{'1' * 64}"),
        ("a-place-in-a-page", None, None),
    ],
)
def test_the_strongest_checksum_of_column_and_fragment_counts(
    fragment: str, checksum: str | None, expected: str | None
) -> None:
    row = checked_row(1, f"https://h/a#{fragment}", checksum=checksum)
    assert (row.hash, row.problem) == (expected, None)


@pytest.mark.parametrize(
    ("fragment", "problem"),
    [
        (f"md5={'1' * 32}", "two md5 hashes of the file differ: "),
        ("md5=12", "md5 hash has 2 characters instead of 32"),
    ],
)
def test_a_fragment_that_no_download_could_have_is_a_problem_of_its_row(
    fragment: str, problem: str
) -> None:
    row = checked_row(1, f"https://h/a#{fragment}", checksum=f"md5:{'0' * 32}")
    assert row.problem is not None and row.problem.startswith(f"row 1: {problem}")
