"""Check that the shards of an output folder are those of the user's list."""

import secrets
from collections.abc import Iterable
from hashlib import blake2b

from rheo_core.domain.fleet import FleetPlan, key_of

from .passes import read_passes
from .rows import Row
from .shard_files import line_of, read_lines
from .targets import Target

_KEY = key_of(0, 0)


def is_split_of(target: Target, plan: FleetPlan, rows: Iterable[Row]) -> bool:
    """Return True if the shards of a plan have exactly these rows, and its passes no others.

    Somebody else may have written the folder, and CRC-32 proves nothing. The order does not count,
    because the lanes depend on options that may have changed since. Therefore this compares sums of
    keyed hashes. Nobody can choose rows for a key that did not exist when they wrote them. Readers
    of a shard check its keys.

    Raises:
        OSError: a list is damaged or cannot be read.
        ValueError: a pass is damaged; one sentence.
        ListError: the user's list cannot be read.
    """
    secret = secrets.token_bytes(32)

    def digest(line: bytes) -> tuple[bytes, int]:
        """Return the key of a line, and a number for the rest."""
        key, _, content = line.partition(b",")
        hashed = blake2b(content, key=secret, digest_size=16)
        return key, int.from_bytes(hashed.digest())

    passes, total = read_passes(target), 0
    for shard, planned in enumerate(plan.shards):
        digests = [digest(line) for line in read_lines(target, shard, crc32=planned.crc32)]
        total += sum(number for _, number in digests)
        for each in passes:
            if shard in each.shards:
                retried = read_lines(target, shard, each.number, each.crc32_of(shard))
                if not set(digests).issuperset(map(digest, retried)):
                    return False
    return total == sum(digest(line_of(_KEY, row).encode("ascii"))[1] for row in rows)
