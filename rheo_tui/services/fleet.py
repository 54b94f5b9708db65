"""FleetService: watch and control a fleet run through its output folder.

An object store may be slow or unreachable. Therefore the service reads in threads, and nothing
waits for them.
"""

import asyncio
import shlex
import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TypeVar

from rheo_core.domain.fleet import STOP_NAME
from rheo_core.domain.fleet_view import FailedEntry, FleetView, ShardRow
from rheo_core.domain.text import printable, redact
from rheo_core.fleet.error_kinds import may_pass
from rheo_core.fleet.failed_entries import failed_entries, url_of
from rheo_core.fleet.passes import plan_pass, planned_shards, read_passes
from rheo_core.fleet.planning import PlanError, read_plan
from rheo_core.fleet.status import complete_shards
from rheo_core.fleet.targets import Target, open_target
from rheo_core.fleet.watching import ORDERS, FleetWatcher
from rheo_core.infrastructure.disk import DiskThreads
from rheo_tui.formatting import count_text

T = TypeVar("T")

PAGE_SIZE = 500
"""Number of failed URLs to read at a time."""
_MIN_PAUSE_SECONDS, _MAX_PAUSE_SECONDS = 2.0, 60.0
_PAUSE_SHARE = 20.0
"""Pause between two readings, as a multiple of the time of one."""


class FleetError(Exception):
    """The run cannot be read or changed now; one sentence."""


class NotAFleetError(FleetError):
    """The folder is not the output folder of a fleet."""


class FailedPages:
    """Failed entries of one shard, read page by page.

    Args:
        target: the output folder.
        row: the shard.
        text: part of URL, kind or reason; "": all of them.
    """

    def __init__(self, target: Target, row: ShardRow, text: str) -> None:
        self._target, self._row, self._text = target, row, text.casefold()
        self._entries: Iterator[FailedEntry] | None = None

    def next(self) -> list[FailedEntry]:
        """Return the next page; the last one has fewer than `PAGE_SIZE` entries. Blocks."""
        if self._entries is None:
            entries = failed_entries(self._target, self._row.shard, self._row.pass_number)
            self._entries = (each for each in entries if self._matches(each))
        return list(islice(self._entries, PAGE_SIZE))

    def _matches(self, entry: FailedEntry) -> bool:
        if not self._text:
            return True
        return any(self._text in part.casefold() for part in (entry.url, entry.kind, entry.error))


class FleetService:
    """Reads and controls a run. Its coroutines can be cancelled while a store hangs.

    Args:
        out: path of the output folder, or its URL.
    """

    def __init__(self, out: str) -> None:
        self.out = out
        self.pause = _MIN_PAUSE_SECONDS
        """Seconds to wait before the next reading."""
        self._order = next(iter(ORDERS))
        self._reading, self._acting = DiskThreads(1), DiskThreads(1)
        self._target: Target | None = None
        self._watcher: FleetWatcher | None = None

    @property
    def shown_out(self) -> str:
        """The output folder, safe to show."""
        return printable(redact(self.out))

    @property
    def command(self) -> str:
        """The command that continues the run."""
        return f"rheo fleet run -o {shlex.quote(self.shown_out)}"

    async def look(self) -> FleetView:
        """Return the current state of the run, as far as it could be read in half a second.

        Raises:
            NotAFleetError: the folder has no plan.
            FleetError: the folder cannot be read.
        """
        return await self._run(self._reading, self._look)

    def next_order(self) -> str:
        """Choose the next order of the rows, and return its name."""
        names = list(ORDERS)
        self._order = names[(names.index(self._order) + 1) % len(names)]
        return self._order

    def failed(self, row: ShardRow, text: str = "") -> FailedPages:
        """Return the failed entries of a shard; `page` reads them."""
        return FailedPages(self._opened(), row, text)

    async def page(self, pages: FailedPages) -> list[FailedEntry]:
        """Return the next page of failed entries.

        Raises:
            FleetError: it cannot be read.
        """
        return await self._run(self._acting, pages.next)

    async def url_of(self, row: ShardRow, entry: FailedEntry) -> str:
        """Return the URL of an entry, secrets included.

        Raises:
            FleetError: it cannot be read.
        """
        url = await self._run(self._acting, lambda: url_of(self._opened(), row.shard, entry.key))
        return url or entry.url

    async def stop(self) -> None:
        """Ask all workers to stop. Running shards finish, and no new ones start.

        Raises:
            FleetError: the folder cannot be written.
        """
        await self._run(self._acting, lambda: self._opened().put(STOP_NAME, b""))

    async def take_stop_back(self) -> None:
        """Remove the request to stop.

        Raises:
            FleetError: the folder cannot be written.
        """
        await self._run(self._acting, lambda: self._opened().remove(STOP_NAME))

    async def plan_retry(self) -> str:
        """Plan another pass over temporary errors; return a sentence about it.

        Raises:
            FleetError: the run is not complete, or its manifests cannot be read.
        """
        return await self._run(self._acting, self._plan_retry)

    def close(self) -> None:
        """Let the threads end."""
        self._reading.close()
        self._acting.close()

    def _opened(self) -> Target:
        if self._target is None:
            self._target = open_target(self.out)
        return self._target

    def _look(self) -> FleetView:
        began = time.monotonic()
        if self._watcher is None:
            self._watcher = FleetWatcher(self._opened())
        self._watcher.order = self._order
        view = self._watcher.look()
        wait = _PAUSE_SHARE * (time.monotonic() - began)
        self.pause = max(_MIN_PAUSE_SECONDS, min(wait, _MAX_PAUSE_SECONDS))
        if view.read < view.to_read:
            self.pause = 0.0
        return view

    def _plan_retry(self) -> str:
        target = self._opened()
        plan = read_plan(target)
        if plan is None:
            raise PlanError("it has no plan")
        passes = read_passes(target)
        planned = list(planned_shards(plan, passes))
        if len(complete_shards(target, planned)) < len(planned):
            return f"The run is not complete. Finish it first: {self.command}"
        further = plan_pass(target, plan, passes, may_pass)
        if further is None:
            return "No failure looks temporary; to retry others, use rheo fleet retry --kind."
        urls = count_text(further.entries, "URL")
        return f"Planned pass {further.number} over {urls}: {self.command}"

    async def _run(self, threads: DiskThreads, work: Callable[[], T]) -> T:
        try:
            # The thread cannot be stopped; a cancelled task does not wait for it.
            return await asyncio.shield(threads.submit(work))
        except PlanError as error:
            raise NotAFleetError(
                f"{self.shown_out} is not the output folder of a fleet: {error}."
            ) from None
        except ImportError:
            raise FleetError("Manifests need pyarrow: pip install 'rheo-tui[fleet]'.") from None
        except ValueError as error:
            raise FleetError(f"{printable(redact(str(error)))}.") from None
        except Exception as error:  # store libraries raise any error; watching continues
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            reason = printable(redact(reason))
            raise FleetError(f"Cannot use {self.shown_out}: {reason}.") from None
