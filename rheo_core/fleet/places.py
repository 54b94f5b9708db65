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

_PRIVATE = 0o700
_KEYED_NAME = re.compile(r"\d{11}(?:\..*)?")


@dataclass(frozen=True, slots=True)
class ShardPlaces:
    """Paths of one shard."""

    folder: Path  # of its files while they are downloaded
    journal: Path
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
        journal = journal_name(task.shard, task.pass_number)
        if target.path is None:
            own = _own_scratch(task.out, scratch or Path(tempfile.gettempdir()))
            return cls(own / part, own / journal, is_kept=False)
        if plan.layout == "files":
            return cls(target.path / part, target.path / journal, is_kept=True)
        own = target.path / FOLDER / "work"
        if scratch is not None:
            own = _own_scratch(str(target.path), scratch)
        return cls(own / part, target.path / journal, is_kept=False)

    def make(self) -> None:
        """Create the folders.

        Raises:
            OSError: they cannot be created.
        """
        self.journal.parent.mkdir(_PRIVATE, parents=True, exist_ok=True)
        self.folder.mkdir(parents=True, exist_ok=True)

    def sweep(self, files: Set[str]) -> None:
        """Remove what downloads left in the folder, except for `files`."""
        with suppress(FileNotFoundError):
            for path in self.folder.iterdir():
                if path.name not in files and _KEYED_NAME.fullmatch(path.name):
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
