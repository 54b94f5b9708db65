"""Layouts: store the files of a shard as a folder or as a tar."""

from collections.abc import Callable, Sequence
from pathlib import Path

from rheo_core.domain.fleet import EntryOutcome, LayoutName, PartFacts
from rheo_core.fleet.targets import Target

from .files import store_files
from .tar import store_tar

Store = Callable[[Path, str, Sequence[EntryOutcome], Target], dict[str, PartFacts]]
"""Store the completed files of a shard, and return the facts of its large parts, by name. It gets
the folder of the files, the name of the shard's results, and the completed entries in the order of
their keys. What an earlier worker stored is replaced."""

LAYOUTS: dict[LayoutName, Store] = {"files": store_files, "tar": store_tar}
