"""Data types of a fleet run: plans, shards, entries and their outcomes.

rheo writes them to the output folder as JSON, and other processes and machines read them.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from json.encoder import encode_basestring_ascii as _quoted
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from annotated_types import Interval, MaxLen

if TYPE_CHECKING:
    from pydantic import TypeAdapter

Spread = Literal["sites", "order"]
LayoutName = Literal["files", "tar"]
Outcome = Literal["completed", "failed", "unreadable"]
FleetState = Literal["running", "stopped", "failed", "complete"]
Number = Annotated[int, Interval(ge=-(2**63), le=2**63 - 1)]
"""Whole number that another program may have written. No sum of them is too large for a float."""
Real = Annotated[float, Interval(ge=-1e18, le=1e18)]
"""Like `Number`, with a fraction; it is finite."""
MAX_NAME_LENGTH = 400
Name = Annotated[str, MaxLen(MAX_NAME_LENGTH)]
Counts = Annotated[dict[Name, Number], MaxLen(1_000)]
"""Numbers by outcome, kind of error, host or site."""

PLAN_VERSION = 2
DEFAULT_SHARD_SIZE = 10_000
MAX_SHARD_SIZE = 100_000  # a place in a shard has five digits
MAX_SHARDS = 1_000_000  # a shard has six
MAX_SHARD_BYTES = 64 << 20
"""Bytes of the lines of a shard's list. A shard that has them is full."""
MAX_KEPT_COLUMNS = 1_000
"""Columns of a list that the manifests repeat. Each takes memory for every row of a shard."""
MAX_LINE_BYTES = 1 << 20
"""Bytes of one line: of an entry in a shard's list, and of an outcome in a journal."""

FOLDER = "_rheo"
PLAN_NAME = f"{FOLDER}/plan.json"
STATUS_NAME = f"{FOLDER}/status.json"
STOP_NAME = f"{FOLDER}/stop"
JOURNALS = f"{FOLDER}/journals"
LISTS = f"{FOLDER}/shards"

_FILE_NAME = re.compile(r"(\d{11})[^/\0]*")  # a key, and usually an extension

_T = TypeVar("_T")


def key_of(shard: int, place: int) -> str:
    """Return the key of an entry, which is also its file's name: `00012300456`."""
    return f"{shard:06d}{place:05d}"


def pass_name(pass_number: int) -> str:
    """Return the path of a retry pass in the output folder."""
    return f"{FOLDER}/pass-{pass_number}.json"


def part_name(shard: int, pass_number: int = 1) -> str:
    """Return the name of a shard's results, without a suffix: `part-000123`, `part-000123.p2`."""
    return f"part-{shard:06d}" + (f".p{pass_number}" if pass_number > 1 else "")


def facts_name(shard: int, pass_number: int = 1) -> str:
    """Return the path of a shard's facts in the output folder. They exist once it is complete."""
    return f"{part_name(shard, pass_number)}.json"


def shard_list_name(shard: int, pass_number: int = 1, crc32: int | None = None) -> str:
    """Return the path of a shard's list in the output folder.

    Args:
        shard: number of the shard.
        pass_number: 1, or number of a retry pass.
        crc32: checksum of its lines, so that two lists planned at the same time get different
            names. The plan or the pass contains its own. None: an earlier version planned it.
    """
    suffix = f".p{pass_number}" if pass_number > 1 else ""
    checksum = f"-{crc32:08x}" if crc32 is not None else ""
    return f"{LISTS}/{shard:06d}{suffix}{checksum}.jsonl.gz"


def journal_name(shard: int, pass_number: int = 1) -> str:
    """Return the path of a shard's journal, which exists while the shard is not complete."""
    suffix = f".p{pass_number}" if pass_number > 1 else ""
    return f"{JOURNALS}/{shard:06d}{suffix}.jsonl"


