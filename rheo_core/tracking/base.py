"""The tracker interface."""

from abc import ABC, abstractmethod
from collections.abc import Iterator

from rheo_core.domain.downloads import DownloadInfo, DownloadStats, DownloadStatus, Snapshot

from .record import DownloadRecord


class BaseTracker(ABC):
    """Holds the record of every download and answers questions about them."""

    @abstractmethod
    def add(self, record: DownloadRecord) -> None:
        """Begin to track; a record with the same id is replaced."""

    @abstractmethod
    def get(self, download_id: str) -> DownloadRecord | None:
        """The record, None where unknown."""

    @abstractmethod
    def touch(self, record: DownloadRecord, status: DownloadStatus | None = None) -> None:
        """Take note that the record changed, and of its new status where given."""

    @abstractmethod
    def remove(self, download_id: str) -> DownloadRecord | None:
        """Forget a download; `restore` brings it back."""

    @abstractmethod
    def restore(self, download_id: str) -> DownloadRecord | None:
        """Undo `remove`; None where it was never removed or too long ago."""

    @abstractmethod
    def active(self) -> Iterator[DownloadRecord]:
        """The records that hold a slot."""

    @abstractmethod
    def records(self) -> Iterator[DownloadRecord]:
        """Every record there is now, in any order."""

    @abstractmethod
    def get_download_info(self, download_id: str) -> DownloadInfo | None:
        """A copy of what is known of a download, None where unknown."""

    @abstractmethod
    def get_stats(self) -> DownloadStats:
        """How many downloads stand where."""

    @abstractmethod
    def snapshot(self, since: int = 0) -> Snapshot:
        """What changed after revision `since`; 0 asks for everything."""
