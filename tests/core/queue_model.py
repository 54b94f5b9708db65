"""A plain model of DownloadManager and session: what there must be after each verb."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from rheo_core.domain import DownloadStatus
from rheo_core.domain.downloads import Rank

S = DownloadStatus
Stored = tuple[S, int, Rank]
"""Status, priority and rank as the session holds them."""


@dataclass
class Expected:
    """One download."""

    id: str
    priority: int
    rank: Rank
    status: S = S.QUEUED
    before_cancel: S | None = None

    @property
    def key(self) -> tuple[int, Rank, str]:
        return -self.priority, self.rank, self.id

    @property
    def stored(self) -> Stored:
        settled = self.status.is_terminal or self.status is S.PAUSED
        return self.status if settled else S.QUEUED, self.priority, self.rank


class QueueModel:
    """Every verb returns what the engine's verb must return.

    Ranks are the engine's own business: a new one is learned (`learn`), and judged by the order
    that it gives.
    """

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.downloads: dict[str, Expected] = {}
        self.files: set[str] = set()  # whose file is under its final name
        self.endings: Counter[tuple[str, str]] = Counter()  # (id, status), one a terminal event
        self._removed: dict[str, Expected] = {}
        self._failed_and_removed: set[str] = set()
        self._fresh: list[str] = []  # have a place behind all others, unknown yet
        self._moved: tuple[str, list[str]] | None = None  # and the order it must have led to
        self._is_held = False  # nothing starts
        self._passed: list[tuple[str, S]] = []
        self._in_session: dict[str, set[Stored | None]] = {}  # what a crash may leave of each

    # Looking

    def statuses(self) -> dict[str, S]:
        return {one.id: one.status for one in self.downloads.values()}

    def ids(self, *statuses: S) -> list[str]:
        """In the order in which the queue runs."""
        found = (one for one in self.downloads.values() if one.status in statuses)
        return [one.id for one in sorted(found, key=lambda one: one.key)]

    def waiting(self) -> list[str]:
        return self.ids(S.QUEUED)

    def running(self) -> list[str]:
        return self.ids(S.PENDING, S.IN_PROGRESS)

    def made_for(self, verb: str) -> list[str]:
        """The downloads with which a verb does something, in an order of no meaning."""
        if verb == "restore":
            removed = self._removed.keys() - self.downloads.keys()
            return sorted({*removed, *self.ids(S.CANCELLED)})
        begun = (S.QUEUED, S.PENDING, S.IN_PROGRESS, S.RETRYING)
        return self.ids(
            *{
                "pause": begun,
                "resume": (S.PAUSED, S.RETRYING),
                "cancel": (*begun, S.PAUSED),
                "retry": (S.RETRYING, S.FAILED, S.CANCELLED, S.SKIPPED),
                "remove": tuple(S),
            }[verb]
        )

    def may_have_part(self) -> set[str]:
        """A failed one keeps its bytes, off the list too: it may come back."""
        ended = (S.COMPLETED, S.CANCELLED, S.SKIPPED)
        there = {one.id for one in self.downloads.values() if one.status not in ended}
        return there | (self._failed_and_removed - self.downloads.keys())

    # What users do

    def add(self, ids: Iterable[str], priority: int) -> None:
        for id_ in ids:
            if id_ not in self.downloads or self.downloads[id_].status.is_terminal:
                self._append(id_, priority)
                self._in_session[id_] = set()  # durable from here on, whatever was there before
        self._dispatch()

    def pause(self, id_: str) -> bool:
        if not self._is_alive(id_) or self.downloads[id_].status is S.PAUSED:
            return False
        self._set(id_, S.PAUSED)
        self._dispatch()
        return True

    def resume(self, id_: str) -> bool:
        if id_ not in self.ids(S.PAUSED, S.RETRYING):
            return False
        self._set(id_, S.QUEUED)
        self._dispatch()
        return True

    def cancel(self, id_: str) -> str:
        if id_ not in self.downloads:
            return "not_found"
        if not self._is_alive(id_):
            return "already_terminal"
        self.downloads[id_].before_cancel = self.downloads[id_].status
        self.end(id_, S.CANCELLED)
        return "cancelled"

    def retry(self, id_: str) -> bool:
        if id_ in self.ids(S.RETRYING):
            return self.resume(id_)
        if id_ not in self.ids(S.FAILED, S.CANCELLED, S.SKIPPED):
            return False
        self._append(id_, self.downloads[id_].priority)
        self._dispatch()
        return True

    def remove(self, id_: str) -> bool:
        if id_ not in self.downloads:
            return False
        was = replace(self.downloads[id_])
        self._failed_and_removed.discard(id_)
        if was.status is S.FAILED:
            self._failed_and_removed.add(id_)
        self.cancel(id_)
        self._removed[id_] = was
        del self.downloads[id_]
        self._in_session.setdefault(id_, set()).add(None)
        return True

    def restore(self, id_: str) -> bool:
        if id_ in self.downloads:
            return self._reinstate(self.downloads[id_], self.downloads[id_].before_cancel)
        was = self._removed.pop(id_, None)
        if was is not None and was.status.is_terminal:
            self.downloads[id_] = was
            self._passed.append((id_, was.status))
            return True
        if was is None:
            return False
        return self._reinstate(was, was.status)

    def _reinstate(self, one: Expected, status: S | None) -> bool:
        """Undo a cancellation: it begins again, at its place."""
        if status is None or (one.id in self.downloads and one.status is not S.CANCELLED):
            return False
        self.downloads[one.id] = replace(one, status=S.QUEUED, before_cancel=None)
        self._set(one.id, S.QUEUED)
        if status is S.PAUSED:
            self._set(one.id, S.PAUSED)
        self._dispatch()
        return True

    def many(self, verb: str, ids: Iterable[str]) -> set[str]:
        """The same for a set; nothing starts before all have changed."""
        self._is_held = True
        done = {id_ for id_ in ids if getattr(self, verb)(id_) in (True, "cancelled")}
        self._is_held = False
        self._dispatch()
        return done

    def set_priority(self, id_: str, priority: int) -> bool:
        if not self._is_alive(id_):
            return False
        self.downloads[id_].priority = priority
        self._set(id_, self.downloads[id_].status)
        return True

    def move(self, id_: str, how: str, other: str) -> bool:
        order = self.waiting()
        if id_ not in order:
            return False
        index = order.index(id_)
        side = {"up": "before", "down": "after", "top": "before", "bottom": "after"}.get(how, how)
        beside = {"up": index - 1, "down": index + 1, "top": 0, "bottom": len(order) - 1}
        if how in beside:
            if not 0 <= beside[how] < len(order):
                return False
            other = order[beside[how]]
            if other == id_:
                return True  # it stands there already
        if other == id_ or other not in order:
            return False
        order.remove(id_)
        order.insert(order.index(other) + (side == "after"), id_)
        self.downloads[id_].priority = self.downloads[other].priority
        self._moved = id_, order
        self._set(id_, S.QUEUED)
        return True

    def pause_all(self) -> None:
        for id_ in self.ids(S.QUEUED, S.PENDING, S.IN_PROGRESS, S.RETRYING):
            self._set(id_, S.PAUSED)

    def resume_all(self) -> None:
        for id_ in self.ids(S.PAUSED):
            self._set(id_, S.QUEUED)
        self._dispatch()

    def set_slots(self, slots: int) -> None:
        self.slots = slots
        self._dispatch()

    # What servers do

    def begin(self, id_: str) -> None:
        self._set(id_, S.IN_PROGRESS)

    def fail_for_now(self, id_: str) -> None:
        self._set(id_, S.RETRYING)
        self._dispatch()

    def end(self, id_: str, status: S) -> None:
        self._end(id_, status)
        self._dispatch()

    # What becomes of processes

    def stop(self) -> None:
        """The engine was closed in order: what ran waits again, and all of it is written."""
        for id_ in self.ids(S.PENDING, S.IN_PROGRESS, S.RETRYING):
            self._set(id_, S.QUEUED)
        self.is_written()

    def is_written(self) -> None:
        """The session holds what there is now, and nothing else."""
        self._passed.clear()
        self._in_session = {one.id: {one.stored} for one in self.downloads.values()}

    def forget(self) -> None:
        """Another process: what was removed cannot be brought back."""
        self._removed.clear()

    def take_up(self, found: Mapping[str, Stored]) -> None:
        """Judge what another process found in the session, and go on from it."""
        for id_ in self._in_session.keys() | found.keys():
            allowed = self._in_session.get(id_, {None})
            assert found.get(id_) in allowed, (id_, found.get(id_), allowed)
        self.downloads = {
            id_: Expected(id_, priority, rank, status)
            for id_, (status, priority, rank) in found.items()
        }
        self.is_written()

    def start(self) -> None:
        self._dispatch()

    def learn(self, places: Mapping[str, tuple[int, Rank]]) -> None:
        """Take over the ranks that the engine gave since the last time, where they are right."""
        old = [one.rank for one in self._alive() if one.id not in self._fresh]
        for id_ in self._fresh:
            rank = places[id_][1]
            assert all(rank > other for other in old), (id_, rank, old)
            old.append(rank)
            self.downloads[id_].rank = rank
        if self._moved is not None:
            id_, order = self._moved
            self.downloads[id_].rank = places[id_][1]
            assert self.waiting() == order
        for id_, status in self._passed:
            if id_ in self.downloads:
                passed = replace(self.downloads[id_], status=status)
                self._in_session.setdefault(id_, {None}).add(passed.stored)
        self._fresh, self._moved, self._passed = [], None, []

    def _alive(self) -> Sequence[Expected]:
        return [one for one in self.downloads.values() if not one.status.is_terminal]

    def _is_alive(self, id_: str) -> bool:
        return id_ in self.downloads and not self.downloads[id_].status.is_terminal

    def _append(self, id_: str, priority: int) -> None:
        behind = max((one.rank for one in self.downloads.values()), default=0) + 1
        self._removed.pop(id_, None)
        self.downloads[id_] = Expected(id_, priority, behind)
        self._fresh.append(id_)
        self._passed.append((id_, S.QUEUED))

    def _set(self, id_: str, status: S) -> None:
        self.downloads[id_].status = status
        self._passed.append((id_, status))

    def _end(self, id_: str, status: S) -> None:
        self._set(id_, status)
        self.endings[id_, status.value] += 1
        if status is S.COMPLETED:
            self.files.add(id_)

    def _dispatch(self) -> None:
        """Free slots go to those that wait longest, and nobody fetches a file twice."""
        while not self._is_held and self.waiting() and len(self.running()) < self.slots:
            first = self.waiting()[0]
            if first in self.files:
                self._end(first, S.SKIPPED)
            else:
                self._set(first, S.PENDING)
