"""HashAlgorithm: the supported hash algorithms and the lengths of their digests."""

from enum import StrEnum


class HashAlgorithm(StrEnum):
    """Hash algorithms for validation. Every value is a name for `hashlib.new`."""

    MD5 = "md5"
    SHA1 = "sha1"
    SHA256 = "sha256"
    SHA384 = "sha384"
    SHA512 = "sha512"
    BLAKE2B = "blake2b"

    @property
    def hex_length(self) -> int:
        """Number of hexadecimal characters in a digest."""
        return _HEX_LENGTHS[self]

    @property
    def usual_name(self) -> str:
        """Name for users, such as `SHA-256`."""
        return _USUAL_NAMES[self]

    def is_weaker_than(self, other: "HashAlgorithm") -> bool:
        """Return True if rheo prefers a checksum of the other algorithm."""
        return STRONGEST_FIRST.index(self) > STRONGEST_FIRST.index(other)


_HEX_LENGTHS = {
    HashAlgorithm.MD5: 32,
    HashAlgorithm.SHA1: 40,
    HashAlgorithm.SHA256: 64,
    HashAlgorithm.SHA384: 96,
    HashAlgorithm.SHA512: 128,
    HashAlgorithm.BLAKE2B: 128,
}
_USUAL_NAMES = {
    HashAlgorithm.MD5: "MD5",
    HashAlgorithm.SHA1: "SHA-1",
    HashAlgorithm.SHA256: "SHA-256",
    HashAlgorithm.SHA384: "SHA-384",
    HashAlgorithm.SHA512: "SHA-512",
    HashAlgorithm.BLAKE2B: "BLAKE2b",
}

STRONGEST_FIRST = (
    HashAlgorithm.SHA512,
    HashAlgorithm.SHA384,
    HashAlgorithm.SHA256,
    HashAlgorithm.BLAKE2B,
    HashAlgorithm.SHA1,
    HashAlgorithm.MD5,
)
"""Order in which rheo chooses one of several checksums of a file."""
