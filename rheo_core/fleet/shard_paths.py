"""Paths of a shard on a worker: the folder for its files, and its journal.

Journals are in the output folder if it is on a file system, so that another machine can continue.
If the output goes to an object store, files and journals are in the scratch folder.
"""

import errno
import hashlib
import os
import re
import stat
import tempfile
from collections.abc import Set
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree

from rheo_core.domain.fleet import FOLDER, FleetPlan, ShardTask, journal_name, part_name
from rheo_core.fleet.targets import Target, check_inside

from .layouts import LAYOUTS

_PRIVATE = 0o700
_FILES = "files"
_JOURNAL = "journal.jsonl"


@dataclass(frozen=True, slots=True)
class ShardPaths:
    """Paths of one shard."""

    folder: Path  # of its files during the download
    journal: Path
    keyed_name: re.Pattern[str]  # of files that belong to the shard
    is_kept: bool  # the folder is part of the results
    out: Path | None  # the output folder, if it is on a file system
    scratch: Path | None  # folder of the shard in a scratch folder

    @classmethod
    def of(
        cls, task: ShardTask, plan: FleetPlan, target: Target, scratch: Path | None
    ) -> "ShardPaths":
        """Return the paths of a shard.

        Args:
            task: the shard.
            plan: plan of the run.
            target: the output folder.
            scratch: folder of this worker for temporary files; None: the output folder if that is
                a file system, otherwise the system's temporary folder.
        """
        part = part_name(task.shard, task.pass_number)
        keyed_name = re.compile(rf"{task.shard:06d}\d{{5}}(?:\..*)?")
        if target.path is None:
            own = _own_scratch(task.out, part, scratch or Path(tempfile.gettempdir()))
            return cls(own / _FILES, own / _JOURNAL, keyed_name, False, None, own)
        is_kept, used_scratch = LAYOUTS[plan.layout].archive is None, None
        if is_kept:
            folder = target.path / part
        elif scratch is None:
            folder = target.path / FOLDER / "work" / part
        else:
            used_scratch = _own_scratch(str(target.path), part, scratch)
            folder = used_scratch / _FILES
        journal = target.path / journal_name(task.shard, task.pass_number)
        return cls(folder, journal, keyed_name, is_kept, target.path, used_scratch)

    def check(self) -> None:
        """Check that existing folders are really at their paths.

        Raises:
            OSError: a symbolic link in the output folder leads elsewhere, or another user may
                write to the folder of the shard in the scratch folder.
        """
        if self.scratch is not None:
            with suppress(FileNotFoundError):
                _check_private(self.scratch)
        for folder in (self.journal.parent, self.folder):
            if self.out is not None and folder.is_relative_to(self.out):
                check_inside(self.out, folder)

    def make(self) -> None:
        """Create the folder of the journal, and check all.

        Raises:
            OSError: it cannot be created; see `check` too.
        """
        if self.scratch is not None:
            self.scratch.parent.mkdir(parents=True, exist_ok=True)
            self.scratch.mkdir(_PRIVATE, exist_ok=True)
        self.journal.parent.mkdir(_PRIVATE, parents=True, exist_ok=True)
        self.check()

    def sweep(self, files: Set[str]) -> None:
        """Remove leftovers of the shard's downloads from the folder, except for `files`.

        If the folder is part of the results, remove it once it is empty.
        """
        with suppress(FileNotFoundError):
            for path in self.folder.iterdir():
                if path.name not in files and self.keyed_name.fullmatch(path.name):
                    path.unlink(missing_ok=True)
        if self.is_kept and not files:
            with suppress(OSError):  # it does not exist, or contains files of others
                self.folder.rmdir()

    def remove_links(self) -> None:
        """Remove symbolic links and pipes with names of the shard's files.

        They would count as downloaded, and their targets would become results.
        """
        with suppress(FileNotFoundError), os.scandir(self.folder) as entries:
            for entry in entries:
                mode = entry.stat(follow_symlinks=False).st_mode
                is_usual = stat.S_ISREG(mode) or stat.S_ISDIR(mode)
                if not is_usual and self.keyed_name.fullmatch(entry.name):
                    Path(entry.path).unlink()

    def remove(self) -> None:
        """Remove the files that only an incomplete shard needs, the journal last."""
        if not self.is_kept:
            rmtree(self.folder, ignore_errors=True)
        self.journal.with_suffix(".parquet").unlink(missing_ok=True)
        self.journal.unlink(missing_ok=True)
        if self.scratch is not None:
            with suppress(OSError):  # another worker has just begun the shard, and will find facts
                self.scratch.rmdir()


def _own_scratch(out: str, part: str, scratch: Path) -> Path:
    """Return the folder of a shard in a scratch folder, which other shards and runs may share.

    It belongs to one shard only, so that its worker can remove it.
    """
    digest = hashlib.sha256(os.fsencode(out)).hexdigest()[:16]
    return scratch / f"rheo-{digest}-{part}"


def _check_private(folder: Path) -> None:
    """Check that a folder belongs only to this user. Others can guess its name and create it first.

    Raises:
        OSError: it does not.
    """
    status = folder.lstat()
    is_own = stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()
    if not is_own or status.st_mode & 0o022:
        raise PermissionError(
            errno.EPERM, "others may write to this folder; choose another --scratch", str(folder)
        )
