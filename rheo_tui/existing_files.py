"""Choices for downloads whose file already exists."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from rheo_core.domain import DownloadSnapshot, FileConfig, FileExistsStrategy
from rheo_core.domain.text import printable


class Choice(StrEnum):
    """Choices for a link whose file exists."""

    OPEN = "open"
    AGAIN = "again"
    RENAME = "rename"
    OVERWRITE = "overwrite"
    SKIP = "skip"


class Decision(NamedTuple):
    """A choice of the user."""

    choice: Choice
    name: str = ""  # new name of the file, for RENAME
    path: str = ""  # the only existing file that this choice is for; "": any

    @property
    def strategy(self) -> FileExistsStrategy:
        """Strategy of the download."""
        is_replaced = self.choice is Choice.OVERWRITE
        return FileExistsStrategy.OVERWRITE if is_replaced else FileExistsStrategy.RENAME

    def paths_of(self, rows: Sequence[DownloadSnapshot]) -> dict[str, Path]:
        """Return the paths of the files by the ids of their downloads, for `saved_as`."""
        if self.choice is Choice.OVERWRITE:
            return {row.id: Path(row.destination) for row in rows if row.destination}
        return {row.id: Path(self.name) for row in rows} if self.name else {}

    @property
    def words(self) -> str:
        """The choice for people, such as `overwrite`."""
        return f"save as {printable(self.name)}" if self.name else _WORDS[self.choice]

    def applied_to(self, config: FileConfig) -> FileConfig:
        """Return the config of the requested download as this decision changes it."""
        config = config.model_copy(update={"file_exists_strategy": self.strategy})
        path = self.path if self.choice is Choice.OVERWRITE else self.name
        return saved_as(config, Path(path)) if path else config


def saved_as(config: FileConfig, path: Path) -> FileConfig:
    """Return the config of a download whose file gets this path.

    Its response, a rule or another download folder would otherwise make it overwrite another file
    than the one that the user was asked about.

    Args:
        config: the download.
        path: an absolute path, or only a name.
    """
    update: dict[str, object] = {"filename": path.name}
    if path.is_absolute():
        update |= {"destination_subdir": None, "download_dir": path.parent}
    return config.model_copy(update=update)


def paths_of(rows: Sequence[DownloadSnapshot]) -> list[Path]:
    """Return the files that block downloads; only their names if the folders are unknown."""
    return [Path(row.destination or row.name) for row in rows]


_WORDS = {
    Choice.AGAIN: "download again under a numbered name",
    Choice.OVERWRITE: "overwrite",
    Choice.SKIP: "skip",
}
