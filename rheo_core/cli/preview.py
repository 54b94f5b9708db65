"""What would be downloaded, line by line, while nothing is."""

import shutil
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import typer

from rheo_core.domain.sizes import size_text
from rheo_core.domain.text import printable, redact_url
from rheo_core.inputs import Entry, Verdict
from rheo_core.inputs.sources import LocatedEntry, explained

from .options import ExitCode


def preview(entries: Iterable[LocatedEntry], folder: Path) -> ExitCode:
    """Write a line on each entry and one on all to standard output, as they come.

    Args:
        entries: with the places where they were read.
        folder: where the files would go.
    """
    counts: Counter[Verdict] = Counter()
    size = 0
    for where, entry in entries:
        counts[entry.verdict] += 1
        typer.echo(printable(f"{where}: {_told(entry)}"))
        if entry.verdict is Verdict.OK and entry.config is not None:
            size += entry.config.size_bytes or 0
    told = [f"{counts.pop(Verdict.OK, 0):,} to download"]
    told += [f"{count:,} {verdict.words}" for verdict, count in sorted(counts.items())]
    known = f"{size_text(size)} known of, " if size else ""
    typer.echo(f"{', '.join(told)}; {known}{_free(folder)}")
    return ExitCode.FAILED if Verdict.INVALID in counts else ExitCode.DONE


def _told(entry: Entry) -> str:
    config = entry.config
    if config is None:
        return f"invalid: {explained(entry)}"
    told = f"{entry.verdict.words}: {redact_url(config.url)}"
    if config.filename or config.destination_subdir or entry.verdict is Verdict.ON_DISK:
        told += f" -> {entry.place}"
    if entry.verdict is Verdict.DUPLICATE:
        told += f": {entry.problem}"
    note = "" if entry.problem else explained(entry)
    about = "; ".join(filter(None, (entry.form, size_text(config.size_bytes), note)))
    return f"{told} ({about})" if about else told


def _free(folder: Path) -> str:
    """The room on the disk of a folder that may not be there yet."""
    for place in (folder, *folder.parents):
        try:
            free = shutil.disk_usage(place).free
        except OSError:
            continue
        return f"{size_text(free)} free in {printable(str(folder))}"
    return f"the room in {printable(str(folder))} is not known"
