"""kill -9, hundreds of times, on every process of fleets that ask nginx.

    python -m tests.fleet.kill_sweep --kills 500
    python -m tests.fleet.kill_sweep --form local --urls 1000000 --every 10 --layout tar

Each turn is one list. Its processes are killed until the run is complete: at random moments, at
random calls that change a file, or after they hung for a while. Whatever was killed is started
again, as a user or a batch system does. Ends with 1 if anything was lost, doubled, wrong or left.
"""

import argparse
import asyncio
import os
import random
import shutil
import signal
import sys
import tarfile
import tempfile
import time
from asyncio.subprocess import Process
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from pyarrow import parquet

from rheo_core.fleet.checking import problems
from rheo_core.fleet.planning import read_plan
from rheo_core.fleet.targets import open_target
from tests.faults.program import CALLS, COMMAND, STRACE, Home, strace
from tests.fleet.clusters import SCHEDULER, SHORT_TTL, WORKER, kill, workers
from tests.servers import nginx

FORMS = ("local", "dask", "slices")
HOSTS = 64
_CALLS = (*CALLS.split(","), "mkdir", "syncfs")
_MAX_CALL = 20
_CALL_SECONDS = 3.0  # after these, a process that makes no such call is killed anyway
_MAX_HANG = 2.0  # seconds
_POLL = 0.05  # seconds
_REACH = 0.1  # part of a list that comes between two kills, at most
_PATIENCE = 600.0  # seconds without any progress that count as a hang
_CLUSTER_FLAGS = ("--host", "127.0.0.1", "--no-dashboard")
_COMPLETE = 0


@dataclass
class Service:
    """A process that is started again whenever it has ended.

    Attributes:
        kind: its name in the figures.
        command: program text and arguments.
        is_driver: the run is complete when every driver has ended with 0.
    """

    kind: str
    command: tuple[object, ...]
    is_driver: bool = False
    process: Process | None = None

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.returncode is None

    @property
    def is_complete(self) -> bool:
        is_done = self.process is not None and self.process.returncode == _COMPLETE
        return self.is_driver and is_done


@dataclass
class Figures:
    """Kills of a sweep, by what was killed and in which manner, and the problems after them."""

    kills: Counter[str] = field(default_factory=Counter)
    manners: Counter[str] = field(default_factory=Counter)
    urls: int = 0
    again: int = 0
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        parts = [f"{count} {kind}" for kind, count in sorted(self.kills.items())]
        manners = [f"{count} {manner}" for manner, count in sorted(self.manners.items())]
        total = self.kills.total()
        return (
            f"{total} kills ({', '.join(parts)}; {', '.join(manners)}), {self.urls:,} URLs, "
            f"{self.again:,} asked for again ({self.again / max(total, 1):.0f} a kill), "
            f"{len(self.problems)} problems"
        )