@dataclass(frozen=True, slots=True)
class FleetEntry:
    """One row of the user's list: one line of a list in `_rheo/shards`."""

    key: str  # shard and place in it
    url: str  # if `problem` is set: the text of the row, without secrets
    size_bytes: Annotated[int, Interval(ge=0, le=2**63 - 1)] | None = None  # as the list says
    hash: str | None = None  # `sha256:…`
    name: str | None = None
    extra: Mapping[str, object] = field(default_factory=dict)  # kept columns, JSON values
    problem: str | None = None  # the reason why the row cannot be downloaded

    def to_line(self) -> str:
        """Return the entry as a line of JSON, with its line end."""
        line = f'{{"key":"{self.key}","url":{_quoted(self.url)}'
        others = self.hash or self.name or self.extra or self.problem
        if self.size_bytes is None and not others:  # most lines of a long list
            return line + "}\n"
        fields = {
            "size_bytes": self.size_bytes,
            "hash": self.hash,
            "name": self.name,
            "extra": dict(self.extra) or None,
            "problem": self.problem,
        }
        known = {name: value for name, value in fields.items() if value is not None}
        return f"{line},{json.dumps(known, separators=(',', ':'))[1:]}\n"

    @classmethod
    def from_line(cls, line: str | bytes) -> "FleetEntry":
        """Return the entry of a line that `to_line` wrote.

        Raises:
            ValueError: it is another line.
        """
        return from_json(cls, line)


@dataclass(frozen=True, slots=True)
class EntryOutcome:
    """Result of one entry: one line of a journal, and one row of a manifest."""

    key: str
    outcome: Outcome
    file: str | None = None  # name in the folder of the shard, or in its tar
    status: Annotated[int, Interval(ge=0, le=999)] | None = None  # of the last HTTP response
    size: Annotated[int, Interval(ge=0, le=2**63 - 1)] | None = None  # bytes
    type: str | None = None  # media type from the server
    hash: str | None = None  # `sha256:…`
    final_url: str | None = None  # after redirects, without secrets
    error: str | None = None
    kind: Name | None = None  # of the error, such as `timeout` or `http_404`
    attempts: Annotated[int, Interval(ge=0, le=2**15 - 1)] = 0  # a manifest has two bytes for it
    seconds: Real = 0.0

    def to_line(self) -> bytes:
        """Return the outcome as a line of JSON, with its line end."""
        return _adapter_of(EntryOutcome).dump_json(self, exclude_none=True, warnings=False) + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> "EntryOutcome":
        """Return the outcome of a line that `to_line` wrote.

        Raises:
            ValueError: it is another line, or names a file of another entry or place.
        """
        outcome = from_json(cls, line)
        if not outcome._names_its_file:
            raise ValueError(f"{outcome.key} cannot have the file {outcome.file!r}")
        return outcome

    @property
    def _names_its_file(self) -> bool:
        """True if a completed entry has a file that is named by its key, and others have none."""
        if self.outcome != "completed":
            return self.file is None
        named = _FILE_NAME.fullmatch(self.file or "")
        return named is not None and named[1] == self.key and self.size is not None


@dataclass(frozen=True, slots=True)
class ShardTask:
    """Work of one call on a worker. It contains no URL and no secret."""

    out: str  # local path or fsspec URL
    shard: int
    pass_number: int = 1
    at_once: int = 1  # shards of the run at a time, which share the worker's total speed limit


@dataclass(frozen=True, slots=True)
class PartFacts:
    """Size and checksum of one file of a shard: its manifest or its tar."""

    size_bytes: Number
    sha256: str  # hexadecimal


@dataclass(frozen=True, slots=True)
class ShardFacts:
    """Results of one shard in numbers. The file `part-000123.json` commits the shard."""

    shard: Number
    pass_number: Number = 1
    entries: Number = 0
    counts: Counts = field(default_factory=dict)  # by outcome: completed, failed, …
    bytes: Number = 0  # of the files
    seconds: Real = 0.0
    errors: Counts = field(default_factory=dict)  # failed entries by kind
    hosts: Counts = field(default_factory=dict)  # hosts with the most failed entries
    parts: dict[str, PartFacts] = field(default_factory=dict)  # by name in the output folder
    worker: Name = ""  # host and process
    version: str = ""  # of rheo


@dataclass(frozen=True, slots=True)
class ShardPlan:
    """One shard of a plan. At most one shard of a lane runs at a time."""

    lane: Number
    entries: Number
    crc32: Number | None = None  # of the lines of its list; None: not known


