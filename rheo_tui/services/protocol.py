"""DownloadService: the interface through which the app uses an engine.

Screens and widgets know only this protocol. `LocalService` implements it over an engine in this
process, `ThreadedService` runs another service on its own event loop, and `ReadOnlyService` reads
the session file of another process. A daemon or a remote engine can implement it later. Arguments
and results are frozen values.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, Protocol

from rheo_core.config.settings import Settings
from rheo_core.domain import (
    DownloadSnapshot,
    FileConfig,
    FileExistsStrategy,
    RheoError,
    Snapshot,
)
from rheo_core.domain.downloads import HistoryTotals, QueuePlace
from rheo_core.domain.inspector_details import DownloadDetails
from rheo_core.events import DownloadEvent, DownloadEventType

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


@dataclass(frozen=True, slots=True)
class ManyDownloadsEvent:
    """One event in place of the same event for each of many downloads."""

    event_type: DownloadEventType
    count: int  # of downloads
    time: float  # seconds since the epoch


@dataclass(frozen=True, slots=True)
class Deletion:
    """Result of a deletion of files."""

    ids: tuple[str, ...] = ()  # downloads whose files were deleted, and which left the list
    in_trash: int = 0  # number of their files in the trash
    problems: tuple[str, ...] = ()  # sentences about files that were not deleted


class ServiceFactory(Protocol):
    """Creates the service of another session."""

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
    def settings_file(self) -> Path | None:
        """Path of the settings file, which need not exist; None if settings are not saved."""

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

    async def urls_of(self, ids: Sequence[str]) -> dict[str, str]:
        """Return the whole URLs of downloads, secrets included, by id; unknown ones are left out.

        Use them for the user's own clipboard, or to compare them.
        """

    async def details(self, download_id: str) -> DownloadDetails | None:
        """Return facts about one download that its snapshot leaves out; None if it is unknown.

        Ask only for the shown download.
        """

    async def config_of(self, download_id: str) -> FileConfig | None:
        """Return the options of a download, secrets included, with its current priority.

        None if the download is unknown.
        """

    async def edit(self, download_id: str, config: FileConfig) -> str | None:
        """Give a download that is not completed other options; keep its bytes and its place.

        Returns:
            Its new id, which changes with its name and folder; None if it is unknown or
            completed.

        Raises:
            ValueError: another download in the list has this URL and name.
            RheoError: the partial data cannot be moved to the new name.
        """

    async def history(
        self, text: str = "", limit: int = 100, offset: int = 0, *, failed: bool = False
    ) -> list[DownloadSnapshot]:
        """Return ended downloads that match `text`, latest first, removed ones included.

        Args:
            text: part of a name or URL; "" matches all.
            limit: maximum number of downloads.
            offset: number of matches to skip.
            failed: True leaves out downloads that have not failed.
        """

    async def history_totals(self, text: str = "") -> HistoryTotals:
        """Return the totals of the ended downloads that match `text`; see `history`."""

    def take_problems(self) -> Sequence[str]:
        """Return new messages for the user, such as about a damaged session; each one once."""

    def take_events(self) -> Sequence[DownloadEvent | ManyDownloadsEvent]:
        """Return new events, oldest first, each one once, without progress events.

        A call that changes many downloads is one `ManyDownloadsEvent`.
        """

    async def check(self, text: str, options: "ReadOptions | None" = None) -> "list[Entry]":
        """Return an entry with a verdict for each download in `text`; queue nothing.

        The folder in `options` is replaced by the download folder.
        """

    async def check_file(self, path: Path, options: "ReadOptions | None" = None) -> "list[Entry]":
        """Return the entries of a list file; see `check`.

        Raises:
            OSError: the file cannot be read.
        """

    async def recheck(
        self, entries: "Sequence[Entry]", options: "ReadOptions | None" = None
    ) -> "list[Entry]":
        """Return all entries of a text with new verdicts, after the user has changed some.

        Args:
            entries: the entries, in their order.
            options: those with which the text was read.
        """

    def free_space(self, folder: Path | None = None) -> int | None:
        """Return the free bytes in `folder`, or in the download folder; None if unknown."""

    async def add(
        self,
        configs: Sequence[FileConfig],
        *,
        paused: bool = False,
        earlier: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Queue downloads; if `paused`, they wait until they are resumed.

        Args:
            configs: the downloads.
            paused: True to pause them before they start.
            earlier: ids of downloads in the list that some replace under another id, by new ids.
        """

    async def add_again(
        self,
        ids: Sequence[str],
        exists: FileExistsStrategy | None = None,
        paths: Mapping[str, Path] | None = None,
    ) -> None:
        """Queue ended downloads again, from the list or the history, with their options.

        Args:
            ids: the downloads.
            exists: strategy for the existing file; None: as before, but the default of the
                settings instead of an overwrite, which the user chose for one file.
            paths: paths or names of the files by id, see `saved_as`; other files keep theirs.
        """

    async def pause(self, ids: Sequence[str]) -> int:
        """Pause downloads that have not ended, and keep their partial data; return their number."""

    async def resume(self, ids: Sequence[str]) -> int:
        """Put paused downloads back into the queue; return their number."""

    async def cancel(self, ids: Sequence[str]) -> int:
        """Cancel downloads that have not ended; return their number.

        Their partial data is kept for 10 minutes, but not longer than the program runs.
        """

    async def retry(self, ids: Sequence[str]) -> int:
        """Queue failed, cancelled and skipped downloads again; return their number."""

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
        """Use `url` for a download; keep partial data if it belongs to the same file.

        Return False if the download is unknown or completed.

        Raises:
            ValueError: `url` or the checksum in it is not valid, or contradicts that of the
                download; the message is one sentence.
        """

    async def remove(self, ids: Sequence[str]) -> int:
        """Remove downloads from the list and return their number; cancel running ones.

        Finished files stay, and partial data is kept as by `cancel`.
        """

    async def restore(self, ids: Sequence[str]) -> int:
        """Undo `remove` or `cancel`; return the number of downloads restored."""

    async def delete_files(self, ids: Sequence[str]) -> Deletion:
        """Delete the files of completed downloads and remove these downloads from the list.

        The files go to the trash. Without a trash, they are held while undo is possible.
        """

    async def restore_files(self, ids: Sequence[str]) -> int:
        """Undo `delete_files`: restore files and their downloads; return their number.

        A download whose file is gone stays out of the list.
        """

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

    async def change_priority(self, ids: Sequence[str], by: int) -> int:
        """Add `by` to the priority of each download; return the number of changed ones.

        The lowest priority is 1.
        """

    async def set_priority(self, ids: Sequence[str], priority: int) -> int:
        """Give each download a priority, 1 or more; return the number of changed ones."""

    async def move(self, ids: Sequence[str], where: Literal["up", "down", "top", "bottom"]) -> int:
        """Move queued downloads together, by one place or to an end of the queue.

        Return the number of downloads that moved.
        """

    async def places(self, ids: Sequence[str]) -> Mapping[str, QueuePlace]:
        """Return the places of unfinished downloads in the queue."""

    async def set_places(self, places: Mapping[str, QueuePlace]) -> int:
        """Put downloads back to former places; return the number of those that are unfinished."""

    async def change_settings(self, settings: Settings) -> None:
        """Apply settings and save them to the settings file.

        Raises:
            OSError: the settings are applied, but the file cannot be written.
        """

    async def reload_settings(self) -> Sequence[str]:
        """Read the settings file again, apply it and return its problems.

        Settings that would block a host that is not blocked now are not applied.
        """

    async def set_speed_limit(
        self, bytes_per_second: int | None, ids: Sequence[str] | None = None
    ) -> None:
        """Limit the speed.

        Args:
            bytes_per_second: the limit; None lifts it.
            ids: the downloads to limit each; None limits all downloads together, and saves the
                limit as the setting `speed_limit`.
        """

    async def follow_schedule(self) -> None:
        """Apply the schedule again, although a limit was set by hand since its span began."""

    async def lift_host_limits(self) -> list[str]:
        """Lift the limits and pauses that hosts caused by refusing requests; return the hosts."""

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
