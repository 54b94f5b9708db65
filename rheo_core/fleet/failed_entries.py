"""Read the failed entries of a shard from its manifest or its journal."""

from collections.abc import Iterator
from contextlib import suppress

from rheo_core.domain.fleet import (
    MAX_SHARD_SIZE,
    EntryOutcome,
    FleetEntry,
    facts_name,
    journal_name,
    part_name,
)
from rheo_core.domain.fleet_view import FailedEntry
from rheo_core.domain.text import redact_url

from .manifest import read_manifest
from .output_files import journal_lines
from .planning import PlanError, read_plan
from .shard_files import read_shard
from .targets import Target

_SHOWN = FailedEntry._fields
_COLUMNS = [*_SHOWN, "outcome"]


def failed_entries(target: Target, shard: int, pass_number: int) -> Iterator[FailedEntry]:
    """Yield the failed and unreadable entries of a shard, in the order of its list.

    This reads a manifest in batches, so that the first entries appear at once.

    Raises:
        OSError: a file cannot be read, or is damaged.
        ValueError: the manifest is damaged; one sentence.
        ImportError: pyarrow is not installed.
    """
    if target.exists(facts_name(shard, pass_number)):
        return _of_manifest(target, f"{part_name(shard, pass_number)}.parquet")
    return _of_journal(target, shard, pass_number)


def url_of(target: Target, shard: int, key: str) -> str | None:
    """Return the URL of an entry in the list, with its secrets; None for another shard's entry.

    Raises:
        OSError: plan or list cannot be read.
        PlanError: the folder has no plan, or a damaged one; one sentence.
    """
    urls = (entry.url for entry in _listed(target, shard) if entry.key == key)
    return next(urls, None)


def _listed(target: Target, shard: int) -> Iterator[FleetEntry]:
    """Yield the entries of a shard's list, which contains those of all passes."""
    plan = read_plan(target)
    if plan is None:
        raise PlanError("it has no plan")
    return read_shard(target, shard, crc32=plan.crc32_of(shard))


def _of_manifest(target: Target, name: str) -> Iterator[FailedEntry]:
    for row in read_manifest(target, name, _COLUMNS):
        if row["outcome"] != "completed":
            yield FailedEntry(*(row[name] or "" for name in _SHOWN))


def _of_journal(target: Target, shard: int, pass_number: int) -> Iterator[FailedEntry]:
    """Yield the outcomes in the journal; with an object store, only the worker has it."""
    failed: dict[str, EntryOutcome] = {}
    with suppress(FileNotFoundError), target.open(journal_name(shard, pass_number)) as file:
        for line in journal_lines(file):
            with suppress(ValueError, TypeError):  # it names the run or a worker
                outcome = EntryOutcome.from_line(line)
                failed.pop(outcome.key, None)
                if outcome.outcome != "completed" and len(failed) < MAX_SHARD_SIZE:
                    failed[outcome.key] = outcome
    if not failed:
        return
    for entry in _listed(target, shard):
        if (failure := failed.get(entry.key)) is not None:
            yield FailedEntry(
                entry.key, redact_url(entry.url), failure.kind or "", failure.error or ""
            )
