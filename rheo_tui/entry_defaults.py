"""EntryDefaults: folder, priority and other options for all downloads that the user adds."""

import os
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from rheo_core.domain import FileConfig
from rheo_core.domain.schedule import parse_start
from rheo_core.domain.text import printable
from rheo_core.domain.untrusted import MAX_PRIORITY

_MAX_LISTED = 5000
STARTS = ("now", "paused")
QUEUE_ENDS = ("last", "first")


class EntryDefaults(NamedTuple):
    """Options of all downloads that are added together; their text takes precedence.

    They do not include the folder, because verdicts depend on it.
    """

    priority: int | None = None
    start_at: float | None = None  # seconds since the epoch
    paused: bool = False
    first: bool = False

    def applied_to(self, config: FileConfig) -> FileConfig:
        """Return the config of a download with these options."""
        update: dict[str, object] = {}
        if self.priority is not None and "priority" not in config.model_fields_set:
            update["priority"] = self.priority
        if self.start_at is not None and config.start_at is None:
            update["start_at"] = self.start_at
        return config.model_copy(update=update) if update else config


class ChosenFolder(NamedTuple):
    """Folder for downloads: below the download folder, or elsewhere."""

    subfolder: str | None = None  # below the download folder
    elsewhere: Path | None = None  # absolute, in place of the download folder


def parse_folder(text: str, base: Path | None) -> ChosenFolder:
    """Return the folder that a text names; "" names the download folder.

    Args:
        text: a path below the download folder, or one that begins with `/` or `~`.
        base: the download folder; None if it is unknown.

    Raises:
        ValueError: the text is not valid.
    """
    text = text.strip()
    try:
        path = Path(text).expanduser()
        if base is not None and path.is_relative_to(base):
            path = path.relative_to(base)
        if path.is_absolute():
            config = FileConfig(url="http://x/", download_dir=Path(os.path.normpath(path)))
            return ChosenFolder(elsewhere=config.download_dir)
        subfolder = str(path) if path.parts else None
        config = FileConfig(url="http://x/", destination_subdir=subfolder)
        return ChosenFolder(subfolder=config.destination_subdir)
    except RuntimeError:
        home = printable(text.partition("/")[0])
        raise ValueError(
            f"The home folder “{home}” is unknown; paths in yours begin with ~/"
        ) from None
    except ValueError:
        name = printable(text)
        raise ValueError(
            f"The folder “{name}” should be relative, such as isos/linux, or begin with / or ~"
        ) from None


def parse_priority(text: str) -> int | None:
    """Return the priority; None for the default one.

    Raises:
        ValueError: the text is not valid.
    """
    text = text.strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MAX_PRIORITY):
        raise ValueError(
            f"The priority “{printable(text)}” should be a number from 1 to {MAX_PRIORITY:,}"
        )
    return int(text)


def parse_start_field(text: str) -> tuple[float | None, bool]:
    """Return the start in seconds since the epoch, or None, and True for a paused download.

    The beginning of a word is enough.

    Raises:
        ValueError: the text is not valid.
    """
    text = text.strip().lower()
    if any(word.startswith(text) for word in STARTS):
        return None, bool(text) and "paused".startswith(text)
    try:
        return parse_start(text, datetime.now()), False
    except ValueError as error:
        raise ValueError(f"The start “{printable(text)}” {error}, now or paused") from None


def parse_place(text: str) -> bool:
    """Return True for the first place; the beginning of a word is enough.

    Raises:
        ValueError: the text is not valid.
    """
    text = text.strip().lower()
    if not any(word.startswith(text) for word in QUEUE_ENDS):
        raise ValueError(f"The place “{printable(text)}” should be first or last")
    return bool(text) and "first".startswith(text)


PARSERS: Mapping[str, Callable[[str, Path], object]] = {
    "folder": parse_folder,
    "priority": lambda text, _: parse_priority(text),
    "start": lambda text, _: parse_start_field(text),
    "place": lambda text, _: parse_place(text),
}
"""Parsers by the names of the fields, for a text and the download folder; the message of their
errors is a sentence."""


def parse_defaults(texts: Mapping[str, str]) -> EntryDefaults:
    """Return the options that the texts of the fields ask for.

    Raises:
        ValueError: a text is not valid.
    """
    start_at, paused = parse_start_field(texts["start"])
    return EntryDefaults(
        parse_priority(texts["priority"]), start_at, paused, parse_place(texts["place"])
    )


def complete_word(text: str, words: Iterable[str]) -> str:
    """Return the first word that begins with `text`; "" for no text or no word."""
    start = text.strip().lower()
    return next((word for word in words if start and word.startswith(start)), "")


def complete_path(text: str, base: Path, *, folders_only: bool) -> str:
    """Return a path with its likeliest rest, or "". Blocks while it reads a folder.

    Args:
        text: the path as typed; `~` is the home folder.
        base: the folder to which it is relative.
        folders_only: leave files out.
    """
    matches = paths_with(text, base, folders_only=folders_only) if text else []
    return matches[0] if matches and len(matches[0]) > len(text) else ""


def paths_with(text: str, base: Path, *, folders_only: bool) -> list[str]:
    """Return the paths that begin with `text`, folders first and with a slash at their ends.

    Hidden ones only if `text` asks for them. See `complete_path`.
    """
    head, slash, start = text.rpartition("/")
    try:
        folder = base / Path(head + slash).expanduser()
        with os.scandir(folder) as entries:
            listed = [each for each, _ in zip(entries, range(_MAX_LISTED), strict=False)]
    except (OSError, RuntimeError, ValueError):
        return []
    names = [
        (not _is_folder(each), each.name)
        for each in listed
        if each.name.startswith(start) and (start or not each.name.startswith("."))
    ]
    return [
        f"{head}{slash}{name}{'' if is_file else '/'}"
        for is_file, name in sorted(names)
        if printable(name) == name and not (folders_only and is_file)
    ]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False
