"""Layouts: store the files of a shard as a folder or as a tar, and check them."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from rheo_core.domain.fleet import EntryOutcome, LayoutName, PartFacts
from rheo_core.fleet.targets import Target

from .expected_file import ExpectedFile
from .files import check_files, store_files
from .tar import check_tar, store_tar


class Layout(NamedTuple):
    """Layout of the files of a shard.

    Attributes:
        store: store the completed files of a shard, and return the facts of its large parts, by
            name. It gets the folder of the files, the name of the shard's results, and the
            completed entries in the order of their keys. It replaces the files that an earlier
            worker stored.
        check: yield a sentence about each difference between stored and expected files. It gets the
            name of the shard's results.
        archive: kind of the one file that contains all files of a shard, and its suffix; None if
            they are stored one by one.
    """

    store: Callable[[Path, str, Sequence[EntryOutcome], Target], dict[str, PartFacts]]
    check: Callable[[Target, str, Iterator[ExpectedFile]], Iterator[str]]
    archive: str | None = None


LAYOUTS: dict[LayoutName, Layout] = {
    "files": Layout(store_files, check_files),
    "tar": Layout(store_tar, check_tar, "tar"),
}
