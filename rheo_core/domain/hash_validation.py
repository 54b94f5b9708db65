"""Expected checksums of files and pieces, and the results of checking them.

If a file has several checksums, `hash_hints.py` chooses one.
"""

import hmac
import string
from typing import Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    computed_field,
    field_validator,
    model_validator,
)

from .hash_algorithms import HashAlgorithm as HashAlgorithm  # public in this module too
from .text import shorten
from .units import count_text

_HEX_DIGITS = frozenset(string.hexdigits.lower())
_MAX_SHOWN_LENGTH = 128


def _check_digest(algorithm: HashAlgorithm, digest: str) -> None:
    if not _HEX_DIGITS.issuperset(digest):
        shown = shorten(digest, _MAX_SHOWN_LENGTH)
        raise ValueError(f"{algorithm} hash {shown!r} is not hexadecimal (0-9, a-f)")
    if len(digest) != algorithm.hex_length:
        raise ValueError(
            f"{algorithm} hash has {len(digest)} characters instead of {algorithm.hex_length}"
        )


class HashConfig(BaseModel):
    """Expected checksum of a finished file."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    algorithm: HashAlgorithm = Field(description="Hash algorithm to use")
    expected_hash: str = Field(min_length=1, description="Expected digest, hexadecimal")

    @field_validator("expected_hash", mode="before")
    @classmethod
    def _normalise_hash(cls, value: object) -> object:
        return value.strip().lower() if isinstance(value, str) else value

    @model_validator(mode="after")
    def _check_digest(self) -> Self:
        _check_digest(self.algorithm, self.expected_hash)
        return self

    @classmethod
    def from_checksum_string(cls, checksum: str) -> Self:
        """Read `ALGORITHM:HEX`, such as `sha256:9f86d0…`.

        Raises:
            ValueError: the colon is missing, the algorithm is unknown, or the digest is not valid.
        """
        name, colon, digest = checksum.partition(":")
        known = ", ".join(HashAlgorithm)
        if not colon:
            raise ValueError(f"hash {checksum!r} does not have the form ALGORITHM:HEX ({known})")
        try:
            algorithm = HashAlgorithm(name.strip().lower().replace("-", ""))
        except ValueError:
            raise ValueError(f"hash algorithm {name!r} is unknown; use one of {known}") from None
        if not digest.strip():
            raise ValueError(f"hash {checksum!r} has no digest after the colon")
        digest = digest.strip().lower()
        _check_digest(algorithm, digest)  # one sentence; pydantic writes several lines
        return cls(algorithm=algorithm, expected_hash=digest)


class PieceHashes(BaseModel):
    """Checksums of the pieces of a file. All pieces except the last have the same length.

    They locate damaged bytes, for which any algorithm is sufficient, even SHA-1. They never replace
    the validation of the whole file.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    algorithm: HashAlgorithm = Field(description="Hash algorithm of the pieces")
    length: int = Field(description="Length of a piece, bytes")
    hashes: tuple[str, ...] = Field(
        repr=False, description="Digests in the order of the pieces, hexadecimal"
    )

    @field_validator("length")
    @classmethod
    def _check_length(cls, value: int) -> int:
        if value < 1:
            raise ValueError(f"piece length is {value} bytes; it must be 1 or more")
        return value

    @field_validator("hashes")
    @classmethod
    def _normalise_hashes(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        algorithm = info.data.get("algorithm")
        hashes = tuple(digest.strip().lower() for digest in value)
        if not hashes:
            raise ValueError("a list of piece hashes must not be empty")
        for number, digest in enumerate(hashes, 1):
            try:
                if algorithm is not None:
                    _check_digest(algorithm, digest)
            except ValueError as error:
                raise ValueError(f"piece {number} of {len(hashes)}: {error}") from None
        return hashes

    def check_size(self, size: int) -> None:
        """Check that the number of hashes fits a file of `size` bytes.

        Raises:
            ValueError: the number does not fit.
        """
        needed = max(-(-size // self.length), 1)
        if needed != len(self.hashes):
            raise ValueError(
                f"a file of {count_text(size, 'byte')} has {count_text(needed, 'piece')} of "
                f"{count_text(self.length, 'byte')}, but the list has "
                f"{count_text(len(self.hashes), 'piece hash', 'piece hashes')}"
            )


class ValidationResult(BaseModel):
    """Result of comparing the digest of a file with the expected one."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    algorithm: HashAlgorithm = Field(description="Hash algorithm used")
    expected_hash: str = Field(min_length=1, description="Expected digest, hexadecimal")
    calculated_hash: str = Field(min_length=1, description="Digest of the file, hexadecimal")
    duration_ms: float = Field(default=0.0, ge=0, description="Time taken, milliseconds")

    @computed_field  # type: ignore[prop-decorator]
    @property
    def is_valid(self) -> bool:
        """True if the digests are equal; compared in constant time."""
        return hmac.compare_digest(self.expected_hash.lower(), self.calculated_hash.lower())
