"""Places of a shard on the disks of a worker: the folder of its files, and its journal.

Journals lie in the output folder if that is a file system, so that another machine can go on. In an
object store, files and journals lie in the scratch folder.
"""

import hashlib
import re
import tempfile
from collections.abc import Set
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree

from rheo_core.domain.fleet import FOLDER, FleetPlan, ShardTask, journal_name, part_name
from rheo_core.fleet.targets import Target


@dataclass(frozen=True, slots=True)
class ShardPlaces:
    """Paths of one shard."""

    folder: Path  # of its files while they are downloaded
    journal: Path
    keyed_name: re.Pattern[str]  # of files that belong to the shard
    is_kept: bool  # the folder is a part of the results

    @classmethod
    def of(
        cls, task: ShardTask, plan: FleetPlan, target: Target, scratch: Path | None
    ) -> "ShardPlaces":
        """Return the places of a shard.

        Args:
            task: the shard.
            plan: plan of the run.
            target: the output folder.
            scratch: folder of this worker for temporary files; None: the output folder if that is
                a file system, otherwise the system's temporary folder.
        """
        part = part_name(task.shard, task.pass_number)
        keyed_name = re.compile(rf"{task.shard:06d}\d{{5}}(?:\..*)?")
        journal = journal_name(task.shard, task.pass_number)
        if target.path is None:
            own = _own_scratch(task.out, scratch or Path(tempfile.gettempdir()))
            return cls(own / part, own / journal, keyed_name, is_kept=False)
        if plan.layout == "files":
            return cls(target.path / part, target.path / journal, keyed_name, is_kept=True)
        own = target.path / FOLDER / "work"
        if scratch is not None:
            own = _own_scratch(str(target.path), scratch)
        return cls(own / part, target.path / journal, keyed_name, is_kept=False)

    def sweep(self, files: Set[str]) -> None:
        """Remove what downloads of the shard left in the folder, except for `files`.

        A folder without any file is removed, too.
        """
        with suppress(FileNotFoundError):
            for path in self.folder.iterdir():
                if path.name not in files and self.keyed_name.fullmatch(path.name):
                    path.unlink(missing_ok=True)
        if not files:
            with suppress(OSError):  # it does not exist, or holds files of others
                self.folder.rmdir()

    def remove(self) -> None:
        """Remove the folder, unless it is a part of the results."""
        if not self.is_kept:
            rmtree(self.folder, ignore_errors=True)


def _own_scratch(out: str, scratch: Path) -> Path:
    """Return the folder of a run in a scratch folder that other runs may use too."""
    digest = hashlib.sha256(out.encode()).hexdigest()[:16]
    return scratch / f"rheo-{digest}"
