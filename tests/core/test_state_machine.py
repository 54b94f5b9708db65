"""DownloadManager and session against a plain model, through closes and crashes.

`TEST_EXAMPLES=1000` tries 1000 random sequences instead of the fixed ones.
"""

import asyncio
import shutil
from collections import Counter
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from rheo_core import FileConfig
from rheo_core.domain import DownloadSnapshot, DownloadStatus
from rheo_core.infrastructure.session_store import SessionStore
from tests.core.engine import ENDINGS, names_in, sha256
from tests.core.engine_machine import BODIES, EngineMachine
from tests.core.test_tracker import Reader
from tests.effort import effort
from tests.servers.misbehaving import MisbehavingServer

S = DownloadStatus
EXAMPLES = effort("EXAMPLES", 0)
SHARDS = 4  # processes that may share the work
SETTINGS = settings(
    max_examples=(EXAMPLES or 100) // SHARDS,
    stateful_step_count=40,
    deadline=None,
    derandomize=not EXAMPLES,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
paths = st.sampled_from(sorted(BODIES))
priorities = st.integers(1, 3)
VERBS = ["pause", "resume", "cancel", "retry", "remove", "restore"]


class EngineAgainstAModel(EngineMachine):
    """Every rule goes on until the engine does nothing more by itself."""

    # Verbs

    @initialize(some=st.sets(paths, min_size=2), priority=priorities)
    def begin_with(self, some: set[str], priority: int) -> None:
        self.add(sorted(some), priority)

    @rule(some=st.lists(paths, min_size=1, max_size=4), priority=priorities)
    def add(self, some: list[str], priority: int) -> None:
        self.model.add([self.ids[path] for path in some], priority)
        configs = [FileConfig(url=self.server.url(path), priority=priority) for path in some]
        self.run(self.manager.add(configs))

    @rule(data=st.data(), verb=st.sampled_from(VERBS))
    def steer(self, data: st.DataObject, verb: str) -> None:
        """A verb for a download that it is made for, if there is one."""
        useful = self.model.made_for(verb)
        self.verb(verb, data.draw(st.sampled_from(useful or list(self.ids.values()))))

    @rule(path=paths, verb=st.sampled_from(VERBS))
    def steer_anything(self, path: str, verb: str) -> None:
        self.verb(verb, self.ids[path])

    @rule(path=paths, priority=priorities)
    def set_priority(self, path: str, priority: int) -> None:
        self.verb("set_priority", self.ids[path], priority)

    @precondition(lambda self: self.model.downloads)
    @rule(data=st.data(), priority=priorities)
    def change_ones_mind(self, data: st.DataObject, priority: int) -> None:
        """Both before the session is written."""
        paths = [path for path, id_ in self.ids.items() if id_ in self.model.downloads]
        path = data.draw(st.sampled_from(paths))
        self.verb("remove", self.ids[path])
        self.add([path], priority)

    @precondition(lambda self: self.model.waiting())
    @rule(data=st.data(), how=st.sampled_from(["top", "bottom", "up", "down", "before", "after"]))
    def move(self, data: st.DataObject, how: str) -> None:
        some = st.sampled_from(self.model.waiting()) | paths.map(self.ids.__getitem__)
        id_, other = data.draw(some), data.draw(some)
        expected = self.model.move(id_, how, other)
        place: dict[str, Any] = {how: other} if how in ("before", "after") else {"to": how}
        assert self.run(self.manager.move(id_, **place)) == expected

    @rule(verb=st.sampled_from(["pause_all", "resume_all"]))
    def steer_all(self, verb: str) -> None:
        getattr(self.model, verb)()
        self.run(getattr(self.manager, verb)())

    @rule(some=st.sets(paths), verb=st.sampled_from(VERBS))
    def steer_many(self, some: set[str], verb: str) -> None:
        ids = [self.ids[path] for path in sorted(some)]
        expected = self.model.many(verb, ids)
        changed = self.run(getattr(self.manager, f"{verb}_many")(ids))
        assert set(changed) == expected and len(changed) == len(expected)

    @rule(some=st.dictionaries(paths, priorities))
    def set_priorities(self, some: dict[str, int]) -> None:
        wanted = {self.ids[path]: priority for path, priority in some.items()}
        expected = [
            id_ for id_, priority in wanted.items() if self.model.set_priority(id_, priority)
        ]
        assert self.run(self.manager.set_priorities(wanted)) == expected

    @rule(slots=st.integers(1, 3))
    def set_slots(self, slots: int) -> None:
        self.most = max(slots, len(self.model.running()))
        self.model.set_slots(slots)
        self.manager.set_limits(max_concurrent=slots)
        self.run(asyncio.sleep(0))

    # What the server does

    @precondition(lambda self: self.stage.talks)
    @rule(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        path = data.draw(st.sampled_from(sorted(self.stage.talks)))
        if not self.stage.talks[path].is_begun:
            self.model.begin(self.ids[path])
            self.run(self.stage.talks[path].begin())

    @precondition(lambda self: self.stage.talks)
    @rule(data=st.data())
    def deliver(self, data: st.DataObject) -> None:
        path = data.draw(st.sampled_from(sorted(self.stage.talks)))
        self.model.end(self.ids[path], S.COMPLETED)
        self.run(self.stage.talks.pop(path).deliver())

    @precondition(lambda self: self.stage.talks)
    @rule(data=st.data())
    def cut(self, data: st.DataObject) -> None:
        """In the middle: that is for another attempt."""
        path = data.draw(st.sampled_from(sorted(self.stage.talks)))
        talk = self.stage.talks[path]
        if not talk.is_begun:
            self.model.begin(self.ids[path])
            self.run(talk.begin())
        self.model.fail_for_now(self.ids[path])
        self.run(self.stage.talks.pop(path).hang_up())

    @precondition(lambda self: any(not talk.is_begun for talk in self.stage.talks.values()))
    @rule(data=st.data())
    def refuse(self, data: st.DataObject) -> None:
        silent = [path for path, talk in self.stage.talks.items() if not talk.is_begun]
        path = data.draw(st.sampled_from(sorted(silent)))
        self.model.end(self.ids[path], S.FAILED)
        self.run(self.stage.talks.pop(path).refuse())

    # What becomes of the process

    @rule()
    def is_written(self) -> None:
        """As happens twice a second."""
        assert self.manager._parts.session is not None
        self.run(self.manager._parts.session._flush())
        self.model.is_written()
        store = SessionStore.open(self.folder / "session.db", read_only=True).store
        rows = {row.id: (row.status, row.priority, Fraction(row.rank)) for row in store.load()}
        store.close()
        assert rows == {one.id: one.stored for one in self.model.downloads.values()}

    @rule(is_other=st.booleans())
    def close_and_open_again(self, is_other: bool) -> None:
        self.model.stop()
        self.runner.run(self.manager.close())
        if is_other:
            self.new_process()
        self.go_on()

    @rule()
    def crash(self) -> None:
        """Kill the process; only the content of the disk remains.

        The death of a process leaves the files as they are: SQLite's write-ahead log, synced at
        each commit (synchronous = FULL), with the file it belongs to, and part files with what
        was written to them. Its memory goes, the `-shm` file with it, which is made again from
        the log. So a copy of the folder, taken while nothing is being written, is what the next
        process finds; what the old one does to the folder after that never happened.
        """
        image = self.folder.with_name("image")

        async def die() -> None:
            assert self.manager._parts.session is not None
            async with self.manager._parts.session._writing:
                shutil.copytree(self.folder, image, ignore=shutil.ignore_patterns("*-shm"))
            await self.manager.close()

        self.runner.run(die())
        shutil.rmtree(self.folder)
        image.rename(self.folder)
        self.new_process()
        self.go_on()

    # What always holds

    @invariant()
    def one_end_for_each_run(self) -> None:
        endings = Counter(
            (event.download_id, event.event_type.removeprefix("download."))
            for event in self.events
            if event.event_type in ENDINGS
        )
        assert endings == self.model.endings

    @invariant()
    def statistics_are_what_counting_gives(self) -> None:
        rows = self.manager.snapshot().downloads
        count = Counter(row.status for row in rows)
        stats = self.manager.stats
        assert stats.total == len(rows)
        assert stats.queued == count[S.QUEUED] + count[S.RETRYING]
        assert stats.in_progress == count[S.PENDING] + count[S.IN_PROGRESS] + count[S.VERIFYING]
        for status in (S.PAUSED, *S.terminal_states()):
            assert getattr(stats, status.value) == count[status]
        ended = (row.bytes_downloaded for row in rows if row.status is S.COMPLETED)
        assert stats.completed_bytes == sum(ended)

    @invariant()
    def who_reads_what_changed_knows_it_all(self) -> None:
        whole = Reader()
        self.reader.read(self.manager.snapshot(self.reader.revision))
        whole.read(self.manager.snapshot())
        assert self.reader.rows.keys() == whole.rows.keys()
        for id_, row in whole.rows.items():
            known = self.reader.rows[id_]
            if row.status.is_active:  # its bytes are sampled
                assert settled_facts(known) == settled_facts(row)
            else:
                assert known == row

    @invariant()
    def files_are_whole_and_nothing_else_is_there(self) -> None:
        paths = {id_: path for path, id_ in self.ids.items()}
        for id_ in self.model.files:
            data = (self.folder / "files" / paths[id_][1:]).read_bytes()
            assert sha256(data) == sha256(BODIES[paths[id_]][0])
        whole = {paths[id_][1:] for id_ in self.model.files}
        partial = {paths[id_][1:] for id_ in self.model.may_have_part()}
        allowed = whole | {f"{name}{end}" for name in partial for end in (".part", ".part.state")}
        assert set(names_in(self.folder / "files")) <= allowed


def settled_facts(row: DownloadSnapshot) -> tuple[object, ...]:
    """Return the facts that no running transfer changes."""
    return row.id, row.name, row.status, row.reason, row.order, row.attempt, row.destination


@pytest.mark.parametrize(
    "shard", [0, *(pytest.param(shard, marks=pytest.mark.long) for shard in range(1, SHARDS))]
)
def test_the_engine_does_what_the_model_does(shard: int) -> None:
    # Hypothesis derives the fixed sequences from the name of the class.
    machine: Any = type(f"Shard{shard}", (EngineAgainstAModel,), {})
    with asyncio.Runner() as runner:
        machine.runner, machine.server = runner, MisbehavingServer()
        runner.run(machine.server.__aenter__())
        run_state_machine_as_test(machine, settings=SETTINGS)
        runner.run(machine.server.__aexit__())
