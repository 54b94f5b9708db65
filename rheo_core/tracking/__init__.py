"""Tracking: the records of all downloads, with snapshots for readers."""

from .base import BaseTracker
from .null import NullTracker
from .record import DownloadRecord
from .tracker import DownloadTracker

__all__ = ["BaseTracker", "DownloadRecord", "DownloadTracker", "NullTracker"]
