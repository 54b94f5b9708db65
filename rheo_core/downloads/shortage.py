"""Shortage: run fewer downloads when this machine is short of files, memory or ports."""

import asyncio
import logging
from collections.abc import Callable

from rheo_core.domain.exceptions import ShortageError
from rheo_core.domain.tuning import Tuning

_log = logging.getLogger(__name__)


class Shortage:
    """Lowers the number of downloads that run at once, and lets it grow back slowly.

    Args:
        running: returns how many downloads run.
        on_room: called whenever more of them may run.
        tuning: times to wait before the number grows, and before giving up.
    """

    def __init__(
        self, running: Callable[[], int], on_room: Callable[[], None], tuning: Tuning
    ) -> None:
        self._tuning = tuning
        self._running = running
        self._on_room = on_room
        self._allowed: int | None = None  # downloads at once; None: there is no shortage
        self._peak = 0  # downloads that ran at once at the beginning of the shortage
        self._alone_since: float | None = None  # the loop's clock
        self._growing: asyncio.TimerHandle | None = None
        self._resting: asyncio.TimerHandle | None = None

    @property
    def is_on(self) -> bool:
        """True if the machine was short of something lately."""
        return self._allowed is not None

    def allowed(self, slots: int) -> int:
        """Return the number of `slots` that may be used now."""
        if self._allowed is None:
            return slots
        return 0 if self._resting is not None else min(self._allowed, slots)

    def note(self, error: ShortageError) -> bool:
        """Lower the number after a failed attempt, which still runs.

        Returns:
            True if waiting may help.
        """
        loop, running = asyncio.get_running_loop(), self._running()
        if self._allowed is None:
            _log.warning("%s; fewer downloads run at once for a while", error)
        self._peak = max(self._peak, running)
        self._allowed = max(min(running, self._allowed or running) - 1, 1)
        if self._growing is not None:
            self._growing.cancel()
        self._growing = loop.call_later(self._tuning.shortage_growth_seconds, self._grow)
        if running > 1:
            self._alone_since = None
            return True
        if self._alone_since is None:
            self._alone_since = loop.time()
        if loop.time() - self._alone_since >= self._tuning.shortage_patience_seconds:
            return False
        self._resting = self._resting or loop.call_later(
            self._tuning.shortage_rest_seconds, self._end_rest
        )
        return True

    def over(self) -> None:
        """Record that a download made progress."""
        self._alone_since = None

    def _grow(self) -> None:
        self._growing = None
        assert self._allowed is not None
        self._allowed += 1
        if self._allowed < self._peak:
            self._growing = asyncio.get_running_loop().call_later(
                self._tuning.shortage_growth_seconds, self._grow
            )
        else:
            self._allowed, self._peak = None, 0
        self._on_room()

    def _end_rest(self) -> None:
        self._resting = None
        self._on_room()
