"""Downloads as a session stores them, and second processes that open one.

Those import this module: it imports neither pytest nor what only tests need.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from rheo_core.infrastructure.session_store import SessionStore, StoredDownload

ROOT = Path(__file__).parents[2]
COUNT = 300

_CHILD = """
import os, signal, sys
from pathlib import Path
from tests.core.stored import row
from rheo_core.infrastructure.session_store import SessionStore
path = Path(sys.argv[1])
"""


def row(number: int = 0, **values: Any) -> StoredDownload:
    defaults: dict[str, Any] = {
        "id": f"{number:016x}",
        "config": f'{{"url":"https://example.org/file-{number}"}}',
        "status": "queued",
        "priority": 1,
        "rank": str(number),
        "added_at": 1_700_000_000.25,
        "started_at": None,
        "finished_at": None,
        "bytes_downloaded": 0,
        "total_bytes": None,
        "destination": None,
        "name": f"file-{number}",
        "error": None,
        "attempt": 0,
        "failures": 0,
        "validation": None,
    }
    return StoredDownload(**{**defaults, **values})


@cache
def downloads() -> list[StoredDownload]:
    """Downloads, a few with more than a page can hold."""
    return [
        row(
            number,
            config=f'{{"url":"https://example.org/a/longer/path/to/file-{number}.iso",'
            f'"mirrors":["https://example.net/{number}"]}}',
            destination=f"/home/me/Downloads/file-{number}.iso",
            error="ü" * 5000 if number % 100 == 7 else None,
            total_bytes=number or None,
        )
        for number in range(COUNT)
    ]


@contextmanager
def opened(path: Path, problem: str = "", **options: Any) -> Iterator[SessionStore]:
    session = SessionStore.open(path, **options)
    assert len(session.problems) == bool(problem)
    assert problem in "".join(session.problems)
    try:
        yield session.store
    finally:
        session.store.close()


@contextmanager
def child(code: str, *arguments: object, prefix: tuple[str, ...] = ()) -> Iterator[Any]:
    """A second process; killed at the end, if it is still there."""
    process = subprocess.Popen(
        [*prefix, sys.executable, "-B", "-c", _CHILD + code, *map(str, arguments)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()
