"""Checksums as users give them."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rheo_core.domain import HashAlgorithm, HashConfig, ValidationResult

DIGESTS = {algorithm: hashlib.new(algorithm, b"abc").hexdigest() for algorithm in HashAlgorithm}


@pytest.mark.parametrize("algorithm", HashAlgorithm)
def test_lengths(algorithm: HashAlgorithm) -> None:
    assert algorithm.hex_length == len(DIGESTS[algorithm])
    config = HashConfig(algorithm=algorithm, expected_hash=DIGESTS[algorithm])
    assert config == HashConfig.from_checksum_string(f"{algorithm}:{DIGESTS[algorithm]}")


@pytest.mark.parametrize("algorithm", HashAlgorithm)
@pytest.mark.parametrize("wrong", [lambda h: h[:-1], lambda h: h + "0", lambda h: "x" + h[1:]])
def test_bad_digests(algorithm: HashAlgorithm, wrong: object) -> None:
    assert callable(wrong)
    with pytest.raises(ValidationError):
        HashConfig(algorithm=algorithm, expected_hash=wrong(DIGESTS[algorithm]))


def test_case_and_white_space() -> None:
    digest = DIGESTS[HashAlgorithm.SHA256]
    config = HashConfig.from_checksum_string(f" SHA-256 : {digest.upper()} ")
    assert (config.algorithm, config.expected_hash) == (HashAlgorithm.SHA256, digest)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "ALGORITHM:HEX"),
        ("sha256", "ALGORITHM:HEX"),
        ("crc32:00000000", "crc32.*use one of md5"),
        (":abc", "unknown"),
        ("sha256:", "no digest"),
        ("sha256:  ", "no digest"),
        ("sha256:abc", "3 characters instead of 64"),
        (f"sha256:{'z' * 64}", "not hexadecimal"),
        (f"sha256:{'٠' * 64}", "not hexadecimal"),
    ],
)
def test_bad_strings(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        HashConfig.from_checksum_string(text)


@given(st.text())
def test_any_string_is_read_or_refused(text: str) -> None:
    try:
        HashConfig.from_checksum_string(text)
    except ValueError:
        return


def test_result() -> None:
    def result(calculated: str) -> ValidationResult:
        return ValidationResult(
            algorithm=HashAlgorithm.MD5, expected_hash="ab" * 16, calculated_hash=calculated
        )

    assert result("ab" * 16).is_valid
    assert result("AB" * 16).is_valid
    assert not result("ab" * 15 + "ac").is_valid
    assert result("ab" * 16).model_dump()["is_valid"] is True
