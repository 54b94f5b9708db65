"""Manifest: the Parquet file with the outcome of every entry of a shard."""

import json
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rheo_core.domain.fleet import MAX_SHARD_BYTES, MAX_SHARD_SIZE, EntryOutcome, FleetEntry
from rheo_core.domain.text import redact_url
from rheo_core.infrastructure.files import open_new

from .parquet_pages import batches, open_parquet
from .targets import Target, file_errors

if TYPE_CHECKING:
    import pyarrow

_KEPT_PREFIX = "kept_"
_BATCH_ROWS = 256
_MAX_BYTES = 2 * MAX_SHARD_BYTES  # of the columns that are read


def check_installed() -> None:
    """Check that rheo can write manifests, before hours of downloads.

    Raises:
        ValueError: pyarrow is not installed; one sentence without a full stop.
    """
    if find_spec("pyarrow") is None:
        raise ValueError("a fleet needs pyarrow: pip install 'rheo-tui[fleet]'")


def write_manifest(
    path: Path,
    entries: Sequence[FleetEntry],
    outcomes: Mapping[str, EntryOutcome],
    keep: Sequence[str],
) -> None:
    """Write the manifest of a shard, in the order of its entries. Secrets in URLs are removed.

    Kept columns are text, so that all manifests of a run have one schema.

    Args:
        path: the file to write.
        entries: all entries of the shard.
        outcomes: the outcome of each, by key.
        keep: columns of the user's list to repeat.

    Raises:
        OSError: the file cannot be written.
    """
    import pyarrow as pa
    from pyarrow import parquet

    ended = [outcomes[entry.key] for entry in entries]
    columns: dict[str, pyarrow.Array] = {
        "key": pa.array([entry.key for entry in entries], pa.string()),
        "url": pa.array([redact_url(entry.url) for entry in entries], pa.string()),
    }
    for name, kind in _kinds().items():
        columns[name] = pa.array([getattr(each, name) for each in ended], kind)
    columns["name"] = pa.array([entry.name for entry in entries], pa.string())
    for name in dict.fromkeys(keep):
        values = [_text(entry.extra.get(name)) for entry in entries]
        columns[kept_name(name, columns)] = pa.array(values, pa.string())
    with file_errors(path), open_new(path) as file:  # pyarrow accepts only UTF-8 paths
        parquet.write_table(pa.table(columns), file, compression="zstd")


def read_manifest(target: Target, name: str, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield some columns of a stored manifest, row by row.

    Raises:
        OSError: it cannot be read.
        ValueError: it is damaged, or another program wrote it; one sentence.
    """
    import pyarrow as pa

    kinds = {"key": pa.string(), "url": pa.string(), **_kinds()}
    schema = pa.schema([(column, kinds[column]) for column in columns])
    rows = size = 0
    try:
        with target.open(name) as file:
            table = open_parquet(file)
            for batch in batches(file, table, _BATCH_ROWS, schema.names):
                rows += batch.num_rows
                size += batch.nbytes
                if rows > MAX_SHARD_SIZE or size > _MAX_BYTES:
                    raise ValueError(
                        f"it has more than {MAX_SHARD_SIZE:,} rows or {_MAX_BYTES:,} bytes"
                    )
                yield from (
                    pa.Table.from_batches([batch]).select(schema.names).cast(schema).to_pylist()
                )
    except (pa.ArrowException, ValueError, KeyError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # otherwise it is from pyarrow
            raise
        reason = str(error.args[0] if error.args else error).partition("\n")[0]
        raise ValueError(f"{name} is damaged: {reason}") from None


def kept_name(name: str, taken: Mapping[str, object]) -> str:
    """Return a name for a kept column: its own, unless the manifest already has this column."""
    while name in taken:
        name = f"{_KEPT_PREFIX}{name}"
    return name


def _kinds() -> dict[str, "pyarrow.DataType"]:
    """Return the types of the columns from outcomes."""
    import pyarrow as pa

    return {
        "outcome": pa.string(),
        "status": pa.int16(),
        "size": pa.int64(),
        "type": pa.string(),
        "hash": pa.string(),
        "error": pa.string(),
        "kind": pa.string(),
        "attempts": pa.int16(),
        "seconds": pa.float32(),
        "file": pa.string(),
        "final_url": pa.string(),
    }


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)
