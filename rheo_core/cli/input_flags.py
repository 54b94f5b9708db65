"""The flags that say what to download and how to read it, of `rheo download` and of `rheo-tui`.

They stand here alone, because each command has a parser of its own.
"""

from typing import NamedTuple


class Flag(NamedTuple):
    """How a flag is written and what it is for."""

    names: tuple[str, ...]
    help: str
    metavar: str | None = None  # None: it takes no value


INPUT_FILE = Flag(
    ("-i", "--input-file"),
    "What to download: URLs one a line, wget and aria2 lists, curl commands of a browser, a "
    "Metalink, a checksum list, JSON lines, a web page, any text with URLs in it; known by their "
    "content. - reads standard input. May be repeated.",
    "FILE",
)
GLOB = Flag(("--glob",), "Read [001-120], [a-f] and {a,b} in URLs as patterns.")
LINKS = Flag(
    ("--links",),
    "Of a web page in a list take the links whose name or address is like PATTERN, such as "
    "'*.iso'.",
    "PATTERN",
)
LIST_OPTIONS = Flag(
    ("--allow-list-options",),
    "Use the proxy, CA file, client certificate, interface, IP version, netrc, cookie file and "
    "redirects to http that lists and curl commands ask for. Your stored logins are not sent on a "
    "route that a list chose.",
)
BASE = Flag(
    ("--base",),
    "Address of a web page or checksum list that was given: what is relative in it belongs there.",
    "URL",
)
