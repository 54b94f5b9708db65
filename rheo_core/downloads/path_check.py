"""Checks of the paths of files before they are downloaded: what is there, and whose it is."""

import os
from enum import Enum, auto
from typing import NamedTuple

from rheo_core.infrastructure.file_metadata import source_at
from rheo_core.infrastructure.identity import Identity, identity_at
from rheo_core.transfer import PartFile


class Occupant(Enum):
    """Contents of the path for a file."""

    NOTHING = auto()
    OURS = auto()  # the beginning of this very download
    SHARED = auto()  # the beginning by another link of its object, which this one may continue
    ANOTHERS = auto()  # the beginning of another one
    FILE = auto()
    SPECIAL = auto()  # a folder, a device, or a link, unless it may count as its file


class PathCheck(NamedTuple):
    """Result of the check of a path."""

    occupant: Occupant
    identity: Identity | None = None  # of a file
    source: str | None = None  # of the download that wrote the file, if it is known
    link: str | None = None  # other link of this object that began the file; see `PartState`


class PathCheckRequest(NamedTuple):
    """Request to check the path of a file.

    Attributes:
        part: the part file of the download.
        prepare: prepare `part` if nothing is there.
        is_free: what `PartListings` says of its folder.
        follow: a link to a file counts as the file; not if it would be replaced.
    """

    part: PartFile
    prepare: bool
    is_free: bool
    follow: bool


def check_path(request: PathCheckRequest) -> PathCheck:
    """Check the path of a file. Blocks."""
    part, prepare, is_free, follow = request
    state = None if is_free else part.found_state()
    link = state.link if state is not None and part.is_shared(state) else None
    path = part.destination
    if os.path.lexists(path):
        is_file = os.path.isfile(path) and (follow or not os.path.islink(path))
        occupant = Occupant.FILE if is_file else Occupant.SPECIAL
        return PathCheck(occupant, identity_at(path), source_at(path), link)
    if state is None:
        if prepare and not is_free:
            part.prepare()
        return PathCheck(Occupant.NOTHING)
    if link is not None:
        return PathCheck(Occupant.SHARED, link=link)
    return PathCheck(Occupant.OURS if part.owner.has_begun(state) else Occupant.ANOTHERS)
