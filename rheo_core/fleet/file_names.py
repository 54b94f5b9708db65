"""Name downloaded files: a key, and an extension from the name, URL or media type.

No two entries share a name. If a file exists, it therefore belongs to the entry, and a second run
can rely on it.
"""

import re
from functools import lru_cache
from mimetypes import MimeTypes

from rheo_core.domain.filenames import filename_from_url, sanitise_filename
from rheo_core.domain.fleet import FleetEntry

_EXTENSION = re.compile(r"(?:\.tar)?\.(?=[a-z0-9]*[a-z])[a-z0-9]{1,8}$")
_UNKNOWN_TYPES = {"application/octet-stream", "binary/octet-stream"}


def file_name(entry: FleetEntry) -> str:
    """Return the name of an entry's file: `00012300456.jpg`, or the key alone."""
    extension = extension_of(entry.name) if entry.name else ""
    extension = extension or extension_of(filename_from_url(entry.url))
    return sanitise_filename(entry.key + extension)


def name_in_tar(name: str, media_type: str | None) -> str:
    """Return the name of a file in a tar: with the extension of its media type if it has none."""
    return name if "." in name or media_type is None else name + _extension_of_type(media_type)


def extension_of(name: str) -> str:
    """Return the extension of a file name in lower case, with its dot; "" if it has none."""
    match = _EXTENSION.search(name.lower())
    return match[0] if match is not None and match.start() > 0 else ""


@lru_cache(maxsize=256)
def _extension_of_type(media_type: str) -> str:
    if media_type in _UNKNOWN_TYPES:
        return ""
    # Not the tables of the system, which differ between machines.
    return MimeTypes(()).guess_extension(media_type) or ""
