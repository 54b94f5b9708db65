"""Choices for downloads whose file already exists."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from rheo_core.config.settings import Settings
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

    def paths_of(self, rows: Sequence[DownloadSnapshot], folder: Path) -> dict[str, Path]:
        """Return the paths of the files by the ids of their downloads, for `saved_as`."""
        if self.choice is Choice.OVERWRITE:
            return {row.id: path_of(row, folder) for row in rows}
        return {row.id: Path(self.name) for row in rows} if self.name else {}

    @property
    def words(self) -> str:
        """The choice for people, such as `overwrite`."""
        return f"save as {printable(self.name)}" if self.name else _WORDS[self.choice]

    def applied_to(self, config: FileConfig, base: Path | None) -> FileConfig:
        """Return the config of the requested download as this decision changes it.

        Args:
            config: the requested download.
            base: see `saved_as`.
        """
        config = config.model_copy(update={"file_exists_strategy": self.strategy})
        path = self.path if self.choice is Choice.OVERWRITE else self.name
        return saved_as(config, Path(path), base) if path else config


def saved_as(config: FileConfig, path: Path, base: Path | None) -> FileConfig:
    """Return the config of a download whose file gets this path; it may overwrite no other file.

    Its response or a rule would otherwise give it another path than the one that the user chose.

    Args:
        config: the download.
        path: an absolute path, or only a name.
        base: the folder of downloads without one of their own; None if rules decide.
    """
    only = path if path.is_absolute() else None
    config = config.model_copy(update={"filename": path.name, "overwrite_only": only})
    is_usual = base is not None and config.folder_below(base) == path.parent
    if is_usual or not path.is_absolute():
        return config  # with the same id, so that it replaces its ended download
    return config.model_copy(update={"destination_subdir": None, "download_dir": path.parent})


def usual_folder(settings: Settings) -> Path | None:
    """Return the folder of downloads without one of their own; None if rules decide."""
    return None if settings.rules else settings.download_dir


def path_of(row: DownloadSnapshot, folder: Path) -> Path:
    """Return the file of a download that has ended; in the download folder if it is unknown."""
    return Path(row.destination) if row.destination else folder / row.name


_WORDS = {
    Choice.AGAIN: "download again under a numbered name",
    Choice.OVERWRITE: "overwrite",
    Choice.SKIP: "skip",
}
