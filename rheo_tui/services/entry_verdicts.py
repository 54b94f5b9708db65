"""Check pasted or loaded entries against the downloads in the list."""

import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rheo_core.domain import DownloadSnapshot, DownloadStatus, FileConfig
from rheo_core.domain.text import printable

from .added_again import refusal

if TYPE_CHECKING:
    from rheo_core.inputs import Entry


def known_ids(rows: Mapping[str, DownloadSnapshot]) -> set[str]:
    """Return the ids of completed and unfinished downloads; others may be added again."""
    return {
        row.id
        for row in rows.values()
        if not row.status.is_terminal or row.status is DownloadStatus.COMPLETED
    }


def with_owners(entries: "list[Entry]", rows: Mapping[str, DownloadSnapshot]) -> "list[Entry]":
    """Return `entries` with verdicts that consider which download owns an existing file.

    The user may want the file of a completed download again. A file of another download is not the
    file of an entry, because the entry gets the next number.
    """
    from rheo_core.inputs import Verdict

    completed = {
        row.id: row.destination for row in rows.values() if row.status is DownloadStatus.COMPLETED
    }
    owners = {path: download_id for download_id, path in completed.items()}
    for at, entry in enumerate(entries if completed else ()):
        if entry.config is None:
            continue
        if entry.verdict is Verdict.DUPLICATE:
            path = completed.pop(entry.config.id, "")  # once: a second line is a duplicate
            if os.path.lexists(path):
                problem = f"already on disk: {printable(Path(path).name)}"
                entries[at] = entry._replace(
                    verdict=Verdict.ON_DISK, problem=problem, existing=path
                )
        elif entry.verdict is Verdict.ON_DISK:
            owner = owners.get(os.path.normpath(entry.existing))
            if owner not in (None, entry.config.id):
                entries[at] = entry._replace(verdict=Verdict.OK, problem="", existing="")
    return entries


async def with_refusals(
    entries: "list[Entry]",
    rows: Mapping[str, DownloadSnapshot],
    config_of: Callable[[str], Awaitable[FileConfig | None]],
) -> "list[Entry]":
    """Return `entries` with those as invalid whose checks contradict an ended download's.

    Args:
        entries: the checked entries of a text.
        rows: the downloads in the list, by id.
        config_of: returns the options of a download in the list.
    """
    from rheo_core.inputs import Verdict

    for at, entry in enumerate(entries):
        config = entry.config
        if config is None or (config.hash_config or config.pieces) is None:
            continue
        row = rows.get(config.id)
        before = await config_of(row.id) if row and row.status.is_terminal else None
        if before is not None and (problem := refusal(before, config)):
            entries[at] = entry._replace(
                verdict=Verdict.INVALID, problem=problem, wants="", existing=""
            )
    return entries