class Turn:
    """One list from its plan to its check.

    Args:
        server: the server.
        folder: a folder for everything.
        form: one of FORMS.
        options: those of the command.
        chance: decides what is killed, and when.
        figures: takes the results.
    """

    def __init__(
        self,
        server: nginx.AnyFileNginx,
        folder: Path,
        form: str,
        options: argparse.Namespace,
        chance: random.Random,
        figures: Figures,
    ) -> None:
        self._server = server
        self._folder = folder
        self._options = options
        self._chance = chance
        self._figures = figures
        self._out = folder / "out"
        self._list = folder / "list.txt"
        self._environment = Home(folder / "home").environment | SHORT_TTL
        self._environment["DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT"] = "10s"
        self._form = form
        self._services = self._services_of(form)

    async def run(self, kills: int) -> None:
        """Kill until the run is complete, but not more often than `kills`."""
        self._write_list()
        self._server.forget()
        try:
            if self._form == "slices" or self._options.every:  # a plan may take longer than that
                await self._plan()
            await self._kill_until_complete(kills)
        finally:
            for service in self._services:
                if service.is_running:
                    await self._end(service)
        self._figures.urls += self._options.urls
        self._check()

    def _services_of(self, form: str) -> list[Service]:
        run = (COMMAND, "fleet", "run", self._list, "-o", self._out, *self._plan_flags())
        work = (COMMAND, "fleet", "work", self._out, "-q", "--slice")
        if form == "local":
            return [Service("driver", (*run, "-j", 2), is_driver=True)]
        if form == "slices":
            return [Service("slice", (*work, f"{n}/2"), is_driver=True) for n in range(2)]
        port = nginx.free_port()
        scheduler = (SCHEDULER, *_CLUSTER_FLAGS, "--port", port)
        worker = (WORKER, f"tcp://127.0.0.1:{port}", *_CLUSTER_FLAGS, "--nthreads", 2)
        nanny = (*worker, "--local-directory", self._folder, "--death-timeout", 10)
        driver = (*run, "--cluster", f"dask://127.0.0.1:{port}", "--lanes", 4)
        return [
            Service("scheduler", scheduler),
            Service("nanny", nanny),
            Service("nanny", nanny),
            Service("driver", driver, is_driver=True),
        ]

    def _plan_flags(self) -> tuple[object, ...]:
        return (
            "--shard-size", self._options.shard_size, "--layout", self._options.layout,
            "--concurrency", self._options.concurrency, "--compute-hash", "sha256",
        )  # fmt: skip

    def _write_list(self) -> None:
        self._folder.mkdir()
        with self._list.open("w") as file:
            for number in range(self._options.urls):
                host = f"127.0.0.{number % HOSTS + 1}:{self._server.port}"
                file.write(f"http://{host}{path_of(number)}\n")

    async def _plan(self) -> None:
        command = ("fleet", "plan", self._list, "-o", self._out, *self._plan_flags())
        process = await self._start(self._log, COMMAND, *command, "--lanes", 4)
        if await process.wait() != 0:
            raise RuntimeError(f"no plan: {self._log.read_text()}")

    @property
    def _log(self) -> Path:
        return self._folder / "log"

    async def _start(self, path: Path, program: object, *arguments: object) -> Process:
        with path.open("ab") as log:
            return await asyncio.create_subprocess_exec(
                sys.executable, "-c", str(program), *map(str, arguments),
                env=self._environment, start_new_session=True, stdout=log, stderr=log,
            )  # fmt: skip

    async def _end(self, service: Service) -> None:
        assert service.process is not None
        with suppress(ProcessLookupError):
            os.killpg(service.process.pid, signal.SIGKILL)
        await service.process.wait()

    async def _kill_until_complete(self, kills: int) -> None:
        killed = 0
        while not await self._is_complete_before_next_kill(is_last=killed >= kills):
            killed += await self._kill_one()
            if self._options.every:
                print(f"{self._asked():,} asked for; {self._figures}", flush=True)

    async def _is_complete_before_next_kill(self, *, is_last: bool) -> bool:
        """Keep everything running until the moment of the next kill, or until it is complete."""
        goal = self._asked() + self._chance.randint(0, self._reach)
        began: float | None = None  # of the work: a driver needs a while to start its cluster
        last = (time.monotonic(), self._asked())
        while not all(each.is_complete for each in self._services if each.is_driver):
            for service in self._services:
                if not service.is_running and not service.is_complete:  # a worker may give up, too
                    log = self._log if service.is_driver else self._folder / "dask.log"
                    service.process = await self._start(log, *service.command)
            await asyncio.sleep(_POLL)
            now, asked = time.monotonic(), self._asked()
            if asked != last[1]:
                last = (now, asked)
                began = began or now
            elif now - last[0] > _PATIENCE:
                raise RuntimeError(f"no progress: {self._log.read_text()[-2_000:]}")
            if self._options.every:
                is_due = began is not None and now - began >= self._options.every
            else:
                is_due = asked >= goal
            if is_due and not is_last:
                return False
        return True

    @property
    def _reach(self) -> int:
        return max(1, int(self._options.urls * _REACH))

    def _asked(self) -> int:
        """Bytes of the server's log by bytes of a usual line: cheap, and exact enough here."""
        return self._server.log.stat().st_size // len(path_of(0) + "\n")

    async def _kill_one(self) -> int:
        """Kill a process; return the number of kills."""
        victims = list(self._victims())
        if not victims:
            return 0
        kind, pid = self._chance.choice(victims)
        manner = self._chance.choice(["at a moment", "at a moment", "at a call", "after a hang"])
        if manner == "at a call" and STRACE is not None:
            await self._kill_at_call(pid)
        elif manner == "after a hang":
            kill(pid, signal.SIGSTOP)
            await asyncio.sleep(self._chance.uniform(0, _MAX_HANG))
            if is_continued := self._chance.random() < 0.5:
                kill(pid, signal.SIGCONT)
                await asyncio.sleep(self._chance.uniform(0, _MAX_HANG))
            manner = "after a hang and going on" if is_continued else manner
        if kind == "machine":
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
        kill(pid)
        self._figures.kills[kind] += 1
        self._figures.manners[manner] += 1
        await self._reap(pid)
        return 1

    def _victims(self) -> Iterator[tuple[str, int]]:
        for service in self._services:
            if service.process is None or not service.is_running:
                continue
            pid = service.process.pid
            yield service.kind, pid
            if service.kind == "nanny":
                yield "machine", pid
            for worker in workers(pid):
                yield "worker", worker

    async def _kill_at_call(self, pid: int) -> None:
        """Kill a process when it makes its next or a later call of some kind."""
        call = self._chance.choice(_CALLS)
        when = self._chance.randint(1, _MAX_CALL)
        inject = f"inject={call}:signal=KILL:when={when}"
        command = strace("-p", str(pid), "-e", f"trace={call}", "-e", inject)
        tracer = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
        try:
            await asyncio.wait_for(tracer.wait(), _CALL_SECONDS)
        except TimeoutError:
            kill(pid)
            await tracer.wait()

    async def _reap(self, pid: int) -> None:
        """Wait for the end of a process that was killed, if it is a child."""
        for service in self._services:
            if service.process is not None and service.process.pid == pid:
                await service.process.wait()

    def _check(self) -> None:
        found = list(self._problems())
        self._figures.problems += [f"{self._folder.name} ({self._form}): {each}" for each in found]

    def _problems(self) -> Iterator[str]:
        target = open_target(str(self._out))
        plan = read_plan(target)
        assert plan is not None
        yield from problems(target, plan, deep=True)
        count = self._options.urls
        rows = bytearray(count)  # how often each URL has a row
        parts = [f"part-{number:06d}" for number in range(len(plan.shards))]
        for part in parts:
            yield from self._problems_of(part, rows)
        lost, doubled = rows.count(0), sum(row > 1 for row in rows)
        if lost or doubled:
            yield f"{lost:,} URLs without a row, {doubled:,} with more than one"
        ends = [".json", ".parquet", "" if plan.layout == "files" else ".tar"]
        names = {"_rheo", *(part + end for part in parts for end in ends)}
        yield from (f"left over: {name}" for name in set(target.names()) ^ names)
        for folder in ("_rheo/journals", "_rheo/work"):
            yield from (f"left over in {folder}: {name}" for name in target.names(folder))
        if "Traceback" in (log := self._log.read_text()):
            yield f"a traceback: {log[log.index('Traceback') :][:1_000]}"
        asked = self._server.log.read_text().split()
        wanted = set(map(path_of, range(count)))
        yield from (f"never asked for: {path}" for path in wanted - set(asked))
        self._figures.again += len(asked) - count

    def _problems_of(self, part: str, rows: bytearray) -> Iterator[str]:
        """Compare the manifest and the files of a shard with the list."""
        bodies = self._bodies(part)
        columns = ["url", "outcome", "file", "error"]
        table = parquet.read_table(self._out / f"{part}.parquet", columns=columns)
        for row in table.to_pylist():
            path = "/" + row["url"].split("/", 3)[3]
            rows[number_of(path)] += 1
            if row["outcome"] != "completed":
                yield f"{path} is {row['outcome']}: {row['error']}"
            elif bodies.pop(row["file"].partition(".")[0], None) != nginx.body_at(path):
                yield f"{path} has a wrong file"
        yield from (f"left over in {part}: {name}" for name in bodies)

    def _bodies(self, part: str) -> dict[str, bytes]:
        """Return the files of a shard, by key."""
        if self._options.layout == "files":
            folder = self._out / part
            return {path.name.partition(".")[0]: path.read_bytes() for path in folder.iterdir()}
        with tarfile.open(self._out / f"{part}.tar") as tar:
            files = [(each.name.partition(".")[0], tar.extractfile(each)) for each in tar]
            return {key: file.read() for key, file in files if file is not None}


