"""Choose the name of a part file if another program or download uses `NAME.part`.

`part_opening.py` decides which of several part files is continued.

The usual name is `NAME.part`. If another program or download uses it, the part file gets one of
four names derived from its source, so that the next run finds it. If other links to the same
object use all four, it gets a name derived from its link.
"""

import os
import unicodedata
from collections.abc import Iterator
from itertools import islice, repeat
from pathlib import Path
from typing import NamedTuple

from rheo_core.domain.filenames import MAX_NAME_BYTES, RESERVED_SUFFIX_BYTES, shorten_filename

from .part_owner import PartOwner
from .part_state import Key, PartState, StateFile, find_state

_TAG_LETTERS = 8
_TAG_OFFSETS = range(0, 4 * _TAG_LETTERS, _TAG_LETTERS)
"""Offsets of the tags for alternative names in the source of a download."""
_MAX_STEM_BYTES = MAX_NAME_BYTES - RESERVED_SUFFIX_BYTES - _TAG_LETTERS - 1


class PartPaths(NamedTuple):
    """Paths of a part file and its state."""

    part: Path

    @property
    def state(self) -> Path:
        """Path of the state."""
        return self.part.with_name(f"{self.part.name}.state")

    def find_state(self, key: Key) -> StateFile | None:
        """Read the state file; None if it does not exist."""
        return find_state(self.state, self.part.name, key)


def usual_paths(destination: Path) -> PartPaths:
    """Return `NAME.part` and `NAME.part.state`."""
    return _paths(destination, f"{destination.name}.part")


def own_paths(destination: Path, owner: PartOwner) -> list[PartPaths]:
    """Return the paths that only this download uses, in the order in which rheo tries them."""
    name = shorten_filename(destination.name, _MAX_STEM_BYTES)
    return [_paths(destination, f"{name}.{tag}.part") for tag in _tags(owner)]


def _tags(owner: PartOwner) -> list[str]:
    tags = [owner.source[at : at + _TAG_LETTERS] for at in _TAG_OFFSETS]
    return [*tags, owner.link[:_TAG_LETTERS]] if owner.link else tags


def state_at(destination: Path, owner: PartOwner, key: Key) -> PartState | None:
    """Return the state next to a destination, preferably that of this download.

    The next choice is a state of the same object, then any other. None: there is no valid state.
    Every download calls this first, and most find nothing.
    """
    usual = None
    if os.access(f"{destination}.part.state", os.F_OK):
        usual = _state_of(usual_paths(destination), key)
    if (usual is not None and owner.has_begun(usual)) or not _has_own_state(destination, owner):
        return usual
    candidates = [usual, *(_state_of(each, key) for each in own_paths(destination, owner))]
    states = [each for each in candidates if each is not None and each.source == owner.source]
    return next(filter(owner.has_begun, states), states[0] if states else usual)


def _state_of(paths: PartPaths, key: Key) -> PartState | None:
    state_file = paths.find_state(key)
    return None if state_file is None else state_file.state


def _has_own_state(destination: Path, owner: PartOwner) -> bool:
    name, path = destination.name, str(destination)
    if name.isascii() and len(name) <= _MAX_STEM_BYTES:  # most are: this saves creating paths
        states: list[str | Path] = [f"{path}.{tag}.part.state" for tag in _tags(owner)]
    else:
        states = [paths.state for paths in own_paths(destination, owner)]
    return any(map(os.access, states, repeat(os.F_OK)))


def states_of(destination: Path, owner: PartOwner, key: Key) -> Iterator[PartState]:
    """Yield the states of this download, in the order in which rheo tries its paths."""
    for paths in (usual_paths(destination), *own_paths(destination, owner)):
        state = _state_of(paths, key)
        if state is not None and owner.has_begun(state):
            yield state


def unverified_name(destination: Path) -> str:
    """Return the name for data that rheo keeps although its check failed."""
    return f"{destination.name}.unverified"


class PartNames:
    """Names of the part files in folders. Lists each folder once. Blocks."""

    def __init__(self) -> None:
        self._stems: dict[Path, set[str] | None] = {}

    def may_include(self, folder: Path, name: str) -> bool:
        """Return True if a part file or a state of the file `name` may exist in `folder`."""
        if folder not in self._stems:
            self._stems[folder] = stems_of_parts(folder)
        stems = self._stems[folder]
        if not stems:
            return stems is None
        shortened = shorten_filename(name, _MAX_STEM_BYTES)
        return not stems.isdisjoint((folded(name), folded(shortened)))


def stems_of_parts(folder: Path | str, max_names: int | None = None) -> set[str] | None:
    """Return the stems of the names of all part files in a folder; None: unknown.

    Args:
        folder: the folder.
        max_names: limit of names in the folder; None: no limit. With more, the stems are unknown.
    """
    try:
        with os.scandir(folder) as entries:
            names = [entry.name.lower() for entry in islice(entries, max_names and max_names + 1)]
    except (FileNotFoundError, NotADirectoryError):
        return set()
    except OSError:
        return None
    if max_names is not None and len(names) > max_names:
        return None
    parts = [
        name.removesuffix(".state").removesuffix(".part") for name in names if is_part_name(name)
    ]
    return {stem for name in parts for stem in (folded(name), folded(name.rpartition(".")[0]))}


def is_part_name(name: str) -> bool:
    """Return True if a file of this name may be a part file or a state."""
    return name.endswith((".part", ".part.state"))


def folded(name: str) -> str:
    """Return a form of the name that is equal for names that a file system does not distinguish."""
    return unicodedata.normalize("NFKC", name).casefold()


def _paths(destination: Path, name: str) -> PartPaths:
    return PartPaths(destination.with_name(name))
