"""Checksums that a user or a list gives for a file, and the outcome of comparing them."""

import hmac
import string
from enum import StrEnum
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, computed_field, field_validator, model_validator

_HEX_DIGITS = frozenset(string.hexdigits.lower())


class HashAlgorithm(StrEnum):
    """Hash algorithms accepted for validation; every value is a name `hashlib.new` knows."""

    MD5 = "md5"
    SHA1 = "sha1"
    SHA256 = "sha256"
    SHA384 = "sha384"
    SHA512 = "sha512"
    BLAKE2B = "blake2b"

    @property
    def hex_length(self) -> int:
        """Number of hexadecimal characters in a digest of this algorithm."""
        return _HEX_LENGTHS[self]


_HEX_LENGTHS = {
    HashAlgorithm.MD5: 32,
    HashAlgorithm.SHA1: 40,
    HashAlgorithm.SHA256: 64,
    HashAlgorithm.SHA384: 96,
    HashAlgorithm.SHA512: 128,
    HashAlgorithm.BLAKE2B: 128,
}


class HashConfig(BaseModel):
    """The checksum a finished file must have."""

    model_config = ConfigDict(frozen=True)

    algorithm: HashAlgorithm = Field(description="Hash algorithm to use")
    expected_hash: str = Field(min_length=1, description="Expected digest, hexadecimal")

    @field_validator("expected_hash", mode="before")
    @classmethod
    def _normalise_hash(cls, value: object) -> object:
        return value.strip().lower() if isinstance(value, str) else value

    @model_validator(mode="after")
    def _check_digest(self) -> Self:
        if not _HEX_DIGITS.issuperset(self.expected_hash):
            raise ValueError(
                f"{self.algorithm} hash {self.expected_hash!r} is not hexadecimal (0-9, a-f)"
            )
        if len(self.expected_hash) != self.algorithm.hex_length:
            raise ValueError(
                f"{self.algorithm} hash has {len(self.expected_hash)} characters, "
                f"{self.algorithm.hex_length} are needed"
            )
        return self

    @classmethod
    def from_checksum_string(cls, checksum: str) -> Self:
        """Read `ALGORITHM:HEX`, such as `sha256:9f86d0…`.

        Raises:
            ValueError: naming what is wrong (no colon, unknown algorithm, bad digest).
        """
        name, colon, digest = checksum.partition(":")
        known = ", ".join(HashAlgorithm)
        if not colon:
            raise ValueError(f"hash {checksum!r} is not of the form ALGORITHM:HEX ({known})")
        try:
            algorithm = HashAlgorithm(name.strip().lower().replace("-", ""))
        except ValueError:
            raise ValueError(f"hash algorithm {name!r} is unknown; known are {known}") from None
        if not digest.strip():
            raise ValueError(f"hash {checksum!r} has no digest after the colon")
        return cls(algorithm=algorithm, expected_hash=digest)


class ValidationResult(BaseModel):
    """The outcome of comparing a file's digest with the expected one."""

    model_config = ConfigDict(frozen=True)

    algorithm: HashAlgorithm = Field(description="Hash algorithm used")
    expected_hash: str = Field(min_length=1, description="Expected digest, hexadecimal")
    calculated_hash: str = Field(min_length=1, description="Digest of the file, hexadecimal")
    duration_ms: float = Field(default=0.0, ge=0, description="Time taken, milliseconds")

    @computed_field  # type: ignore[prop-decorator]
    @property
    def is_valid(self) -> bool:
        """Whether the digests are equal, compared in constant time."""
        return hmac.compare_digest(self.expected_hash.lower(), self.calculated_hash.lower())
