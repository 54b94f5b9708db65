"""ScreenMemory: remember filter, tab, columns and recent commands across runs."""

import json
import logging
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rheo_core.domain.text import printable, redact
from rheo_core.infrastructure.files import write_atomically
from rheo_core.user_files import open_regular

from .columns import AUTOMATIC, ColumnChoice
from .commands import without_secrets

_log = logging.getLogger(__name__)
_MAX_COMMANDS = 200
_MAX_LISTS = 20
_MAX_BYTES = 1 << 20


@dataclass
class ScreenMemory:
    """State of the screen that outlives a run.

    Attributes:
        path: the file; None keeps nothing.
        filter: text of the filter.
        tab: id of the tab that is open.
        commands: latest commands, oldest first.
        columns: the choice of columns in the table.
        lists: paths of recently loaded list files, newest first.
    """

    path: Path | None = None
    filter: str = ""
    tab: str = ""
    commands: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    columns: ColumnChoice = AUTOMATIC

    @classmethod
    def load(cls, path: Path) -> "ScreenMemory":
        """Return the state that the last run left at `path`; an empty one if it is unreadable."""
        memory = cls(path)
        with suppress(OSError, ValueError, RecursionError), open_regular(path) as file:
            stored = json.loads(file.read(_MAX_BYTES))
            if isinstance(stored, dict):
                memory._take(stored)
        return memory

    def _take(self, stored: dict[str, object]) -> None:
        for name in ("filter", "tab"):
            if isinstance(text := stored.get(name), str):
                setattr(self, name, printable(text))
        for name in ("commands", "lists"):
            if isinstance(texts := stored.get(name), list):
                shown = (printable(each) for each in texts if isinstance(each, str))
                setattr(self, name, tuple(shown))
        if isinstance(columns := stored.get("columns"), dict):
            self.columns = ColumnChoice.of(columns)

    def add_command(self, line: str) -> None:
        """Append a command, and drop an earlier copy of it."""
        others = (each for each in self.commands if each != line)
        self.commands = (*others, line)[-_MAX_COMMANDS:]

    def add_list(self, path: str) -> None:
        """Put the path of a list file first, and drop an earlier copy of it."""
        others = (each for each in self.lists if each != path)
        self.lists = (path, *others)[:_MAX_LISTS]

    def save(self) -> None:
        """Write the file, without texts that contain secrets. Blocks."""
        if self.path is None:
            return
        commands = [each for each in self.commands if without_secrets(each) == each]
        shown_filter = self.filter if redact(self.filter) == self.filter else ""
        lists = [each for each in self.lists if printable(each) == each]
        content = {
            "filter": shown_filter,
            "tab": self.tab,
            "commands": commands,
            "lists": lists,
            "columns": self.columns.stored(),
        }
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomically(self.path, json.dumps(content).encode(), durable=False)
        except OSError as error:
            _log.warning("cannot save %s: %s", printable(str(self.path)), error.strerror)