def path_of(number: int) -> str:
    return f"/{number:07d}.jpg"


def number_of(path: str) -> int:
    return int(path[1:8])


async def sweep(options: argparse.Namespace, folder: Path) -> Figures:
    """Take turns until there were kills enough."""
    chance, figures, turn = random.Random(options.seed), Figures(), 0
    with nginx.AnyFileNginx(folder) as server:
        while (left := options.kills - figures.kills.total()) > 0:
            form = options.forms[turn % len(options.forms)]
            turn += 1
            place = folder / f"turn-{turn}"
            began = time.monotonic()
            await Turn(server, place, form, options, chance, figures).run(left)
            seconds = time.monotonic() - began
            print(f"{form}: {seconds:.0f} s; so far {figures}", flush=True)
            if figures.problems:
                break  # the folder shows why
            shutil.rmtree(place)
            if options.every:  # one list was asked for
                break
    return figures


def parsed(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=20, metavar="N", help="at most, with --every")
    parser.add_argument("--form", dest="forms", nargs="+", choices=FORMS, default=FORMS)
    parser.add_argument("--urls", type=int, default=4_000, metavar="N", help="of a list")
    parser.add_argument(
        "--every", type=float, metavar="S", help="kill after S seconds of work; one list"
    )
    parser.add_argument("--layout", choices=("files", "tar"), default="files")
    parser.add_argument("--shard-size", type=int, default=200, metavar="N")
    parser.add_argument("--concurrency", type=int, default=16, metavar="N")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), metavar="N")
    parser.add_argument("--folder", type=Path, help="for all files, instead of memory")
    return parser.parse_args(arguments)


def main() -> int:
    options = parsed()
    if nginx.PROGRAM is None:
        print("nginx is needed", file=sys.stderr)
        return 1
    memory = Path("/dev/shm")
    parent = options.folder or (memory if memory.is_dir() else None)
    folder = Path(tempfile.mkdtemp(prefix="rheo-kills-", dir=parent))
    print(f"seed {options.seed}, load {os.getloadavg()[0]:.1f}, {time.ctime()}", flush=True)
    figures = asyncio.run(sweep(options, folder))
    print("\n".join([*figures.problems[:20], str(figures)]))
    if figures.problems:
        print(f"See {folder}")
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
