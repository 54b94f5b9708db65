"""rheo_core: an async download engine.

Names are imported on first use, so that `rheo --help` and programs that need only data types do
not load the HTTP library.
"""

from typing import TYPE_CHECKING

from .lazy import names_from
from .version import __version__

if TYPE_CHECKING:
    from .domain import DownloadInfo, DownloadStats, DownloadStatus, FileConfig
    from .downloads import DownloadManager, DownloadWorker, PriorityDownloadQueue
    from .events import EventEmitter
    from .tracking import DownloadTracker, NullTracker

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

__getattr__ = names_from(
    __name__,
    {
        "domain": ("DownloadInfo", "DownloadStats", "DownloadStatus", "FileConfig"),
        "downloads": ("DownloadManager", "DownloadWorker", "PriorityDownloadQueue"),
        "events": ("EventEmitter",),
        "tracking": ("DownloadTracker", "NullTracker"),
    },
)


def __dir__() -> list[str]:
    return sorted(__all__)
