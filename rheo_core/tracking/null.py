"""NullTracker: track nothing."""

from rheo_core.domain.downloads import DownloadInfo, DownloadStats, DownloadStatus, Snapshot

from .record import DownloadRecord
from .tracker import DownloadTracker


class NullTracker(DownloadTracker):
    """Tracker that knows only running downloads, for the engine, and reports nothing to readers."""

    def touch(self, record: DownloadRecord, status: DownloadStatus | None = None) -> None:
        super().touch(record, status)
        if record.status.is_terminal:
            self._forget(record.id)

    def get_download_info(self, download_id: str) -> DownloadInfo | None:
        return None

    def get_stats(self) -> DownloadStats:
        return DownloadStats()

    def snapshot(self, since: int = 0) -> Snapshot:
        return Snapshot(revision=0, downloads=(), removed=(), stats=DownloadStats())
