"""BaseTracker: the interface of trackers."""

from abc import ABC, abstractmethod
from collections.abc import Iterator

from rheo_core.domain.downloads import DownloadInfo, DownloadStats, DownloadStatus, Snapshot

from .record import DownloadRecord


class BaseTracker(ABC):
    """Interface of trackers, which hold the record of every download."""

    @abstractmethod
    def add(self, record: DownloadRecord) -> None:
        """Add a record. It replaces a record with the same id."""

    @abstractmethod
    def get(self, download_id: str) -> DownloadRecord | None:
        """Return the record of a download; None if it is unknown."""

    @abstractmethod
    def touch(self, record: DownloadRecord, status: DownloadStatus | None = None) -> None:
        """Report a change of a record, and set its status if one is given."""

    @abstractmethod
    def remove(self, download_id: str) -> DownloadRecord | None:
        """Remove a download and return its record; None if it is unknown. `restore` undoes this."""

    @abstractmethod
    def drop(self, download_id: str) -> None:
        """Remove a download, if it is known, so that `restore` does not bring it back."""

    @abstractmethod
    def restore(self, download_id: str) -> DownloadRecord | None:
        """Undo `remove`. Return None if the download was not removed, or too long ago."""

    @abstractmethod
    def active(self) -> Iterator[DownloadRecord]:
        """Return the records of downloads that hold a slot."""

    @abstractmethod
    def records(self) -> Iterator[DownloadRecord]:
        """Return all records, in any order."""

    @abstractmethod
    def get_download_info(self, download_id: str) -> DownloadInfo | None:
        """Return a copy of the state of a download; None if it is unknown."""

    @abstractmethod
    def get_stats(self) -> DownloadStats:
        """Return the number of downloads in each state."""

    @abstractmethod
    def snapshot(self, since: int = 0) -> Snapshot:
        """Return the changes since revision `since`; 0: everything."""
