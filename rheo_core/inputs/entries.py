"""What a text asks for, entry by entry, with a verdict on each."""

from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from rheo_core.domain.file_config import FileConfig
from rheo_core.domain.text import printable


class Verdict(StrEnum):
    """Whether an entry can be queued."""

    OK = "ok"
    DUPLICATE = "duplicate"
    ON_DISK = "on-disk"
    INVALID = "invalid"

    @property
    def words(self) -> str:
        """As people say it."""
        return "already there" if self is Verdict.ON_DISK else self.value


class Entry(NamedTuple):
    """A download that is asked for; comments and blank lines make no entry.

    A line may ask for several. `form` and `note` hold nothing secret. A tuple, because a frozen
    dataclass takes several times as long to make, and a long list makes a million of them.
    """

    line: int  # the first of its lines; 1 for the first line of the text
    text: str  # the line, or what stands for it; printable
    verdict: Verdict
    config: FileConfig | None = None  # None where invalid
    problem: str = ""  # one clear sentence where the verdict is not OK
    form: str = ""  # what it was read from, such as "curl command"; "" for a URL on its line
    note: str = ""  # what was asked for and is left out
    wants: str = ""  # the field of `ReadOptions` that would help: "links", "base" or "patterns"
    refused: str = ""  # what it asks for and `ReadOptions.list_options` would allow, as a sentence
    used: str = ""  # what it asks for and that allows, as a sentence

    @property
    def place(self) -> str:
        """Where the file will be, below the download folder, as far as that is known; printable.

        The reply may name it otherwise where nothing but the URL does.
        """
        config = self.config
        return printable(config.get_destination_path(Path()).as_posix()) if config else ""
