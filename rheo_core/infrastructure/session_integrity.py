"""Seal session rows with a checksum and a MAC (message authentication code)."""

import marshal
import sqlite3
import zlib
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

from . import session_schema as schema
from .session_schema import Proof, StoredDownload

_CRC_BYTES = 4
_MAC_BYTES = 12
_MAX_FLIPPED_BITS = 2  # tolerated in the MAC; a forged one matches with a chance of 2^-84

_GREATEST = 2**63 - 1  # maximum of an integer column
_UNBOUNDED = tuple(map(schema.COLUMNS.index, ("priority", "total_bytes")))
_CONFIG = schema.COLUMNS.index("config")
_LISTED = schema.COLUMNS.index("listed")
_DESTINATION, _REALS = schema.DESTINATION, tuple(schema.REALS)


class Seals:
    """Seals of rows: CRC-32 and BLAKE2b with a key, over the stored values.

    The keyed hash distinguishes our rows from forged ones. The CRC distinguishes damaged rows from
    rows that were written with another key, for example by another user.

    Args:
        key: the key of the state folder; b"" if there is none. Then a seal proves nothing,
            because anybody can make it.
        owns_unsealed: rows of earlier layouts, which have no seals, count as ours, and so do rows
            that were sealed without a key.
    """

    def __init__(self, key: bytes, *, owns_unsealed: bool) -> None:
        self._keyed = blake2b(key=key, digest_size=_MAC_BYTES)
        self.has_key = bool(key)
        self._owns_unsealed = owns_unsealed
        self._right = Proof.OURS if key or owns_unsealed else Proof.INTACT

    def make(self, values: Sequence[Any]) -> bytes:
        """Return the seal of a row with these values, which have the types of SQLite's results."""
        data = _encode(values)
        keyed = self._keyed.copy()
        keyed.update(data)
        return zlib.crc32(data).to_bytes(_CRC_BYTES, "big") + keyed.digest()

    def make_late(self, values: Sequence[Any]) -> bytes:
        """Return a seal for a row without one; it proves a row ours only if such rows are ours."""
        seal = self.make(values)
        return seal if self._owns_unsealed else seal[:_CRC_BYTES] + bytes(_MAC_BYTES)

    def renew(self, values: Sequence[Any], seal: Any) -> Any:
        """Convert the seal of a row of layout 3 to the present layout; it proves the same.

        Args:
            values: the values of layout 3; the new one, the failure, is unknown.
            seal: the seal over them. That of a damaged row stays and is wrong.
        """
        proof = self.judge(values, seal)
        if proof is Proof.DAMAGED:
            return seal
        renewed = self.make([*values, None])
        return renewed if proof is Proof.OURS else renewed[:_CRC_BYTES] + bytes(_MAC_BYTES)

    def judge(self, values: Sequence[Any], seal: object) -> Proof:
        """Return the proof that `seal` gives for a row with these values."""
        if not isinstance(seal, bytes):
            return Proof.DAMAGED
        data = _encode(values)
        if (mac := self._mac(data)) == seal[_CRC_BYTES:]:
            return self._right
        if zlib.crc32(data).to_bytes(_CRC_BYTES, "big") != seal[:_CRC_BYTES]:
            return Proof.DAMAGED
        differing = int.from_bytes(mac, "big") ^ int.from_bytes(seal[_CRC_BYTES:], "big")
        return self._right if differing.bit_count() <= _MAX_FLIPPED_BITS else Proof.INTACT

    def judge_row(self, values: Sequence[Any], seal: object) -> Proof:
        """Return the proof for a download. Types and size are checked if another user wrote it."""
        proof = self.judge(values, seal)
        if proof is not Proof.INTACT:
            return proof
        is_sound = schema.is_typed(values) and len(values[_CONFIG]) <= schema.MAX_ROW_BYTES
        return Proof.INTACT if is_sound else Proof.DAMAGED

    def to_values(self, download: StoredDownload) -> list[Any]:
        """Return the values of the row of a download, its seal last."""
        values: list[Any] = list(download)
        del values[-1]
        values[_DESTINATION] = _encode_path(download.destination)
        for index in _UNBOUNDED:  # servers may claim any size
            if (number := values[index]) is not None and number > _GREATEST:
                values[index] = _GREATEST
        # The seal covers the values that SQLite will return: floats, never -0.0, and no bool.
        for index in _REALS:
            if (value := values[index]) is not None:
                values[index] = value + 0.0
        values[_LISTED] = int(download.listed)
        values.append(self.make(values))
        return values

    def to_download(self, values: Sequence[Any]) -> StoredDownload:
        """Return the download of a row, with the proof that its seal gives."""
        row = list(values)
        row[-1] = self.judge_row(values[:-1], values[-1])
        row[_DESTINATION] = _decode_path(row[_DESTINATION])
        return StoredDownload._make(row)

    def _mac(self, data: bytes) -> bytes:
        keyed = self._keyed.copy()
        keyed.update(data)
        return keyed.digest()


def _encode(values: Sequence[Any]) -> bytes:
    # Five times as fast as JSON. Version 2 is the last without references, which would depend on
    # more than the values; it has been the same since Python 2.5. Nothing is ever read with it.
    return marshal.dumps(tuple(values), 2)


def _encode_path(path: str | None) -> bytes | None:
    # A path may contain bytes that are not text.
    return None if path is None else path.encode(errors="surrogateescape")


def _decode_path(path: object) -> Any:
    return path.decode(errors="surrogateescape") if isinstance(path, bytes) else path


def seal_with(connection: sqlite3.Connection, seals: Seals) -> None:
    """Register the SQL functions that migrations use to make seals."""

    def seal_download(*values: Any) -> bytes:
        return seals.make_late(_with_texts(values))

    def renew_seal(*values: Any) -> Any:
        return seals.renew(_with_texts(values[:-1]), values[-1])

    connection.create_function("seal_download", -1, seal_download)
    connection.create_function("renew_seal", -1, renew_seal)
    connection.create_function("seal_tally", -1, lambda *values: seals.make(values))


def _with_texts(values: Sequence[Any]) -> list[Any]:
    """Return the values of a row whose texts are bytes.

    SQLite cannot call a function with a damaged text.
    """
    return [
        value.decode(errors="replace")
        if index in schema.TEXTS and isinstance(value, bytes)
        else value
        for index, value in enumerate(values)
    ]
