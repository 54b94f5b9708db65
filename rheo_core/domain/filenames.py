"""One safe path component from any text.

Why not a library: the ones at hand clean characters, but do not keep the extension when they
cut at 255 *bytes*, do not drop bidi controls, and leave dot-files and device names reachable
(see docs/decisions/0003-file-names.md).
"""

import re
import unicodedata
from urllib.parse import unquote, urlsplit

from .text import printable

MAX_NAME_BYTES = 255
"""What ext4, APFS and NTFS allow for one component."""

RESERVED_SUFFIX_BYTES = len(".part.state.new")
"""Bytes kept free for the names of our own files beside the finished one."""

_MAX_SAFE_BYTES = MAX_NAME_BYTES - RESERVED_SUFFIX_BYTES

_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00]')
_WINDOWS_DEVICE = re.compile(
    r"(?i)^(con|prn|aux|nul|conin\$|conout\$|clock\$|com[0-9¹²³]|lpt[0-9¹²³])(?=\s*(\.|$))"
)
_LAUNCHER = r"\.(?i:desktop|lnk|local|scf|url)$"
"""What a file manager starts or loads something by; browsers rename these too."""
_HARMLESS_SUFFIX = ".download"
_OURS = r"\.(?i:part(?:\.state)?(?:\.new)?|unverified(?:\.\d+)?)$"
"""Names of our own files beside a download. A server that could choose one would plant bytes that
a later download takes for its own beginning."""
_IGNORED = re.compile(
    "[\u00ad\u0307\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U000e0000-\U000e0fff]"
)
"""Characters that file systems pass over when they compare names (Default_Ignorable_Code_Point),
and the dot that a Turkish capital I leaves when its case is folded."""
_SPECIAL = re.compile(rf"{_WINDOWS_DEVICE.pattern}|desktop\.ini$")
_SHELL_FOLDER = re.compile(r"\.(?=\{[0-9A-Fa-f-]*\}$)")  # `name.{GUID}` opens as a folder
_HARMLESS = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_-]*(?:(?!{_LAUNCHER}|{_OURS})\.[A-Za-z0-9_-]+)*")
_PLAIN_URL = re.compile(
    rf"https?://[A-Za-z0-9.:_-]+/(?:[!\"$->@-\[\]-~]*/)?({_HARMLESS.pattern})"  # no ? # \ nor %
)
_BLANK = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0]")
"""Letters and marks of no width or shape: a row of them moves an extension out of sight."""
_MAX_QUICK_LENGTH = 200
_MAX_EXTENSION_BYTES = 32  # bytes; a longer "extension" is a part of the name


def sanitise_filename(
    text: str, fallback: str = "download", *, may_begin_with_dash: bool = False
) -> str:
    """One path component made of `text`, never empty.

    No separators, control, bidi, zero-width or blank characters, no leading dot (hidden files), no
    trailing dot or space, no device names (Windows), no launchers (`.desktop`, `.lnk`) and no
    names of our own files (`.part`, `.unverified`). No leading dash, which commands take for an
    option (`rm *`), unless the user gave the name. At most 255 bytes of UTF-8 with the suffixes
    of our own files; cut on a character boundary with the extension kept.
    """
    if len(text) <= _MAX_QUICK_LENGTH and _HARMLESS.fullmatch(text) and not _SPECIAL.match(text):
        return text  # as most names are: the rest of this costs ten times as much
    name = _FORBIDDEN.sub("_", printable(_BLANK.sub(" ", text)).replace("\ufffd", "_"))
    name = " ".join(name.split()).lstrip(". ").rstrip(". ")
    if name.startswith("-") and not may_begin_with_dash:
        name = f"_{name[1:]}"
    name = _SHELL_FOLDER.sub("_", name)
    name = _WINDOWS_DEVICE.sub(r"\1_", name)
    if name.lower() == "desktop.ini":
        name += "_"
    name = shorten_filename(name) or fallback
    if re.search(_LAUNCHER, name):
        name = shorten_filename(name, _MAX_SAFE_BYTES - len(_HARMLESS_SUFFIX)) + _HARMLESS_SUFFIX
    return _not_ours(name)


def _not_ours(name: str) -> str:
    """`name` with an underscore behind it if some file system takes it for a file of ours.

    Disks fold case and compatible forms in their own ways; one that folds less sees another name.
    """
    folded = unicodedata.normalize("NFKC", name).upper().casefold()
    if re.search(_OURS, _IGNORED.sub("", folded).rstrip(". ")) is None:
        return name
    return shorten_filename(name, _MAX_SAFE_BYTES - 1) + "_"


def folder_path(path: str) -> str:
    """A relative folder with every component made safe; "" for the folder itself."""
    parts = path.replace("\\", "/").split("/")
    return "/".join(sanitise_filename(part) for part in parts if part not in {"", "."})


def shorten_filename(name: str, limit: int = _MAX_SAFE_BYTES) -> str:
    """`name` cut to `limit` bytes of UTF-8 on a character boundary, its extension kept."""
    if len(name.encode()) <= limit:
        return name
    stem, extension = _split(name)
    head = stem.encode()[: limit - len(extension.encode())]
    return head.decode(errors="ignore").rstrip(". ") + extension


def number_filename(name: str, number: int) -> str:
    """`name (2).ext` for `name.ext`; what the RENAME strategy tries in turn."""
    stem, extension = _split(name)
    tail = f" ({number}){extension}"
    room = _MAX_SAFE_BYTES - len(tail.encode())
    return _not_ours(stem.encode()[:room].decode(errors="ignore") + tail)


def _split(name: str) -> tuple[str, str]:
    """Stem, and extension with its dot: `.tar.gz` is one, and "" is none."""
    stem, _, extension = name.rpartition(".")
    if stem.endswith(".tar"):
        stem, extension = stem.removesuffix(".tar"), f"tar.{extension}"
    if not stem or len(extension.encode()) > _MAX_EXTENSION_BYTES:
        return name, ""
    return stem, f".{extension}"


def filename_from_url(url: str) -> str:
    """The name a URL suggests: its path's last segment, else its host.

    Decoded before it is split: an encoded slash is a slash to whoever reads the name.
    """
    plain = _PLAIN_URL.fullmatch(url)
    if plain and len(name := plain[1]) <= _MAX_QUICK_LENGTH and not _SPECIAL.match(name):
        return name  # as for most: the rest of this costs five times as much
    parts = urlsplit(url)
    path = unquote(parts.path, errors="replace").replace("\\", "/")
    last = path.rpartition("/")[2]
    return sanitise_filename(last, fallback="") or sanitise_filename(parts.hostname or "")
