"""rheo_core: an async download engine."""

from .domain import DownloadInfo, DownloadStats, DownloadStatus, FileConfig
from .downloads import DownloadManager, DownloadWorker, PriorityDownloadQueue
from .events import EventEmitter
from .tracking import DownloadTracker, NullTracker

__version__ = "0.1.0"

__all__ = [
    "DownloadInfo",
    "DownloadManager",
    "DownloadStats",
    "DownloadStatus",
    "DownloadTracker",
    "DownloadWorker",
    "EventEmitter",
    "FileConfig",
    "NullTracker",
    "PriorityDownloadQueue",
    "__version__",
]
