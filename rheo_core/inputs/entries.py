"""One line of what a user pasted or loaded, with a verdict on it."""

from dataclasses import dataclass
from enum import StrEnum

from rheo_core.domain.file_config import FileConfig


class Verdict(StrEnum):
    """Whether an entry can be queued."""

    OK = "ok"
    DUPLICATE = "duplicate"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class Entry:
    """A line that asks for a download; comments and blank lines make no entry."""

    line: int  # 1 for the first line of the text
    text: str  # the line, printable
    verdict: Verdict
    config: FileConfig | None = None  # None where invalid
    problem: str = ""  # one clear sentence where the verdict is not OK