@dataclass(frozen=True, slots=True)
class FleetPlan:
    """Plan of a run: `_rheo/plan.json`. Shards are numbered by their place in `shards`."""

    list_digest: str  # `sha256:…` of the lists and of the options that change what is read
    entries: Number
    unreadable: Number
    lanes: Number
    shards: Annotated[tuple[ShardPlan, ...], MaxLen(MAX_SHARDS)]
    shard_size: Number = DEFAULT_SHARD_SIZE
    spread: Spread = "sites"
    layout: LayoutName = "files"
    keep: Annotated[tuple[Name, ...], MaxLen(MAX_KEPT_COLUMNS)] = ()  # columns, for the manifests
    concurrency: Number = 256  # downloads at a time, a shard
    host_connections: Number = 16  # of the whole cluster
    host_rate: Real | None = None  # bytes/s of the whole cluster; None: not limited
    split_sites: Counts = field(default_factory=dict)  # large sites: number of lanes
    retries: Number = 1
    max_size: Number | None = None  # bytes
    compute_hash: str | None = None  # algorithm
    ignore_robots_tag: bool = False  # download files despite X-Robots-Tag
    contact: Name | None = None  # for the owners of sites: a mail address, or a URL
    version: Number = PLAN_VERSION

    def crc32_of(self, shard: int) -> int | None:
        """Return the checksum of a shard's list; None if it is not known."""
        return self.shards[shard].crc32


@dataclass(frozen=True, slots=True)
class FleetPass:
    """A retry pass over failed entries: `_rheo/pass-2.json`. Their keys do not change."""

    number: Number  # 2 for the first retry pass
    shards: Annotated[dict[Number, Number], MaxLen(MAX_SHARDS)]  # number of entries, by shard
    errors: Counts  # kinds of their errors in earlier passes
    crc32s: Annotated[dict[Number, Number], MaxLen(MAX_SHARDS)] = field(default_factory=dict)
    """Checksums of the lines of the lists, by shard."""

    def crc32_of(self, shard: int) -> int | None:
        """Return the checksum of a shard's list; None if it is not known."""
        return self.crc32s.get(shard)

    @property
    def entries(self) -> int:
        """Number of entries that are tried again."""
        return sum(self.shards.values())


@dataclass(frozen=True, slots=True)
class RunningShard:
    """A running shard."""

    shard: Number
    since: Real  # seconds since the epoch
    attempt: Number = 1


@dataclass(frozen=True, slots=True)
class FleetStatus:
    """Progress of a run: `_rheo/status.json`."""

    state: FleetState
    started: Real  # seconds since the epoch
    updated: Real
    shards: Number
    shards_done: Number = 0
    shards_failed: Number = 0  # abandoned in this run
    entries: Number = 0
    entries_done: Number = 0
    counts: Counts = field(default_factory=dict)  # entries by outcome
    bytes: Number = 0
    errors: Counts = field(default_factory=dict)  # failed entries by kind
    entries_per_second: Real = 0.0
    running: tuple[RunningShard, ...] = ()
    message: Annotated[str, MaxLen(1_000)] = ""  # the last error of a shard or of the cluster
    dashboard: Name = ""  # URL of the engine's own dashboard


def to_json(value: object) -> str:
    """Return one of these dataclasses as JSON."""
    return json.dumps(asdict(value), separators=(",", ":"))  # type: ignore[call-overload]


def from_json(kind: type[_T], text: str | bytes) -> _T:
    """Return the dataclass `kind` that `to_json` wrote; unknown fields are ignored.

    Raises:
        ValueError: the text is not JSON of this kind.
    """
    return _adapter_of(kind).validate_json(text)


def _adapter_of(kind: type[_T]) -> "TypeAdapter[_T]":
    adapter = _adapters.get(kind)
    if adapter is None:
        from pydantic import TypeAdapter

        adapter = _adapters[kind] = TypeAdapter(kind)
    return adapter


_adapters: "dict[type[Any], TypeAdapter[Any]]" = {}  # building one takes longer than reading
