"""Records of all downloads, with revisions and snapshots for readers."""

from .base import BaseTracker
from .null import NullTracker
from .record import DownloadRecord
from .tracker import DownloadTracker

__all__ = ["BaseTracker", "DownloadRecord", "DownloadTracker", "NullTracker"]
