"""Folder layout: `part-000123/00012300456.jpg`."""

from collections.abc import Sequence
from pathlib import Path

from rheo_core.domain.fleet import EntryOutcome, PartFacts
from rheo_core.fleet.targets import Target


def store_files(
    folder: Path, part: str, outcomes: Sequence[EntryOutcome], target: Target
) -> dict[str, PartFacts]:
    """Upload the files, unless they were downloaded into the output folder."""
    if target.path is None or folder != target.path / part:
        for outcome in outcomes:
            assert outcome.file is not None
            target.put_file(f"{part}/{outcome.file}", folder / outcome.file)
    return {}
