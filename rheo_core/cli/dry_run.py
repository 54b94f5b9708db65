"""`--dry-run`: show what rheo would download."""

import shutil
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import typer

from rheo_core.domain.text import printable, redact_url
from rheo_core.domain.units import size_text
from rheo_core.inputs import Entry, Verdict
from rheo_core.inputs.arguments import LocatedEntry, explain_entry

from .exit import ExitCode


def show_entries(entries: Iterable[LocatedEntry], folder: Path | None) -> ExitCode:
    """Write a line for each entry and a summary to standard output.

    Args:
        entries: entries with the place where each was read; more may still arrive.
        folder: the download folder; None: the file goes to standard output.

    Returns:
        FAILED if an entry is invalid.
    """
    counts: Counter[Verdict] = Counter()
    size = 0
    for where, entry in entries:
        counts[entry.verdict] += 1
        typer.echo(printable(f"{where}: {_line(entry)}"))
        if entry.verdict is Verdict.OK and entry.config is not None:
            size += entry.config.size_bytes or 0
    totals = [f"{counts.pop(Verdict.OK, 0):,} to download"]
    totals += [f"{count:,} {verdict.words}" for verdict, count in sorted(counts.items())]
    place = "to standard output" if folder is None else _free(folder)
    known = f"{size_text(size)} known, " if size else ""
    typer.echo(f"{', '.join(totals)}; {known}{place}")
    return ExitCode.FAILED if Verdict.INVALID in counts else ExitCode.DONE


def _line(entry: Entry) -> str:
    config = entry.config
    if config is None:
        return f"{entry.verdict.words}: {explain_entry(entry)}"
    line = f"{entry.verdict.words}: {redact_url(config.url)}"
    if config.filename or config.destination_subdir or entry.verdict is Verdict.ON_DISK:
        line += f" -> {entry.place}"
    if entry.verdict is Verdict.DUPLICATE:
        line += f": {entry.problem}"
    note = "" if entry.problem else explain_entry(entry)
    facts = "; ".join(filter(None, (entry.form, size_text(config.size_bytes), note)))
    return f"{line} ({facts})" if facts else line


def _free(folder: Path) -> str:
    """Return the free space on the disk of a folder that may not exist yet."""
    for place in (folder, *folder.parents):
        try:
            free = shutil.disk_usage(place).free
        except OSError:
            continue
        return f"{size_text(free)} free in {printable(str(folder))}"
    return f"free space in {printable(str(folder))} is unknown"
