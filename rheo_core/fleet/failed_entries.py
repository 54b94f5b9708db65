"""Failed entries of one shard: from its manifest, or from its journal while it is not complete."""

from collections.abc import Iterator

from rheo_core.domain.fleet import EntryOutcome, facts_name, journal_name, part_name
from rheo_core.domain.fleet_view import FailedEntry
from rheo_core.domain.text import redact_url

from .shard_files import read_shard
from .targets import Target

_BATCH_ROWS = 2_000
_SHOWN = FailedEntry._fields
_COLUMNS = [*_SHOWN, "outcome"]


def failed_entries(target: Target, shard: int, pass_number: int) -> Iterator[FailedEntry]:
    """Yield the failed and unreadable entries of a shard, in the order of its list.

    A manifest is read in batches, so that the first entries are there at once.

    Raises:
        OSError: a file cannot be read, or is damaged.
        ImportError: pyarrow is not installed.
    """
    if target.exists(facts_name(shard, pass_number)):
        return _of_manifest(target, f"{part_name(shard, pass_number)}.parquet")
    return _of_journal(target, shard, pass_number)


def url_of(target: Target, shard: int, key: str) -> str | None:
    """Return the URL of an entry as the list has it, secrets included; None for another shard's.

    Raises:
        OSError: the list cannot be read.
    """
    found = (entry.url for entry in read_shard(target, shard) if entry.key == key)
    return next(found, None)


def _of_manifest(target: Target, name: str) -> Iterator[FailedEntry]:
    import pyarrow
    from pyarrow import parquet

    try:
        with target.open(name) as file:
            batches = parquet.ParquetFile(file).iter_batches(_BATCH_ROWS, columns=_COLUMNS)
            for batch in batches:
                for row in batch.to_pylist():
                    if row["outcome"] != "completed":
                        yield FailedEntry(*(str(row[name] or "") for name in _SHOWN))
    except (pyarrow.ArrowException, KeyError) as error:
        raise OSError(f"{name} is damaged: {error}") from None


def _of_journal(target: Target, shard: int, pass_number: int) -> Iterator[FailedEntry]:
    """Yield what the journal has; a worker in an object store keeps it on its own disk."""
    try:
        lines = target.read(journal_name(shard, pass_number)).splitlines()
    except FileNotFoundError:
        return
    failed: dict[str, EntryOutcome] = {}
    for line in lines:
        try:
            outcome = EntryOutcome.from_line(line)
        except (ValueError, TypeError):  # names the run or a worker, or is not complete
            continue
        failed.pop(outcome.key, None)
        if outcome.outcome != "completed":
            failed[outcome.key] = outcome
    for entry in read_shard(target, shard, pass_number):
        if (found := failed.get(entry.key)) is not None:
            yield FailedEntry(entry.key, redact_url(entry.url), found.kind or "", found.error or "")
