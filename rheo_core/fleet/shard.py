"""run_shard: run one shard on a worker, and commit its results.

A shard is complete when its facts exist. A worker writes them last and atomically. If it is killed
at any point, the next worker reads the journal and continues.
"""

import asyncio
import hashlib
import os
import platform
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from rheo_core.domain.fleet import (
    EntryOutcome,
    FleetEntry,
    FleetPlan,
    PartFacts,
    ShardFacts,
    ShardTask,
    facts_name,
    part_name,
    shard_list_name,
    to_json,
)
from rheo_core.domain.units import count_text
from rheo_core.domain.urls import host_of
from rheo_core.infrastructure.folder_sync import sync_file_system, sync_folder
from rheo_core.version import __version__

from .journal import BEAT_SECONDS, Journal, believed
from .layouts import LAYOUTS
from .manifest import check_installed, write_manifest
from .outcomes import unreadable
from .passes import read_pass
from .planning import PlanError, read_plan
from .shard_downloads import ShardDownloads, ShardError, WorkerOptions
from .shard_files import read_shard
from .shard_paths import ShardPaths
from .status import facts_at
from .targets import Target, open_target
from .worker_loop import run_on_worker_loop

_NO_OPTIONS = WorkerOptions()
_MAX_HOSTS = 8
"""Maximum number of hosts in the facts of a shard, those with the most failures."""


def run_shard(task: ShardTask, worker: WorkerOptions = _NO_OPTIONS) -> ShardFacts:
    """Complete a shard, and return its facts. Blocks.

    This leaves a complete shard alone, and continues one that another worker began.

    Args:
        task: the shard.
        worker: options of this worker.

    Raises:
        ShardBusyError: another worker has the shard.
        ShardError: this worker cannot continue, but another may.
        OSError: a file cannot be read or written.
        ValueError: the output folder or its plan is unusable, or a package is missing.
    """
    return run_on_worker_loop(work_on_shard(task, worker))


async def work_on_shard(task: ShardTask, worker: WorkerOptions = _NO_OPTIONS) -> ShardFacts:
    """Complete a shard as `run_shard` does, on the running event loop."""
    began = time.monotonic()
    check_installed()
    target = open_target(task.out)
    plan = await asyncio.to_thread(_read_plan, target)
    paths = ShardPaths.of(task, plan, target, worker.scratch)
    paths.check()
    facts = await asyncio.to_thread(read_facts, target, task)
    if facts is not None:
        await asyncio.to_thread(paths.remove)  # a worker may have been killed just before
        return facts
    await asyncio.to_thread(paths.make)
    digest = await asyncio.to_thread(_digest_of_list, target, plan, task)
    with Journal(paths.journal, digest) as journal, _beating(journal):
        facts = await asyncio.to_thread(read_facts, target, task)
        if facts is None:  # otherwise another worker has just completed it
            if journal.is_continued:
                await asyncio.to_thread(paths.remove_links)
            else:  # files of another run, or truncated by a power loss
                await asyncio.to_thread(paths.sweep, frozenset())
            paths.folder.mkdir(parents=True, exist_ok=True)
            entries = await asyncio.to_thread(_read_entries, target, plan, task)
            downloads = ShardDownloads(paths.folder, plan, worker, journal, task.at_once)
            outcomes = await _download(entries, paths, downloads, journal)
            commit = _Commit(task, plan, target, paths, entries, outcomes)
            facts = await asyncio.to_thread(commit.run, began)
        await asyncio.to_thread(paths.remove)
    return facts


@contextmanager
def _beating(journal: Journal) -> Iterator[None]:
    """Show at intervals that this worker is working, until the context ends."""

    async def beat() -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            journal.beat()

    task = asyncio.ensure_future(beat())
    try:
        yield
    finally:
        task.cancel()


def _read_plan(target: Target) -> FleetPlan:
    plan = read_plan(target)
    if plan is None:
        raise PlanError("the output folder has no plan")
    return plan


def read_facts(target: Target, task: ShardTask) -> ShardFacts | None:
    """Return the facts of a shard; None if it is not complete."""
    with suppress(FileNotFoundError):
        return facts_at(target, facts_name(task.shard, task.pass_number))
    return None


def _crc32_of_list(target: Target, plan: FleetPlan, task: ShardTask) -> int | None:
    planned = plan if task.pass_number == 1 else read_pass(target, task.pass_number)
    return planned.crc32_of(task.shard)


