"""Checks of files from the demo server."""

import hashlib
from pathlib import Path

from rheo_tui.demo import DemoFile, DemoServer


def is_whole(path: Path, server: DemoServer, file: DemoFile) -> bool:
    """Return True if this is the file that the server offers, to the last byte."""
    return hashlib.sha256(path.read_bytes()).hexdigest() == server.sha256(file.path)
