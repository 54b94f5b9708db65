"""Check a run: compare its files with the facts and manifests of its shards."""

import errno
import hashlib
import os
from collections.abc import Iterator, Mapping
from typing import Any

from rheo_core.domain.fleet import FleetPlan, ShardFacts
from rheo_core.domain.units import count_text

from .checksums import blocks_of, matches
from .layouts.tar import head_of_member, padding_of_member
from .manifest import read_manifest
from .passes import PlannedShard, planned_shards, read_passes
from .shard_files import read_shard
from .status import complete_shards, read_facts_of
from .targets import Target


def problems(target: Target, plan: FleetPlan, *, deep: bool) -> Iterator[str]:
    """Yield a sentence on everything that is missing, left over or damaged in complete shards.

    Args:
        target: the output folder.
        plan: its plan.
        deep: read all files and compare their checksums, instead of sizes only.

    Raises:
        OSError: something cannot be read.
        ValueError: facts are damaged; one sentence.
    """
    stored = target.sizes()
    complete = complete_shards(target, planned_shards(plan, read_passes(target)))
    for planned, facts in zip(complete, read_facts_of(target, complete), strict=True):
        yield from _of_shard(target, plan, planned, facts, stored, deep=deep)


def _of_shard(
    target: Target,
    plan: FleetPlan,
    planned: PlannedShard,
    facts: ShardFacts,
    stored: dict[str, int],
    *,
    deep: bool,
) -> Iterator[str]:
    name, manifest, tar = planned.facts_name, f"{planned.part}.parquet", f"{planned.part}.tar"
    if not facts.entries == sum(facts.counts.values()) == planned.entries:
        entries = count_text(facts.entries, "entry", "entries")
        yield f"{name} counts {entries}, and the plan {planned.entries:,}"
    wrong = dict(_parts(target, facts, stored, deep=deep))
    yield from wrong.values()
    if plan.layout == "tar" and tar not in facts.parts:
        yield f"{name} does not name a tar"
    if manifest not in facts.parts:
        yield f"{name} does not name a manifest"
    if manifest not in facts.parts or manifest not in stored:
        return
    hashes: dict[str, str] = {}
    if deep:
        try:
            hashes = _hashes_of(target, plan, planned)
        except OSError as error:
            yield str(error.strerror or error)
    if plan.layout == "files":
        yield from _files(target, planned.part, manifest, hashes, deep=deep)
    elif deep and tar in facts.parts and tar not in wrong:
        yield from _members(target, tar, manifest, hashes)


def _hashes_of(target: Target, plan: FleetPlan, planned: PlannedShard) -> dict[str, str]:
    """Return the checksums that the list of a shard has, by key. Keys are those of all passes."""
    entries = read_shard(target, planned.shard, crc32=plan.crc32_of(planned.shard))
    return {entry.key: entry.hash for entry in entries if entry.hash is not None}


def _parts(
    target: Target, facts: ShardFacts, stored: dict[str, int], *, deep: bool
) -> Iterator[tuple[str, str]]:
    """Compare manifest and tar with the facts; yield the name of a wrong one, and a sentence."""
    for name, expected in facts.parts.items():
        size = stored.get(name)
        if size is None:
            yield name, _absent(target, name)
        elif size != expected.size_bytes:
            yield name, f"{name} has {count_text(size, 'byte')} instead of {expected.size_bytes:,}"
        elif deep and _digest(target, name, "sha256") != expected.sha256:
            yield name, f"{name} does not match its checksum"


def _absent(target: Target, name: str) -> str:
    """Return a sentence on a result that `Target.sizes` does not have."""
    return f"{name} is {'not a regular file' if target.exists(name) else 'missing'}"


def _files(
    target: Target, folder: str, manifest: str, hashes: Mapping[str, str], *, deep: bool
) -> Iterator[str]:
    """Compare the files of a shard with its manifest, and with the checksums of its list."""
    try:
        stored = target.sizes(folder)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        yield f"{folder} is a symbolic link"
        return
    for row in read_manifest(target, manifest, ("key", "file", "size", "hash")):
        if (name := row["file"]) is None:
            continue
        size = stored.pop(name, None)
        if size is None:
            yield _absent(target, f"{folder}/{name}")
        elif size != row["size"]:
            yield f"{folder}/{name} has {count_text(size, 'byte')} instead of {row['size'] or 0:,}"
        elif deep and (checksums := _checksums_of(row, hashes)):
            with target.open(f"{folder}/{name}") as file:
                yield from _compared(blocks_of(file, size), checksums, f"{folder}/{name}")
    for name in stored:
        yield f"{folder}/{name} is not in the manifest"


def _members(target: Target, tar: str, manifest: str, hashes: Mapping[str, str]) -> Iterator[str]:
    """Compare the files in a tar with its manifest, and with the checksums of its list.

    It must be a tar of rheo. A library that reads any tar would take memory for long heads.
    """
    place = 0
    with target.open(tar) as file:
        length = file.seek(0, os.SEEK_END)
        for row in read_manifest(target, manifest, ("key", "file", "size", "hash", "type")):
            if (name := row["file"]) is None:
                continue
            size = max(row["size"] or 0, 0)
            head = head_of_member(name, row["type"], size)
            file.seek(place)
            if file.read(len(head)) != head or place + len(head) + size > length:
                yield f"{tar} does not have {name} at byte {place:,}"
                return
            checksums = _checksums_of(row, hashes)
            yield from _compared(blocks_of(file, size), checksums, f"{name} in {tar}")
            place += len(head) + size + padding_of_member(size)


def _checksums_of(row: Mapping[str, Any], hashes: Mapping[str, str]) -> set[str]:
    """Return the checksums that the file of a row must have."""
    return {each for each in (row["hash"], hashes.get(row["key"])) if each is not None}


def _compared(blocks: Iterator[bytes], checksums: set[str], name: str) -> Iterator[str]:
    try:
        if not matches(blocks, checksums):
            yield f"{name} does not match its checksum"
    except ValueError as error:
        yield f"{name} has an unknown checksum: {error}"


def _digest(target: Target, name: str, algorithm: str) -> str:
    with target.open(name) as file:
        return hashlib.file_digest(file, algorithm).hexdigest()
