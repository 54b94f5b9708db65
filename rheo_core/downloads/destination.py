"""Destinations: folders, existing files, and names checked against locale and links."""

import os
import sys
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path, PurePath

from rheo_core.domain.exceptions import DestinationError, FileExistsError
from rheo_core.domain.file_config import FileConfig
from rheo_core.domain.file_exists import FileExistsStrategy
from rheo_core.domain.filenames import number_filename
from rheo_core.domain.rules import Rule, folder_by_rule
from rheo_core.infrastructure.disk import DiskThreads
from rheo_core.infrastructure.files import resolve_links


class DestinationResolver:
    """Applies the file-exists strategy."""

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
        """Return the path to download to: `path`, a numbered one (RENAME), or None (SKIP).

        Raises:
            FileExistsError: it exists and the strategy is ERROR.
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


class Folders:
    """Folders for downloads: the download folder, or that of the first matching rule."""

    def __init__(self, base: Path, rules: Sequence[Rule] = ()) -> None:
        self.base = base
        self.rules = rules

    def path_of(self, config: FileConfig) -> Path:
        """Return the path of a file from facts known before the transfer."""
        if not self.rules:
            return config.get_destination_path(self.base)
        name = config.get_destination_filename()
        return self.folder_of(config, name, config.type) / name

    def folder_of(self, config: FileConfig, name: str, type: str | None) -> Path:
        """Return the folder for a name and a media type; a requested folder wins."""
        if config.destination_subdir is not None:
            return self.base / config.destination_subdir
        return self.base / (folder_by_rule(self.rules, config.url, name, type) or "")


def can_name(path: Path) -> bool:
    """Tell whether the locale's encoding has all letters of a path."""
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        return False
    return True


def check_name(path: Path) -> None:
    """Check that the locale's encoding has all letters of a path.

    Raises:
        DestinationError: a letter is missing.
    """
    if not can_name(path):
        raise DestinationError(
            path,
            f"the encoding of this locale ({sys.getfilesystemencoding()}) cannot represent the "
            "name; set LC_ALL=C.UTF-8",
        )


def check_inside(path: Path, subdir: str) -> None:
    """Check that no link in the folders of `subdir` leads outside of the folder above them.

    Raises:
        DestinationError: a link does.
    """
    base = path.parents[len(PurePath(subdir).parts)]
    try:
        is_inside = resolve_links(path.parent).is_relative_to(resolve_links(base))
    except OSError as error:
        raise DestinationError(path, "its folder is a circular link") from error
    if not is_inside:
        raise DestinationError(path, f"a link leads outside {base}")


def numbered(path: Path) -> Iterator[Path]:
    """Yield `name (1).ext`, `name (2).ext` and so on."""
    return (path.with_name(number_filename(path.name, number)) for number in count(1))


def _first_free(path: Path) -> Path:
    return next(candidate for candidate in numbered(path) if not os.path.lexists(candidate))
