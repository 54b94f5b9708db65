"""Targets of a command: IDs, a filter or `all`, and a summary of the matching downloads."""

import re
from collections.abc import Collection, Mapping, Sequence

from rheo_core.domain import DownloadSnapshot
from rheo_core.domain.filters import FilterError, Moment, SlowPatternError, parse_filter
from rheo_core.domain.text import printable
from rheo_core.domain.urls import host_of

from .commands import CommandError
from .formatting import count_text, size_text

ALL = "all"
_ID = re.compile(r"[0-9a-f]{1,16}", re.IGNORECASE)
_MAX_NAMED_IDS = 3


def find_targets(
    text: str, rows: Mapping[str, DownloadSnapshot], moment: Moment | None = None
) -> tuple[str, ...] | None:
    """Return the ids of downloads; None for the selection.

    Args:
        text: beginnings of IDs, a filter, `all`, or "" for the selection. Words of hexadecimal
            digits are IDs.
        rows: all downloads by their ids.
        moment: decides which downloads wait.

    Raises:
        CommandError: the text is not valid, or names no download.
    """
    words = text.split()
    if not words:
        return None
    if [word.lower() for word in words] == [ALL]:
        return tuple(rows)
    if all(map(_ID.fullmatch, words)):
        return tuple(dict.fromkeys(find_id(word, rows) for word in words))
    try:
        condition = parse_filter(text)
        ids = tuple(row.id for row in rows.values() if condition.matches(row, moment))
    except FilterError as error:
        where = f"character {error.column + 1} of “{printable(text)}”"
        message = f"The filter is not valid at {where}: {error}."
        raise CommandError(message, is_incomplete=error.is_incomplete) from None
    except SlowPatternError as error:
        raise CommandError(f"{error}.") from None
    if not ids:
        raise CommandError(f"No download matches “{printable(text)}”.")
    return ids


def find_id(prefix: str, ids: Collection[str]) -> str:
    """Return the only id that starts with `prefix`.

    Raises:
        CommandError: no id or several ids start with it.
    """
    matches = [download_id for download_id in ids if download_id.startswith(prefix.lower())]
    if not matches:
        hint = f"; to search names, type name:{prefix}" if _ID.fullmatch(prefix) else ""
        raise CommandError(f"No download ID starts with “{prefix}”{hint}.")
    if len(matches) > 1:
        named = ", ".join(download_id[:8] for download_id in matches[:_MAX_NAMED_IDS])
        more = ", …" if len(matches) > _MAX_NAMED_IDS else ""
        raise CommandError(
            f"“{prefix}” matches {len(matches):,} downloads ({named}{more}). Type more of the ID."
        )
    return matches[0]


def summary_of(rows: Sequence[DownloadSnapshot]) -> str:
    """Return what downloads are together: `23 downloads, 4 hosts, 1.2 GB`, or the name of one."""
    if not rows:
        return "nothing selected"
    sizes = [row.total_bytes for row in rows]
    size = size_text(sum(size or 0 for size in sizes)) if any(sizes) else ""
    if len(rows) == 1:
        return ", ".join(filter(None, (printable(rows[0].name), size)))
    hosts = count_text(len({host_of(row.url) for row in rows}), "host")
    unknown = sizes.count(None)
    more = f" + {unknown:,} unknown" if size and unknown else ""
    return ", ".join(filter(None, (count_text(len(rows)), hosts, size + more)))
