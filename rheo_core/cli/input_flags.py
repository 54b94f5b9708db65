"""Flags for input formats, shared by `rheo download` and `rheo-tui`.

Each command has its own argument parser, and both import the flags from here.
"""

from typing import NamedTuple


class Flag(NamedTuple):
    """A flag and its help."""

    names: tuple[str, ...]
    help: str
    metavar: str | None = None  # None for a switch


INPUT_FILE = Flag(
    ("-i", "--input-file"),
    "File with downloads: one URL per line, a wget or aria2 list, curl commands from a browser, a "
    "Metalink, a checksum list, JSON lines, a web page, or any text with URLs. rheo detects the "
    "format from the content. -: standard input. May be repeated.",
    "FILE",
)
GLOB = Flag(("--glob",), "Expand [001-120], [a-f] and {a,b} in URLs.")
LINKS = Flag(
    ("--links",),
    "From a web page, download the links whose name or address matches PATTERN, such as '*.iso'.",
    "PATTERN",
)
LIST_OPTIONS = Flag(
    ("--allow-list-options",),
    "Allow lists and curl commands to choose proxy, CA file, client certificate, interface, IP "
    "version, netrc, cookie file, and redirects to http. rheo never sends stored logins over a "
    "route that a list chose.",
)
BASE = Flag(
    ("--base",),
    "URL of the web page or checksum list, to resolve relative links and names.",
    "URL",
)
