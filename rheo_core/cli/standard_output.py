"""`-o -`: a file on standard output, once it is complete and verified."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

STANDARD_OUTPUT = "-"


@contextmanager
def temporary_folder() -> Iterator[str]:
    """Make a folder for the file, in $TMPDIR, and remove it at the end."""
    with TemporaryDirectory(prefix="rheo-", ignore_cleanup_errors=True) as folder:
        yield folder


def copy_to_output(folder: Path) -> None:
    """Write the file in a folder to standard output.

    Only whole files are written, so that a retry or a wrong checksum changes nothing that another
    program has read already.

    Raises:
        OSError: standard output cannot be written.
    """
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                shutil.copyfileobj(file, sys.stdout.buffer, 1 << 20)
            sys.stdout.buffer.flush()
