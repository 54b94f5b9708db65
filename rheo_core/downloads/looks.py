"""Looks at the paths of files before they are downloaded."""

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
    ANOTHERS = auto()  # the beginning of another one
    FILE = auto()
    SPECIAL = auto()  # a folder, a device, or a link that leads to no file


class Look(NamedTuple):
    """Result of a look at a path."""

    occupant: Occupant
    identity: Identity | None = None  # of a file
    source: str | None = None  # of the download that wrote the file, if it is known


class LookRequest(NamedTuple):
    """Request to look at the path of a file.

    Attributes:
        part: the part file of the download.
        prepare: prepare `part` if nothing is there.
        is_free: what `PartListings` says of its folder.
    """

    part: PartFile
    prepare: bool
    is_free: bool


def look_at(request: LookRequest) -> Look:
    """Look at the path of a file. Blocks."""
    part, prepare, is_free = request
    owner = None if is_free else part.owner()
    path = part.destination
    if os.path.lexists(path):
        occupant = Occupant.FILE if os.path.isfile(path) else Occupant.SPECIAL
        return Look(occupant, identity_at(path), source_at(path))
    if owner is None:
        if prepare and not is_free:
            part.prepare()
        return Look(Occupant.NOTHING)
    return Look(Occupant.OURS if owner == part.source else Occupant.ANOTHERS)
