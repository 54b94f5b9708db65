"""Entry: a requested download with its verdict."""

import re
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from rheo_core.domain.file_config import FileConfig
from rheo_core.domain.text import printable
from rheo_core.domain.untrusted import asked_options, brief_refusal

_QUOTED_URL = re.compile(r"^URL '[^']*' ")


class Verdict(StrEnum):
    """Verdict on whether an entry can be queued."""

    OK = "ok"
    DUPLICATE = "duplicate"
    ON_DISK = "on-disk"
    INVALID = "invalid"
    NO_URL = "no-url"

    @property
    def words(self) -> str:
        """Text for people."""
        return _WORDS.get(self, self.value)


_WORDS = {Verdict.ON_DISK: "already there", Verdict.NO_URL: "no URL"}


class Entry(NamedTuple):
    """A requested download. Comments and blank lines are not entries.

    A line may request several. `form` and `note` contain no secrets. A tuple, because creating a
    frozen dataclass takes several times as long, and a long list creates a million of them.
    """

    line: int  # number of its first line, counted from 1
    text: str  # the line, or a label for it; printable
    verdict: Verdict
    config: FileConfig | None = None  # None if there is nothing to download
    problem: str = ""  # one clear sentence unless the verdict is OK
    form: str = ""  # format, such as "curl command"; "" for a URL on its own line
    note: str = ""  # options that are left out
    wants: str = ""  # field of `ReadOptions` that would help: "links", "base", "patterns"
    refused: str = ""  # options that `ReadOptions.list_options` would allow; a sentence
    used: str = ""  # options that it allows and are used; a sentence
    existing: str = ""  # path of the existing file, if the verdict is ON_DISK

    @property
    def brief_problem(self) -> str:
        """The problem without the URL that it may begin with, for a list that shows the URL."""
        return _QUOTED_URL.sub("", self.problem)

    @property
    def brief_refusal(self) -> str:
        """Options that were refused, the cause first."""
        return brief_refusal(self.refused)

    @property
    def asks_for(self) -> str:
        """Options in words that need the user's permission, refused or used; "" for none."""
        return asked_options(self.refused or self.used)

    @property
    def place(self) -> str:
        """Destination below the download folder; printable.

        If only the URL gives a name, the response may give another one.
        """
        config = self.config
        return printable(config.get_destination_path(Path()).as_posix()) if config else ""
