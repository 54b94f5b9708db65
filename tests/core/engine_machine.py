"""A manager, a server and the model of both: what the state machine's rules work with."""

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, TypeVar

from hypothesis.stateful import RuleBasedStateMachine, invariant

from rheo_core import DownloadManager, FileConfig
from rheo_core.domain import DownloadStatus, RetryConfig
from rheo_core.domain.tuning import Tuning
from rheo_core.downloads import RetryHandler
from rheo_core.events import DownloadEvent
from tests.core.queue_model import QueueModel, Stored
from tests.core.test_tracker import Reader
from tests.servers.misbehaving import MisbehavingServer, body_of
from tests.servers.stage import Stage

T = TypeVar("T")
PATIENCE = 60.0
"""Seconds after which the engine counts as hanging; nothing ever waits for them to pass."""

BODIES = {  # small ones take another way through the engine; so do those without a validator
    "/a": (body_of(60_000, "a"), '"a"'),
    "/b": (body_of(60_001, "b"), '"b"'),
    "/c": (body_of(900, "c"), '"c"'),
    "/d": (body_of(40_000, "d"), None),
    "/e": (body_of(50_000, "e"), '"e"'),
    "/f": (body_of(2, "f"), '"f"'),
}


class EngineMachine(RuleBasedStateMachine):
    """Runs the engine until it does nothing more by itself, and knows what it should be then."""

    runner: asyncio.Runner  # of all examples: the server's port, and so each id, stays the same
    server: MisbehavingServer

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp()) / "disk"
        self.stage = Stage()
        self.ids: dict[str, str] = {}  # by path
        for path, (body, etag) in BODIES.items():
            url = self.server.on(path, self.stage.offering(body, etag))
            self.ids[path] = FileConfig(url=url).id
        self.model = QueueModel(slots=2)
        self.events: list[DownloadEvent] = []
        self.problems: list[str] = []
        self.most = 2  # that may run now
        self.new_process()
        self.go_on()

    def teardown(self) -> None:
        self.runner.run(self.manager.close())
        self.runner.run(self.hang_up_all())
        shutil.rmtree(self.folder.parent)

    def verb(self, verb: str, id_: str, *values: object) -> None:
        expected = getattr(self.model, verb)(id_, *values)
        assert self.run(getattr(self.manager, verb)(id_, *values)) == expected

    def run(self, work: Awaitable[T]) -> T:
        """Do something, and let the engine come to rest."""
        return self.runner.run(self.rest_after(work))

    async def rest_after(self, work: Awaitable[T]) -> T:
        async with asyncio.timeout(PATIENCE):
            result = await work
        self.model.learn({id_: place for id_, (_, *place) in self.found().items()})
        await self.rest()
        self.most = max(self.model.slots, len(self.model.running()))
        return result

    async def rest(self) -> None:
        """Wait until the engine is as the model has it and its requests have come."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE
        running = {path for path, id_ in self.ids.items() if id_ in self.model.running()}
        for path in self.stage.talks.keys() - running:
            await self.stage.talks.pop(path).hang_up()  # nobody listens any more
        while self.statuses() != self.model.statuses() or running != self.stage.talks.keys():
            assert loop.time() < deadline, (self.statuses(), self.model.statuses(), running)
            await asyncio.sleep(0.001)

    def new_process(self) -> None:
        self.manager = DownloadManager(
            download_dir=self.folder / "files",
            session_path=self.folder / "session.db",
            max_concurrent=self.model.slots,
            history_days=None,  # shortening the history takes the first turn of the writer
            # Who waits for another attempt waits until a rule says otherwise.
            retry_handler=RetryHandler(RetryConfig(max_retries=99, base_delay=1e6, max_delay=1e6)),
            on_problem=self.problems.append,
            # Only what must be written at once is written, and what a rule asks for: a crash
            # finds the oldest state that it may find, whatever the speed of the machine.
            tuning=Tuning(session_write_seconds=3600.0),
        )
        self.manager.on("*", self.take_note)
        self.reader = Reader()
        self.model.forget()

    def go_on(self) -> None:
        """Open the manager; look at what it finds before anything runs."""

        async def look() -> dict[str, Stored]:
            await self.manager.open(paused=True)
            session = self.manager._parts.session
            assert session is not None
            session._wake.set()  # its first turn comes at once: let it be over
            async with asyncio.timeout(PATIENCE):
                while session._wake.is_set():
                    await asyncio.sleep(0)
            return self.found()

        self.runner.run(self.hang_up_all())
        self.model.take_up(self.runner.run(look()))
        self.the_same_downloads_in_the_same_state()
        self.the_same_order()
        self.model.start()
        self.manager.set_limits(max_concurrent=self.model.slots)
        self.manager.start()
        self.run(asyncio.sleep(0))

    async def hang_up_all(self) -> None:
        while self.stage.talks:
            await self.stage.talks.popitem()[1].hang_up()

    def take_note(self, event: DownloadEvent) -> None:
        self.events.append(event)
        if self.manager.is_active:
            assert self.manager.stats.in_progress <= self.most

    @invariant()
    def the_same_downloads_in_the_same_state(self) -> None:
        assert self.problems == []
        assert self.statuses() == self.model.statuses()
        assert self.found() == {
            one.id: (one.status, one.priority, one.rank) for one in self.model.downloads.values()
        }

    @invariant()
    def the_same_order(self) -> None:
        assert [config.id for config in self.manager._parts.queue] == self.model.waiting()

    def statuses(self) -> dict[str, DownloadStatus]:
        return {record.id: record.status for record in self.manager.tracker.records()}

    def found(self) -> dict[str, Any]:
        records = self.manager.tracker.records()
        return {record.id: (record.status, record.priority, record.rank) for record in records}
