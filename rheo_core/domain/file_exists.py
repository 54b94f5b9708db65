"""What becomes of a file that is in the way."""

from enum import StrEnum


class FileExistsStrategy(StrEnum):
    """What to do when the destination exists."""

    SKIP = "skip"
    ERROR = "error"
    OVERWRITE = "overwrite"
    RENAME = "rename"

    @property
    def keeps_existing(self) -> bool:
        """Whether a file that is there means that nothing is downloaded."""
        return self in (FileExistsStrategy.SKIP, FileExistsStrategy.ERROR)
