"""rheo_core: an async download engine.

The names are imported when they are first used: `rheo --help` and programs that only need the
values do not pay for the HTTP library.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

_HOMES = {
    "DownloadInfo": "domain",
    "DownloadManager": "downloads",
    "DownloadStats": "domain",
    "DownloadStatus": "domain",
    "DownloadTracker": "tracking",
    "DownloadWorker": "downloads",
    "EventEmitter": "events",
    "FileConfig": "domain",
    "NullTracker": "tracking",
    "PriorityDownloadQueue": "downloads",
}


def __getattr__(name: str) -> Any:
    """Import a public name from its home (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
