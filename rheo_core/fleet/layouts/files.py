"""Folder layout: `part-000123/00012300456.jpg`."""

import errno
from collections.abc import Iterator, Sequence
from pathlib import Path

from rheo_core.domain.fleet import EntryOutcome, PartFacts
from rheo_core.domain.units import count_text
from rheo_core.fleet.targets import Target, absence_of

from .expected_file import ExpectedFile


def store_files(
    folder: Path, part: str, outcomes: Sequence[EntryOutcome], target: Target
) -> dict[str, PartFacts]:
    """Upload the files, unless they were downloaded into the output folder."""
    if target.path is None or folder != target.path / part:
        for outcome in outcomes:
            assert outcome.file is not None
            target.put_file(f"{part}/{outcome.file}", folder / outcome.file)
    return {}


def check_files(target: Target, part: str, expected: Iterator[ExpectedFile]) -> Iterator[str]:
    """Yield a sentence about each missing, extra or different file."""
    try:
        stored = target.sizes(part)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        yield f"{part} is a symbolic link"
        return
    for each in expected:
        name = f"{part}/{each.name}"
        size = stored.pop(each.name, None)
        if size is None:
            yield absence_of(target, name)
        elif size != each.size:
            yield f"{name} has {count_text(size, 'byte')} instead of {each.size or 0:,}"
        elif each.checksums:
            with target.open(name) as file:
                yield from each.compared(file, size, name)
    for name in stored:
        yield f"{part}/{name} is not in the manifest"
