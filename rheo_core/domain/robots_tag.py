"""X-Robots-Tag: parse the directives, and find those that forbid collecting a file.

`fleet/shard_downloads.py` decides if they count. `transfer/response_checks.py` refuses the file.
"""

from collections.abc import Iterable

REFUSALS = frozenset({"noai", "noimageai", "noindex", "noimageindex", "none"})
"""Directives that keep a file out of a collection."""

_AGENTS = {"*", "rheo"}
_WITH_VALUE = {"max-snippet", "max-image-preview", "max-video-preview", "unavailable_after"}


def directives_of(values: Iterable[str]) -> set[str]:
    """Return the directives of header fields that concern this program, in lower case.

    A field may begin with a user agent (`otherbot: noindex, nofollow`), to which all following
    directives apply.

    Args:
        values: values of all X-Robots-Tag fields of a response.
    """
    directives = set()
    for value in values:
        is_ours = True
        for piece in value.lower().split(","):
            name, colon, rest = (part.strip() for part in piece.partition(":"))
            if colon and name not in _WITH_VALUE:
                is_ours, name = name in _AGENTS, rest
            if is_ours and name:
                directives.add(name)
    return directives
