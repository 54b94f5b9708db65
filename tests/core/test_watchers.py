"""A program that watches a folder hears of a finished file (inotify)."""

import ctypes
import os
import struct
import sys
from pathlib import Path

import pytest

from rheo_core import FileConfig
from rheo_core.domain import FileExistsStrategy
from tests.core.engine import fetch, serving, status_of
from tests.servers.misbehaving import MisbehavingServer, body_of

_CLOSE_WRITE = 0x8
_MOVED_TO = 0x80
_EVENT = struct.Struct("iIII")


class Watch:
    """The events of a folder, by name."""

    def __init__(self, folder: Path) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = libc.inotify_init1(os.O_NONBLOCK)
        libc.inotify_add_watch(self._descriptor, os.fsencode(folder), _CLOSE_WRITE | _MOVED_TO)

    def names(self) -> list[str]:
        """Return the names of the files that are complete."""
        data, found = os.read(self._descriptor, 1 << 16), []
        os.close(self._descriptor)
        while data:
            *_, length = _EVENT.unpack_from(data)
            found.append(data[_EVENT.size :][:length].rstrip(b"\0").decode())
            data = data[_EVENT.size + length :]
        return found


@pytest.mark.skipif(sys.platform != "linux", reason="inotify is of Linux")
@pytest.mark.parametrize("size", [0, 100, 3_000_000])
@pytest.mark.parametrize("strategy", [FileExistsStrategy.SKIP, FileExistsStrategy.OVERWRITE])
async def test_a_finished_file_is_heard_by_watchers(
    tmp_path: Path, server: MisbehavingServer, size: int, strategy: FileExistsStrategy
) -> None:
    watch = Watch(tmp_path)
    url = server.on("/file.bin", serving(body_of(size)))
    config = FileConfig(url=url, file_exists_strategy=strategy)
    manager, _ = await fetch(tmp_path, [config])
    assert status_of(manager, config) == "completed"
    assert watch.names()[-1] == "file.bin"
