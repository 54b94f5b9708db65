"""DownloadService: the interface through which the app reaches an engine.

Screens and widgets know only this protocol. `LocalService` implements it over an engine in this
process, `ThreadedService` runs another service on its own event loop, and `ReadOnlyService` reads
the session file of another process. A daemon or a remote engine can implement it later. Arguments
and results are frozen values.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from rheo_core.config.settings import Settings
from rheo_core.domain import DownloadSnapshot, FileConfig, RheoError, Snapshot
from rheo_core.events import DownloadEvent

if TYPE_CHECKING:
    from rheo_core.inputs import Entry, ReadOptions

READ_ONLY = "this list is open for reading only"


class SessionLockedError(RheoError):
    """Another process has locked the session; the message names it.

    Attributes:
        path: the session file.
    """

    def __init__(self, message: str, path: Path) -> None:
        self.path = path
        super().__init__(message)


class ServiceFactory(Protocol):
    """Makes the service of another session."""

    def __call__(self, path: Path, *, read_only: bool) -> "DownloadService":
        """Return a service over the session file `path` that is not started yet."""


class DownloadService(Protocol):
    """Every call returns soon; no call raises for a download's own failure."""

    @property
    def settings(self) -> Settings:
        """The settings in force."""

    @property
    def keeps_list(self) -> bool:
        """Whether the list is there again at the next start."""

    @property
    def is_read_only(self) -> bool:
        """Whether nothing can be changed, because another process writes the list."""

    async def start(self) -> None:
        """Open the engine; an open one stays open.

        Raises:
            SessionLockedError: another process has the list.
            RheoError: it cannot, for a reason that the app cannot mend.
        """

    async def close(self) -> None:
        """Stop running downloads, keep their bytes, release everything."""

    async def snapshot(self, since: int = 0) -> Snapshot:
        """What changed after revision `since`; cheap when nothing did."""

    async def url_of(self, download_id: str) -> str | None:
        """The whole URL, secrets included, for the user's own clipboard; None where unknown."""

    async def history(
        self, text: str = "", limit: int = 100, offset: int = 0
    ) -> list[DownloadSnapshot]:
        """Ended downloads, in the list or taken off it, that match `text`; latest first."""

    def take_problems(self) -> Sequence[str]:
        """Sentences that the user should read, such as on a damaged session; each comes once."""

    def take_events(self) -> Sequence[DownloadEvent]:
        """The latest events, each once, oldest first; progress events left out."""

    async def check(self, text: str, options: "ReadOptions | None" = None) -> "list[Entry]":
        """A verdict on each thing that a pasted text asks for; nothing is queued.

        Of `options` the folder is that of the settings.
        """

    async def check_file(self, path: Path, options: "ReadOptions | None" = None) -> "list[Entry]":
        """The same for a list file.

        Raises:
            OSError: the file cannot be read.
        """

    def free_space(self) -> int | None:
        """Bytes free where files go; None where that cannot be told."""

    async def add(self, configs: Sequence[FileConfig]) -> None:
        """Queue these downloads."""

    async def add_again(self, ids: Sequence[str]) -> None:
        """Queue what ended, in the list or the history, as it was asked for."""

    async def pause(self, ids: Sequence[str]) -> None:
        """Pause those that have not ended; their bytes are kept."""

    async def resume(self, ids: Sequence[str]) -> None:
        """Put paused ones back into the queue."""

    async def cancel(self, ids: Sequence[str]) -> None:
        """Cancel those that have not ended; their partial data goes."""

    async def retry(self, ids: Sequence[str]) -> None:
        """Queue failed, cancelled and skipped ones again."""

    async def keep(self, download_id: str) -> Path | None:
        """Keep what a failed hash check refused, as `NAME.unverified`; gives where it is.

        None where there is nothing to keep.

        Raises:
            RheoError: it cannot be written.
        """

    async def accept_html(self, download_id: str) -> bool:
        """Queue a failed download again and save the web page that the server sends instead.

        Returns False if it has not failed.
        """

    async def replace_url(self, download_id: str, url: str) -> bool:
        """Fetch from `url` from now on; bytes that are there stay if they are of the same file.

        False for one that is unknown or completed.

        Raises:
            ValueError: `url` is not acceptable; one sentence.
        """

    async def remove(self, ids: Sequence[str]) -> None:
        """Take them off the list (cancelling those still running); finished files stay."""

    async def restore(self, ids: Sequence[str]) -> None:
        """Undo `remove`."""

    async def forget(
        self,
        ids: Sequence[str] | None = None,
        *,
        text: str = "",
        older_than_days: float | None = None,
    ) -> int:
        """Take out of the history what all of these hold for; returns how many.

        What is in the list stays, and so do files.
        """

    async def change_priority(self, ids: Sequence[str], by: int) -> None:
        """Add `by` to the priority of each (1 at the least)."""

    async def move(self, download_id: str, where: Literal["up", "down", "top", "bottom"]) -> None:
        """Move a queued one by one place, or to an end of the queue."""

    async def change_settings(self, settings: Settings) -> None:
        """Put these settings in force and keep them in the settings file.

        Raises:
            OSError: they are in force, but the file cannot be written.
        """

    async def reload_settings(self) -> Sequence[str]:
        """Read the settings file again and put the settings in force; returns what is wrong.

        If they would close requests that are open now, those in force stay.
        """

    async def set_speed_limit(
        self, bytes_per_second: int | None, ids: Sequence[str] | None = None
    ) -> None:
        """Limit each of these, at once, or all downloads together; None lifts the limit."""

    async def set_slow(self, on: bool) -> None:
        """Switch slow mode."""

    async def set_start(self, ids: Sequence[str], start_at: float | None) -> None:
        """Let them wait until a time, in seconds since the epoch; None: they may start at once."""

    async def stop_after(self, count: int | None) -> None:
        """Pause everything once so many bytes have come from now on; None: never."""
