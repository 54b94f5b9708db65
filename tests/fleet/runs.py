"""Fleet runs of tests: an output folder with a plan, and what must hold when it is complete."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyarrow import parquet

from rheo_core.domain.fleet import (
    PLAN_NAME,
    FleetPlan,
    ShardTask,
    facts_name,
    part_name,
    to_json,
)
from rheo_core.fleet.rows import Row
from rheo_core.fleet.shard_files import ShardWriter
from rheo_core.fleet.targets import open_target
from tests.servers.misbehaving import Exchange, MisbehavingServer, body_of

SIZE = 2_000


def body_for(path: str) -> bytes:
    """The file that the server has at a path, unlike any other."""
    return body_of(SIZE + len(path), path)


async def serve(exchange: Exchange) -> None:
    """Answer as a good server does, with the file of the path."""
    await exchange.serve(body_for(exchange.request.target), Content_Type="image/jpeg")


async def gone(exchange: Exchange) -> None:
    await exchange.head("404 Not Found", Content_Length=0)


@dataclass
class FleetRun:
    """A planned run."""

    out: Path
    plan: FleetPlan
    rows: list[Row]
    shards: list[list[Row]] = field(default_factory=list)

    @property
    def tasks(self) -> list[ShardTask]:
        return [ShardTask(str(self.out), number) for number in range(len(self.plan.shards))]

    def manifest(self, shard: int = 0) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = parquet.read_table(
            self.out / f"{part_name(shard)}.parquet"
        ).to_pylist()
        return rows

    def facts(self, shard: int = 0) -> dict[str, Any]:
        facts: dict[str, Any] = json.loads((self.out / facts_name(shard)).read_text())
        return facts

    def check(self) -> None:
        """Check every file and every row: nothing is lost, doubled, wrong or left over."""
        names = {"_rheo"}
        for shard, rows in enumerate(self.shards):
            part = part_name(shard)
            names |= {f"{part}.json", f"{part}.parquet"}
            manifest = self.manifest(shard)
            assert [row["key"] for row in manifest] == [
                f"{shard:06d}{place:05d}" for place in range(len(rows))
            ]
            folder = self.out / part
            if any(row["file"] for row in manifest):  # an empty folder is removed
                names.add(part)
            files = {path.name: path.read_bytes() for path in folder.glob("*")}
            for row, wanted in zip(manifest, rows, strict=True):
                if row["outcome"] != "completed":
                    continue
                body = files.pop(row["file"])
                path = "/" + wanted.url.split("/", 3)[3]
                assert body == body_for(path), row
                assert row["size"] == len(body)
                if self.plan.compute_hash:
                    assert row["hash"] == f"sha256:{hashlib.sha256(body).hexdigest()}"
            assert not files, f"left over in {part}: {sorted(files)}"
            facts = self.facts(shard)
            assert facts["entries"] == len(rows)
            assert sum(facts["counts"].values()) == len(rows)
        assert {path.name for path in self.out.iterdir()} == names
        journals = self.out / "_rheo" / "journals"
        assert not journals.exists() or not list(journals.iterdir())


def planned(out: Path, rows: Sequence[Row], shard_size: int = 50, **options: Any) -> FleetRun:
    """Write the shards and the plan of a run; one lane for every two shards."""
    target = open_target(str(out))
    writer = ShardWriter(target, shard_size)
    parts = [list(rows[at : at + shard_size]) for at in range(0, len(rows), shard_size)]
    for number, part in enumerate(parts):
        for row in part:
            writer.add(number // 2, row)
    shards = writer.finish()
    plan = FleetPlan(
        list_digest="sha256:0",
        entries=len(rows),
        unreadable=sum(row.problem is not None for row in rows),
        lanes=(len(parts) + 1) // 2,
        shards=shards,
        shard_size=shard_size,
        **{"retries": 0, **options},
    )
    target.put(PLAN_NAME, to_json(plan).encode())
    return FleetRun(out, plan, list(rows), parts)


def rows_of(server: MisbehavingServer, count: int, start: int = 0) -> list[Row]:
    """Rows with URLs of good files."""
    return [Row(server.on(f"/{n}.jpg", serve)) for n in range(start, start + count)]
