"""File naming: choose the path of a file, before and after the response.

The name comes from the user, or else from Content-Disposition, or else from the URL. It must be
valid for the locale and not too long for the file system. `domain/filenames.py` reads names in
URLs, `transfer/content_disposition.py` reads names in responses, and `name_numbers.py` numbers
equal names.
"""

import errno
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from rheo_core.domain.file_config import FileConfig
from rheo_core.domain.filenames import (
    MAX_NAME_BYTES,
    RESERVED_SUFFIX_BYTES,
    fit_filename,
    number_filename,
)
from rheo_core.domain.rules import Rule, folder_for

_SHORT_LIMITS = (200, 143, 120)
"""Limits to try if a file system accepts only shorter names than it reports."""
_OWN_BYTES = RESERVED_SUFFIX_BYTES + len(".xxxxxxxx") + len(" (9999)")
"""Bytes for the suffixes of our own files, for a name of a download alone, and for a number."""
_MAX_SURE_BYTES = _SHORT_LIMITS[-1] - _OWN_BYTES


class Folders:
    """Folders for downloads: the download folder, or that of the first matching rule."""

    def __init__(self, base: Path, rules: Sequence[Rule] = ()) -> None:
        self.base = base
        self.rules = rules

    def path_of(self, config: FileConfig) -> Path:
        """Return the path of a file from facts known before the transfer."""
        if not self.rules:
            return writable_path(config.get_destination_path(self.base))
        name = config.get_destination_filename()
        return writable_path(self.folder_of(config, name, config.type) / name)

    def folder_of(self, config: FileConfig, name: str, type: str | None) -> Path:
        """Return the folder for a name and a media type; a requested folder takes precedence."""
        return folder_for(config, self.base, self.rules, name, type)

    def path_by_response(
        self, config: FileConfig, path: Path, name: str | None, type: str | None
    ) -> Path | None:
        """Return the path of a file after a response; None if it does not change.

        The user's name takes precedence over the server's. If the folder is not the one chosen
        before the response, it stays, because the download began there under other settings.

        Args:
            config: the download.
            path: its path so far.
            name: name of the file in the response; None: the response has none.
            type: media type of the response, if it has one.
        """
        named = name if config.filename is None else None
        better = None if named is None else path.with_name(named)
        if self.rules and path.parent == self.path_of(config).parent:
            ruled = named or config.get_destination_filename()
            folder = self.folder_of(config, ruled, type or config.type)
            if folder != path.parent:
                better = folder / ruled
        if better is None or (better := writable_path(better)) == path:
            return None
        return better


def writable_path(path: Path) -> Path:
    """Percent-encode the letters of a path that the locale's encoding does not have.

    This keeps names distinct, as in a URL. With UTF-8, the usual encoding, nothing changes.
    """
    if str(path).isascii():
        return path
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        escaped = Path(*map(_escaped, path.parts))
        return escaped.with_name(fit_filename(escaped.name))
    return path


def _escaped(part: str) -> str:
    encoding = sys.getfilesystemencoding()
    return "".join(
        letter if _has(encoding, letter) else quote(letter, errors="surrogateescape")
        for letter in part
    )


def _has(encoding: str, letter: str) -> bool:
    try:
        letter.encode(encoding, "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True


def is_surely_short(name: str) -> bool:
    """Return True if every file system accepts a name."""
    return len(name.encode(errors="surrogateescape")) <= _MAX_SURE_BYTES


def fitted(path: Path) -> Path:
    """Shorten a name so that its file system accepts it with our suffixes and a number. Blocks."""
    limit = _name_limit(path.parent)
    if limit >= MAX_NAME_BYTES:
        return path
    return path.with_name(fit_filename(path.name, limit - _OWN_BYTES))


def _name_limit(folder: Path) -> int:
    """Return the maximum length of a name in bytes; on some encrypting file systems 143 or less."""
    while not os.path.exists(folder) and folder != folder.parent:
        folder = folder.parent
    reported = MAX_NAME_BYTES
    with suppress(OSError, ValueError):
        reported = os.pathconf(folder, "PC_NAME_MAX")
    for limit in (min(reported, MAX_NAME_BYTES), *_SHORT_LIMITS):
        try:
            os.lstat(folder / ("x" * limit))
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                continue
        return limit
    return _SHORT_LIMITS[-1]


def numbered(path: Path, number: int) -> Path:
    """Return `name (2).ext` for `name.ext` and 2; 0 changes nothing."""
    return path.with_name(number_filename(path.name, number)) if number else path
