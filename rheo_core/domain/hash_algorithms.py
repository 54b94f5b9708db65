"""HashAlgorithm: supported hash algorithms and the lengths of their digests."""

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


_HEX_LENGTHS = {
    HashAlgorithm.MD5: 32,
    HashAlgorithm.SHA1: 40,
    HashAlgorithm.SHA256: 64,
    HashAlgorithm.SHA384: 96,
    HashAlgorithm.SHA512: 128,
    HashAlgorithm.BLAKE2B: 128,
}
