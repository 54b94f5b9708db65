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
from rheo_core.domain import (
    DownloadSnapshot,
    FileConfig,
    FileExistsStrategy,
    RheoError,
    Snapshot,
)
from rheo_core.events import DownloadEvent

if TYPE_CHECKING:
    from rheo_core.inputs import Entry, ReadOptions

READ_ONLY = "this session is open read-only"


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
    """Show and change downloads.

    Every call returns soon. A download that fails does not make a call raise.
    """

    @property
    def settings(self) -> Settings:
        """Current settings."""

    @property
    def keeps_list(self) -> bool:
        """True if the list survives the end of the app."""

    @property
    def is_read_only(self) -> bool:
        """True if nothing can be changed, because another process writes the session."""

    async def start(self) -> None:
        """Open the engine; an open one stays open.

        Raises:
            SessionLockedError: another process has locked the session.
            RheoError: the session cannot be used.
        """

    async def close(self) -> None:
        """Stop running downloads, keep their partial data and release all resources."""

    async def snapshot(self, since: int = 0) -> Snapshot:
        """Return the changes after revision `since`; this is cheap if there are none."""

    async def url_of(self, download_id: str) -> str | None:
        """Return the whole URL, secrets included, for the user's own clipboard.

        None if the download is unknown.
        """

    async def history(
        self, text: str = "", limit: int = 100, offset: int = 0
    ) -> list[DownloadSnapshot]:
        """Return ended downloads that match `text`, latest first, removed ones included.

        Args:
            text: part of a name or URL; "" matches all.
            limit: maximum number of downloads.
            offset: number of matches to skip.
        """

    def take_problems(self) -> Sequence[str]:
        """Return new messages for the user, such as about a damaged session; each one once."""

    def take_events(self) -> Sequence[DownloadEvent]:
        """Return new events, oldest first, each one once; progress events are left out."""

    async def check(self, text: str, options: "ReadOptions | None" = None) -> "list[Entry]":
        """Return an entry with a verdict for each download in `text`; queue nothing.

        The folder in `options` is replaced by the download folder.
        """

    async def check_file(self, path: Path, options: "ReadOptions | None" = None) -> "list[Entry]":
        """Return the entries of a list file; see `check`.

        Raises:
            OSError: the file cannot be read.
        """

    def free_space(self) -> int | None:
        """Return the free bytes in the download folder; None if they are unknown."""

    async def add(self, configs: Sequence[FileConfig]) -> None:
        """Queue downloads."""

    async def add_again(
        self,
        ids: Sequence[str],
        exists: FileExistsStrategy | None = None,
        filename: str | None = None,
    ) -> None:
        """Queue ended downloads again, from the list or the history, with their options.

        Args:
            ids: the downloads.
            exists: strategy for the existing file; None: as before.
            filename: name of the file of a single download; None: as before.
        """

    async def pause(self, ids: Sequence[str]) -> None:
        """Pause downloads that have not ended; keep their partial data."""

    async def resume(self, ids: Sequence[str]) -> None:
        """Put paused downloads back into the queue."""

    async def cancel(self, ids: Sequence[str]) -> None:
        """Cancel downloads that have not ended; delete their partial data."""

    async def retry(self, ids: Sequence[str]) -> None:
        """Queue failed, cancelled and skipped downloads again."""

    async def keep(self, download_id: str) -> Path | None:
        """Keep data with a wrong checksum as `NAME.unverified` and return its path.

        None if there is no data to keep.

        Raises:
            RheoError: the file cannot be written.
        """

    async def accept_html(self, download_id: str) -> bool:
        """Queue a failed download again and save the web page that the server sends instead.

        Return False if the download has not failed.
        """

    async def replace_url(self, download_id: str, url: str) -> bool:
        """Download from `url` from now on; keep partial data if it belongs to the same file.

        Return False if the download is unknown or completed.

        Raises:
            ValueError: `url` is not valid; the message is one sentence.
        """

    async def remove(self, ids: Sequence[str]) -> None:
        """Remove downloads from the list and cancel running ones; keep finished files."""

    async def restore(self, ids: Sequence[str]) -> None:
        """Undo `remove`."""

    async def forget(
        self,
        ids: Sequence[str] | None = None,
        *,
        text: str = "",
        older_than_days: float | None = None,
    ) -> int:
        """Delete downloads from the history and return their number.

        All conditions must hold. Downloads in the list stay, and so do files.

        Args:
            ids: delete only these; None does not restrict.
            text: delete only those with this text in their name or URL.
            older_than_days: delete only those that ended earlier.
        """

    async def change_priority(self, ids: Sequence[str], by: int) -> None:
        """Add `by` to the priority of each download; the lowest priority is 1."""

    async def move(self, download_id: str, where: Literal["up", "down", "top", "bottom"]) -> None:
        """Move a queued download by one place, or to an end of the queue."""

    async def change_settings(self, settings: Settings) -> None:
        """Apply settings and save them to the settings file.

        Raises:
            OSError: the settings are applied, but the file cannot be written.
        """

    async def reload_settings(self) -> Sequence[str]:
        """Read the settings file again, apply it and return its problems.

        Settings that would block hosts which are not blocked now are not applied.
        """

    async def set_speed_limit(
        self, bytes_per_second: int | None, ids: Sequence[str] | None = None
    ) -> None:
        """Limit the speed.

        Args:
            bytes_per_second: the limit; None lifts it.
            ids: the downloads to limit each; None limits all downloads together.
        """

    async def set_slow(self, on: bool) -> None:
        """Switch slow mode on or off."""

    async def set_start(self, ids: Sequence[str], start_at: float | None) -> None:
        """Delay downloads.

        Args:
            ids: the downloads to delay.
            start_at: seconds since the epoch; None lets them start at once.
        """

    async def stop_after(self, count: int | None) -> None:
        """Pause all downloads after `count` more bytes; None switches that off."""
