"""Destination: apply the strategy for existing files, and refuse links out of the folder.

`file_naming.py` chooses names and folders. In the engine, `path_claim.py` applies the strategies,
because numbered and existing files may belong to other downloads. It uses `DestinationResolver`
only for ERROR.
"""

import errno
import os
from itertools import count
from pathlib import Path, PurePath

from rheo_core.domain.exceptions import DestinationError, FileExistsError
from rheo_core.domain.file_exists import FileExistsStrategy
from rheo_core.infrastructure.disk import DiskThreads
from rheo_core.infrastructure.files import resolve_links

from .file_naming import numbered


class DestinationResolver:
    """Apply the file-exists strategy to paths."""

    def __init__(
        self,
        default_strategy: FileExistsStrategy = FileExistsStrategy.SKIP,
        disk: DiskThreads | None = None,
    ) -> None:
        self.default_strategy = default_strategy
        self._disk = disk or DiskThreads(1)

    async def resolve(
        self, path: Path, strategy_override: FileExistsStrategy | None = None
    ) -> Path | None:
        """Return the path to download to: `path`, a numbered path (RENAME), or None (SKIP).

        Raises:
            FileExistsError: the path exists and the strategy is ERROR.
        """
        if not await self._disk.run(os.path.lexists, path):
            return path
        match strategy_override or self.default_strategy:
            case FileExistsStrategy.SKIP:
                return None
            case FileExistsStrategy.ERROR:
                raise FileExistsError(path)
            case FileExistsStrategy.OVERWRITE:
                return path
            case FileExistsStrategy.RENAME:
                return await self._disk.run(_first_free, path)


def check_inside(path: Path, subdir: str) -> None:
    """Check that no symbolic link in `subdir` leads out of the folder above it.

    Raises:
        DestinationError: a link leads out of it.
    """
    base = path.parents[len(PurePath(subdir).parts)]
    try:
        is_inside = resolve_links(path.parent).is_relative_to(resolve_links(base))
    except OSError as error:
        reason = "is a circular link"
        if error.errno not in (None, errno.ELOOP):
            reason = f"cannot be reached: {error.strerror}"
        raise DestinationError(path, f"its folder {reason}") from error
    if not is_inside:
        raise DestinationError(path, f"a link leads outside {base}")


def _first_free(path: Path) -> Path:
    candidates = (numbered(path, number) for number in count(1))
    return next(candidate for candidate in candidates if not os.path.lexists(candidate))
