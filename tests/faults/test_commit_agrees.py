"""The final name if and only if completed, also where the commit cannot tidy up.

The file has its name from link(2) on; that the part file or the state cannot be removed after it
does not make it a failure. The next run removes them.
"""

from pathlib import Path

import pytest

from tests.core.engine import names_in, serving
from tests.faults.program import Home, needs_strace, strace
from tests.servers.misbehaving import MisbehavingServer, body_of

BODY = body_of(400_000)
SMALL = body_of(200_000)


@needs_strace
@pytest.mark.parametrize("name", ["file.bin.part", "file.bin.part.state"])
async def test_a_file_that_has_its_name_is_there(
    server: MisbehavingServer, home: Home, tmp_path: Path, name: str
) -> None:
    url, folder = server.on("/file.bin", serving(BODY, ETag='"v1"')), tmp_path / "files"
    inject = ("-P", str(folder / name), "-e", "trace=unlink", "-e", "inject=unlink:error=EIO")
    result = await home.rheo("download", url, "-o", folder, before=strace(*inject))
    assert result.code == 0, result
    assert (folder / "file.bin").read_bytes() == BODY
    assert name in names_in(folder)
    result = await home.rheo("download", url, "-o", folder)
    assert result.code == 0, result
    assert names_in(folder) == ["file.bin"]


@needs_strace
async def test_a_small_file_that_has_its_name_is_there(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    """The file is created whole: only its folder has to be synced."""
    url, folder = server.on("/file.bin", serving(SMALL, ETag='"v1"')), tmp_path / "files"
    folder.mkdir()
    inject = ("-P", str(folder), "-e", "trace=fsync", "-e", "inject=fsync:error=EIO")
    result = await Home(tmp_path / "home").rheo(
        "download", url, "-o", folder, before=strace(*inject)
    )
    assert result.code == 0, result
    assert (folder / "file.bin").read_bytes() == SMALL
    assert names_in(folder) == ["file.bin"]
