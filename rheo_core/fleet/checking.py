"""Check a run: compare its files with the facts and manifests of its shards."""

import hashlib
from collections.abc import Iterator, Mapping

from rheo_core.domain.fleet import FleetPlan, ShardFacts
from rheo_core.domain.units import count_text

from .layouts import LAYOUTS
from .layouts.expected_file import ExpectedFile
from .manifest import read_manifest
from .passes import PlannedShard, planned_shards, read_passes
from .shard_files import read_shard
from .status import complete_shards, read_facts_of
from .targets import Target, absence_of


def problems(target: Target, plan: FleetPlan, *, deep: bool) -> Iterator[str]:
    """Yield a sentence about each missing, extra or damaged file of complete shards.

    Args:
        target: the output folder.
        plan: its plan.
        deep: read all files and compare their checksums, instead of sizes only.

    Raises:
        OSError: a file cannot be read.
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
    name, manifest = planned.facts_name, f"{planned.part}.parquet"
    layout = LAYOUTS[plan.layout]
    archive = f"{planned.part}.{layout.archive}" if layout.archive else None
    if not facts.entries == sum(facts.counts.values()) == planned.entries:
        entries = count_text(facts.entries, "entry", "entries")
        yield f"{name} counts {entries}, and the plan {planned.entries:,}"
    wrong = dict(_parts(target, facts, stored, deep=deep))
    yield from wrong.values()
    if archive is not None and archive not in facts.parts:
        yield f"{name} does not name a {layout.archive}"
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
    if archive is None or (deep and archive in facts.parts and archive not in wrong):
        expected = _expected_files(target, manifest, hashes, deep=deep)
        yield from layout.check(target, planned.part, expected)


def _hashes_of(target: Target, plan: FleetPlan, planned: PlannedShard) -> dict[str, str]:
    """Return the checksums in the lists of a shard by key, for all passes."""
    entries = read_shard(target, planned.shard, crc32=plan.crc32_of(planned.shard))
    return {entry.key: entry.hash for entry in entries if entry.hash is not None}


def _parts(
    target: Target, facts: ShardFacts, stored: dict[str, int], *, deep: bool
) -> Iterator[tuple[str, str]]:
    """Compare manifest and archive with the facts; yield names of wrong ones, with sentences."""
    for name, expected in facts.parts.items():
        size = stored.get(name)
        if size is None:
            yield name, absence_of(target, name)
        elif size != expected.size_bytes:
            yield name, f"{name} has {count_text(size, 'byte')} instead of {expected.size_bytes:,}"
        elif deep and _digest(target, name, "sha256") != expected.sha256:
            yield name, f"{name} does not match its checksum"


def _expected_files(
    target: Target, manifest: str, hashes: Mapping[str, str], *, deep: bool
) -> Iterator[ExpectedFile]:
    """Yield the files of a manifest, with the checksums from it and from the shard's list."""
    for row in read_manifest(target, manifest, ("key", "file", "size", "hash", "type")):
        if row["file"] is not None:
            known = (row["hash"], hashes.get(row["key"])) if deep else ()
            checksums = frozenset(each for each in known if each is not None)
            yield ExpectedFile(row["file"], row["size"], row["type"], checksums)


def _digest(target: Target, name: str, algorithm: str) -> str:
    with target.open(name) as file:
        return hashlib.file_digest(file, algorithm).hexdigest()