def _digest_of_list(target: Target, plan: FleetPlan, task: ShardTask) -> str:
    """Return the identity of a journal, which is valid only for exactly these entries."""
    crc32 = _crc32_of_list(target, plan, task)
    name = shard_list_name(task.shard, task.pass_number, crc32)
    return hashlib.sha256(target.read(name)).hexdigest()


def _read_entries(target: Target, plan: FleetPlan, task: ShardTask) -> list[FleetEntry]:
    crc32 = _crc32_of_list(target, plan, task)
    return list(read_shard(target, task.shard, task.pass_number, crc32))


async def _download(
    entries: Sequence[FleetEntry],
    paths: ShardPaths,
    downloads: ShardDownloads,
    journal: Journal,
) -> dict[str, EntryOutcome]:
    """Return the outcomes of all entries, after downloading those that have none."""
    outcomes = await asyncio.to_thread(believed, journal.outcomes, entries, paths.folder)
    for entry in entries:
        if entry.problem is not None:
            outcomes[entry.key] = unreadable(entry)
    await downloads.run([entry for entry in entries if entry.key not in outcomes])
    outcomes |= downloads.outcomes
    if missing := len(entries) - len(outcomes):
        raise ShardError(
            f"{count_text(missing, 'entry', 'entries')} of the shard ended without a result"
        )
    return outcomes


class _Commit:
    """Stores the results of a shard; the facts come last."""

    def __init__(
        self,
        task: ShardTask,
        plan: FleetPlan,
        target: Target,
        paths: ShardPaths,
        entries: Sequence[FleetEntry],
        outcomes: Mapping[str, EntryOutcome],
    ) -> None:
        self._task = task
        self._plan = plan
        self._target = target
        self._paths = paths
        self._entries = entries
        self._outcomes = outcomes
        self._part = part_name(task.shard, task.pass_number)

    def run(self, began: float) -> ShardFacts:
        """Store everything, and return the facts. Blocks.

        Args:
            began: start of this worker's work, by the monotonic clock.

        Raises:
            OSError: a file cannot be stored. The journal still has all outcomes.
        """
        name = facts_name(self._task.shard, self._task.pass_number)
        facts = self._facts(self._store(), time.monotonic() - began)
        if not self._target.create(name, to_json(facts).encode()):
            # Another worker, with its own scratch folder, was faster. We may have replaced some of
            # its parts, so we replace them all.
            facts = self._facts(self._store(), time.monotonic() - began)
            self._target.put(name, to_json(facts).encode())
        if self._target.path is not None:
            sync_folder(self._target.path)
        return facts

    def _store(self) -> dict[str, PartFacts]:
        """Store files and manifest, and sync them.

        Other programs may have gigabytes to sync on the same file system. So this uses syncfs(2)
        only for a folder of files, because an fsync(2) for each would take longer on any disk.
        """
        ended = [self._outcomes[entry.key] for entry in self._entries]
        completed = [each for each in ended if each.outcome == "completed"]
        self._paths.sweep({each.file for each in completed if each.file is not None})
        store = LAYOUTS[self._plan.layout].store
        parts = store(self._paths.folder, self._part, completed, self._target)
        path = self._paths.journal.with_suffix(".parquet")
        write_manifest(path, self._entries, self._outcomes, self._plan.keep)
        parts[f"{self._part}.parquet"] = _part_facts(path)
        self._target.put_file(f"{self._part}.parquet", path)
        if (out := self._target.path) is not None:
            (sync_file_system if self._paths.is_kept else sync_folder)(out)
        return parts

    def _facts(self, parts: dict[str, PartFacts], seconds: float) -> ShardFacts:
        ended = list(self._outcomes.values())
        return ShardFacts(
            shard=self._task.shard,
            pass_number=self._task.pass_number,
            entries=len(self._entries),
            counts=dict(Counter[str](each.outcome for each in ended)),
            bytes=sum(each.size or 0 for each in ended),
            seconds=round(seconds, 3),
            errors=dict(Counter(each.kind for each in ended if each.kind is not None)),
            hosts=self._failed_hosts(),
            parts=parts,
            worker=f"{platform.node()}:{os.getpid()}",
            version=__version__,
        )

    def _failed_hosts(self) -> dict[str, int]:
        failed = (each for each in self._entries if self._outcomes[each.key].outcome == "failed")
        hosts = Counter(host_of(entry.url).rpartition(":")[0] for entry in failed)
        return dict(hosts.most_common(_MAX_HOSTS))


def _part_facts(path: Path) -> PartFacts:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    return PartFacts(path.stat().st_size, digest.hexdigest())
