"""Check a path before the download: what already exists there, and whose it is."""

import os
from enum import Enum, auto
from typing import NamedTuple

from rheo_core.infrastructure.file_metadata import source_at
from rheo_core.infrastructure.identity import Identity, identity_at
from rheo_core.transfer import PartFile


class Occupant(Enum):
    """Contents of the path for a file."""

    NOTHING = auto()
    OURS = auto()  # partial data of this download
    SHARED = auto()  # partial data of another link to the same object, which this one may continue
    ANOTHERS = auto()  # partial data of another download
    FILE = auto()
    SPECIAL = auto()  # a folder, a device, or a link, unless it may count as its file


class PathCheck(NamedTuple):
    """Result of the check of a path."""

    occupant: Occupant
    identity: Identity | None = None  # of a file
    source: str | None = None  # of the download that wrote the file, if it is known
    link: str = ""  # that began the part file next to it, if known; see `PartState`
    may_borrow: bool = False  # that is another link of this object; see `PartOwner.may_borrow`
    is_free: bool = False  # nothing is there, and no part file of any name is in the folder


class PathCheckRequest(NamedTuple):
    """Request to check the path of a file.

    Attributes:
        part: the part file of the download.
        prepare: prepare `part` if nothing is there.
        is_free: result of `PartListings` for its folder.
        follow: a link to a file counts as the file, unless it would be replaced.
    """

    part: PartFile
    prepare: bool
    is_free: bool
    follow: bool


def check_path(request: PathCheckRequest) -> PathCheck:
    """Check the path of a file. Blocks."""
    part, prepare, is_free, follow = request
    state = None if is_free else part.found_state()
    link, may_borrow = "", False
    if state is not None:
        link, may_borrow = state.link, part.owner.may_borrow(state)
    path = part.destination
    if os.path.lexists(path):
        is_file = os.path.isfile(path) and (follow or not os.path.islink(path))
        occupant = Occupant.FILE if is_file else Occupant.SPECIAL
        return PathCheck(occupant, identity_at(path), source_at(path), link, may_borrow)
    if state is None:
        if prepare and not is_free:
            part.prepare()
        return PathCheck(Occupant.NOTHING, is_free=is_free)
    if part.owner.has_begun(state):
        return PathCheck(Occupant.OURS, link=link)
    occupant = Occupant.SHARED if may_borrow else Occupant.ANOTHERS
    return PathCheck(occupant, link=link, may_borrow=may_borrow)
