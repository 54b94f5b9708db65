"""Checks of a run: its files, compared with its facts and manifests."""

import hashlib
from collections.abc import Iterator

from rheo_core.domain.fleet import FleetPlan, ShardFacts
from rheo_core.domain.hash_algorithms import HashAlgorithm

from .manifest import read_manifest
from .passes import planned_shards, read_passes
from .status import complete_shards, read_facts_of
from .targets import Target

_ALGORITHMS = frozenset(HashAlgorithm)


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
        name, manifest = planned.facts_name, f"{planned.part}.parquet"
        if not facts.entries == sum(facts.counts.values()) == planned.entries:
            yield f"{name} counts {facts.entries:,} entries, and the plan {planned.entries:,}"
        yield from _parts(target, facts, stored, deep=deep)
        if manifest not in facts.parts:
            yield f"{name} names no manifest"
        elif manifest in stored and plan.layout == "files":
            yield from _files(target, planned.part, manifest, deep=deep)


def _parts(
    target: Target, facts: ShardFacts, stored: dict[str, int], *, deep: bool
) -> Iterator[str]:
    """Compare manifest and tar with the facts."""
    for name, expected in facts.parts.items():
        size = stored.get(name)
        if size is None:
            yield f"{name} is missing"
        elif size != expected.size_bytes:
            yield f"{name} has {size:,} bytes instead of {expected.size_bytes:,}"
        elif deep and _digest(target, name, "sha256") != expected.sha256:
            yield f"{name} does not match its checksum"


def _files(target: Target, folder: str, manifest: str, *, deep: bool) -> Iterator[str]:
    """Compare the files of a shard with its manifest."""
    stored = target.sizes(folder)
    for row in read_manifest(target, manifest, ("file", "size", "hash")):
        if (name := row["file"]) is None:
            continue
        size = stored.pop(name, None)
        if size is None:
            yield f"{folder}/{name} is missing"
        elif size != row["size"]:
            yield f"{folder}/{name} has {size:,} bytes instead of {row['size'] or 0:,}"
        elif deep and row["hash"] is not None:
            algorithm, _, digest = row["hash"].partition(":")
            if algorithm not in _ALGORITHMS:
                yield f"{manifest} has an unknown checksum for {folder}/{name}"
            elif _digest(target, f"{folder}/{name}", algorithm) != digest:
                yield f"{folder}/{name} does not match its checksum"
    for name in stored:
        yield f"{folder}/{name} is not in the manifest"


def _digest(target: Target, name: str, algorithm: str) -> str:
    with target.open(name) as file:
        return hashlib.file_digest(file, algorithm).hexdigest()
