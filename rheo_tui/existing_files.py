"""Choices for a download whose file is on the disk already."""

from enum import StrEnum
from typing import NamedTuple

from rheo_core.domain import FileConfig, FileExistsStrategy
from rheo_core.domain.text import printable


class Choice(StrEnum):
    """Ways to go on with a link whose file exists."""

    OPEN = "open"
    AGAIN = "again"
    RENAME = "rename"
    OVERWRITE = "overwrite"
    SKIP = "skip"


class Decision(NamedTuple):
    """A choice of the user."""

    choice: Choice
    name: str = ""  # new name of the file, for RENAME

    @property
    def strategy(self) -> FileExistsStrategy:
        """Strategy of the download."""
        is_replaced = self.choice is Choice.OVERWRITE
        return FileExistsStrategy.OVERWRITE if is_replaced else FileExistsStrategy.RENAME

    @property
    def filename(self) -> str | None:
        """Name of the download; None: the same as before."""
        return self.name or None

    @property
    def words(self) -> str:
        """The choice for people, such as `overwrite`."""
        return f"save as {printable(self.name)}" if self.name else _WORDS[self.choice]

    def applied_to(self, config: FileConfig) -> FileConfig:
        """Return the config of the download that this decision asks for."""
        changes = {"file_exists_strategy": self.strategy, "filename": self.name or config.filename}
        return config.model_copy(update=changes)


_WORDS = {
    Choice.AGAIN: "download again, with a number",
    Choice.OVERWRITE: "overwrite",
    Choice.SKIP: "skip",
}
