"""Which files beside a destination are a download's own: their names, and the mark they carry.

A part file has the name `NAME.part`, unless another program or another download has a file of that
name. Then it has a name of its own, which the next run finds again. The mark is an extended
attribute that only this user's programs can make; a file system without them has no marks.
"""

import errno
import hmac
import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from rheo_core.domain.filenames import MAX_NAME_BYTES, RESERVED_SUFFIX_BYTES, shorten_filename

_ATTRIBUTE = "user.rheo.part"
_TAG_LETTERS = 8
_LONGEST = MAX_NAME_BYTES - RESERVED_SUFFIX_BYTES - _TAG_LETTERS - 1


class Place(NamedTuple):
    """Names of a part file and its state."""

    part: Path
    state: Path


def usual_place(destination: Path) -> Place:
    """`NAME.part` and `NAME.part.state`."""
    return _place(destination, f"{destination.name}.part")


def own_place(destination: Path, source: str) -> Place:
    """The names for this download alone."""
    return _tagged(destination, source[:_TAG_LETTERS])


def has_own_state(destination: Path, source: str) -> bool:
    """Tell whether there is something under the state's name of `own_place`.

    Every download asks before it begins: for most names this spares the making of paths.
    """
    name = destination.name
    if name.isascii() and len(name) <= _LONGEST:
        return os.access(f"{destination}.{source[:_TAG_LETTERS]}.part.state", os.F_OK)
    return os.access(own_place(destination, source).state, os.F_OK)


def other_places(destination: Path) -> Iterator[Place]:
    """Random names, for when those before are somebody else's."""
    while True:
        yield _tagged(destination, secrets.token_hex(_TAG_LETTERS // 2))


def _tagged(destination: Path, tag: str) -> Place:
    return _place(destination, f"{shorten_filename(destination.name, _LONGEST)}.{tag}.part")


def _place(destination: Path, name: str) -> Place:
    return Place(destination.with_name(name), destination.with_name(f"{name}.state"))


def put_mark(descriptor: int, source: str, key: bytes) -> None:
    """Mark an open file as a part file of this download, if the file system can."""
    if hasattr(os, "setxattr"):  # macOS has none in Python
        with suppress(OSError):
            os.setxattr(descriptor, _ATTRIBUTE, _mark(source, key))


def has_mark(descriptor: int, source: str, key: bytes) -> bool | None:
    """Tell whether an open file is a part file of this download.

    None: the file system has no marks, and only the state can tell.
    """
    if not hasattr(os, "getxattr"):
        return None
    try:
        return hmac.compare_digest(os.getxattr(descriptor, _ATTRIBUTE), _mark(source, key))
    except OSError as error:
        return False if error.errno == errno.ENODATA else None


def take_mark(descriptor: int) -> None:
    """Remove the mark: the file is whole."""
    if hasattr(os, "removexattr"):
        with suppress(OSError):
            os.removexattr(descriptor, _ATTRIBUTE)


def _mark(source: str, key: bytes) -> bytes:
    return hmac.digest(key, b"part file of " + source.encode(), "sha256").hex().encode()
