"""Strategies for files that already exist: skip, rename, overwrite, error."""

from enum import StrEnum


class FileExistsStrategy(StrEnum):
    """Action if the destination exists."""

    SKIP = "skip"
    ERROR = "error"
    OVERWRITE = "overwrite"
    RENAME = "rename"

    @property
    def keeps_existing(self) -> bool:
        """True if an existing file prevents the download."""
        return self in (FileExistsStrategy.SKIP, FileExistsStrategy.ERROR)
