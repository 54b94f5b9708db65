"""Make safe file names from any text or from a URL.

`transfer/content_disposition.py` reads names in headers.

Existing libraries replace characters, but they lose the extension when they cut at 255 *bytes*,
keep bidi controls, and allow dot-files and device names (docs/decisions/0003-file-names.md).
"""

import re
import unicodedata
from collections.abc import Iterator
from urllib.parse import unquote, unquote_plus, urlsplit

from .file_extensions import is_page_name
from .text import printable

MAX_NAME_BYTES = 255
"""Limit of ext4, APFS and NTFS for one path component."""

RESERVED_SUFFIX_BYTES = len(".part.state.new")
"""Bytes kept free for the suffixes of our own files next to the finished one."""

_MAX_SAFE_BYTES = MAX_NAME_BYTES - RESERVED_SUFFIX_BYTES

_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00]')
_WINDOWS_DEVICE = re.compile(
    r"(?i)^(con|prn|aux|nul|conin\$|conout\$|clock\$|com[0-9¹²³]|lpt[0-9¹²³])(?=\s*(\.|$))"
)
_LAUNCHER = r"\.(?i:desktop|lnk|local|scf|url)$"
"""Files that make a file manager run or load something. Browsers rename these too."""
_HARMLESS_SUFFIX = ".download"
_OURS = r"\.(?i:part(?:\.state)?(?:\.new)?|unverified(?:\.\d+)?)$"
"""Suffixes of our own files next to a download. A server that could choose such a name could plant
bytes that a later download would resume from."""
_IGNORED = re.compile(
    "[\u00ad\u0307\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U000e0000-\U000e0fff]"
)
"""Characters that file systems ignore when they compare names (Default_Ignorable_Code_Point), and
the dot that remains of a Turkish capital I after case folding."""
_SPECIAL = re.compile(rf"{_WINDOWS_DEVICE.pattern}|desktop\.ini$")
_SHELL_FOLDER = re.compile(r"\.(?=\{[0-9A-Fa-f-]*\}$)")  # `name.{GUID}` opens as a folder
_HARMLESS = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_-]*(?:(?!{_LAUNCHER}|{_OURS})\.[A-Za-z0-9_-]+)*")
_PLAIN_URL = re.compile(
    rf"https?://[A-Za-z0-9.:_-]+/(?:[!\"$->@-\[\]-~]*/)?({_HARMLESS.pattern})"  # no ? # \ nor %
)
_NUMBER = re.compile(r" \(([0-9]{1,9})\)(?=[^()]*$)")  # see `number_filename`
_BLANK = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0]")
"""Letters and marks without width or shape. Many of them in a row hide an extension."""
_BYTE = re.compile("[\udc80-\udcff]")
_MAX_QUICK_LENGTH = 200
_MAX_EXTENSION_BYTES = 32  # a longer "extension" is a part of the name

_TAILS = frozenset({"", "content", "dl", "download", "file", "get", "raw"})
"""Last segments of paths that follow the name of a file: `/a.zip/download`, `/a.zip/`."""
_WORDS_ONLY = frozenset(
    {
        "continue", "dest", "destination", "domain", "edit", "goto", "host", "keyword", "keywords",
        "link", "next", "page", "preview", "q", "query", "ref", "referer", "referrer", "return",
        "return_to", "returnurl", "s", "search", "site", "source", "subject", "term", "text",
        "title", "to", "u", "uri", "url", "utm_campaign", "utm_content", "utm_medium", "utm_source",
        "utm_term", "view",
    }
)  # fmt: skip
"""Query parameters whose value is a phrase or an address, not the name of the file."""


def sanitise_filename(
    text: str, fallback: str = "download", *, may_begin_with_dash: bool = False
) -> str:
    """Return `text` as one safe path component, never empty.

    The result has no separators, control, bidi, zero-width or blank characters, no leading dot
    (hidden files) and no trailing dot or space. It is not a device name (Windows), a launcher
    (`.desktop`, `.lnk`) or a name of our own files (`.part`, `.unverified`). Long names are
    cut on a character boundary, but keep their extension: with the suffixes of our own files they
    have at most 255 bytes of UTF-8.

    Args:
        text: the requested name.
        fallback: name to return if nothing of `text` remains.
        may_begin_with_dash: keep a leading dash, because the user chose the name. Commands would
            treat it as an option (`rm *`).
    """
    if len(text) <= _MAX_QUICK_LENGTH and _HARMLESS.fullmatch(text) and not _SPECIAL.match(text):
        return text  # the usual case; the rest takes ten times as long
    text = _BLANK.sub(" ", _with_letters_for_bytes(text))
    name = _FORBIDDEN.sub("_", printable(text).replace("\ufffd", "_"))
    name = " ".join(name.split()).lstrip(". ").rstrip(". ")
    if name.startswith("-") and not may_begin_with_dash:
        name = f"_{name[1:]}"
    name = _WINDOWS_DEVICE.sub(r"\1_", name)
    if name.lower() == "desktop.ini":
        name += "_"
    name = _SHELL_FOLDER.sub("_", shorten_filename(name) or fallback)
    if re.search(_LAUNCHER, name):
        name = shorten_filename(name, _MAX_SAFE_BYTES - len(_HARMLESS_SUFFIX)) + _HARMLESS_SUFFIX
    return _not_ours(name)


def _with_letters_for_bytes(text: str) -> str:
    """Return `text` without the surrogates that stand for bytes (PEP 383).

    They come from arguments that the locale could not decode. Bytes that are not UTF-8 become
    percent escapes, as in a URL, so that two names stay distinct.
    """
    if _BYTE.search(text) is None:
        return text
    try:
        return text.encode(errors="surrogateescape").decode()
    except UnicodeError:
        return _BYTE.sub(lambda byte: f"%{ord(byte[0]) - 0xDC00:02X}", text)


def _not_ours(name: str) -> str:
    """Add an underscore to `name` if any file system may treat it as one of our own files.

    File systems fold case and compatible forms differently, so all folds are applied here.
    """
    folded = unicodedata.normalize("NFKC", name).upper().casefold()
    if re.search(_OURS, _IGNORED.sub("", folded).rstrip(". ")) is None:
        return name
    return shorten_filename(name, _MAX_SAFE_BYTES - 1) + "_"


def folder_path(path: str) -> str:
    """Return a relative folder whose components are all safe; "" for the base folder itself."""
    parts = path.replace("\\", "/").split("/")
    return "/".join(sanitise_filename(part) for part in parts if part not in {"", "."})


def shorten_filename(name: str, limit: int = _MAX_SAFE_BYTES) -> str:
    """Return `name` cut to `limit` bytes of UTF-8, on a character boundary, with its extension."""
    if len(name.encode()) <= limit:
        return name
    stem, extension = _split(name)
    head = stem.encode()[: limit - len(extension.encode())]
    return head.decode(errors="ignore").rstrip(". ") + extension


def fit_filename(name: str, limit: int = _MAX_SAFE_BYTES) -> str:
    """Return a safe name cut to `limit` bytes, and made safe again.

    Without the letters after it, a harmless part of a name may become a suffix such as `.part` or
    `.desktop`.
    """
    if len(name.encode()) <= limit:
        return name
    fitting = sanitise_filename(shorten_filename(name, limit), may_begin_with_dash=True)
    if len(fitting.encode()) <= limit:
        return fitting
    shorter = shorten_filename(name, limit - len(_HARMLESS_SUFFIX))
    return sanitise_filename(shorter, may_begin_with_dash=True)


def number_filename(name: str, number: int) -> str:
    """Return `name (2).ext` for `name.ext` and 2, for the RENAME strategy."""
    stem, extension = _split(name)
    tail = f" ({number}){extension}"
    length = _MAX_SAFE_BYTES - len(tail.encode())
    return _not_ours(stem.encode()[:length].decode(errors="ignore") + tail)


def split_number(name: str) -> tuple[str, int]:
    """Return a name without the number of `number_filename`, and the number; 0: it has none."""
    match = _NUMBER.search(name)
    if match is None:
        return name, 0
    return name[: match.start()] + name[match.end() :], int(match[1])


def _split(name: str) -> tuple[str, str]:
    """Return the stem, and the extension with its dot: `.tar.gz` is one; "" if there is none."""
    stem, _, extension = name.rpartition(".")
    if stem.endswith(".tar"):
        stem, extension = stem.removesuffix(".tar"), f"tar.{extension}"
    if not stem or len(extension.encode()) > _MAX_EXTENSION_BYTES:
        return name, ""
    return stem, f".{extension}"


def filename_from_url(url: str) -> str:
    """Return the name that a URL suggests: the last segment of its path, otherwise its host.

    The path is decoded before it is split, because readers of the name see an encoded slash as a
    slash. A path that is not UTF-8 keeps its escapes, so that two names stay distinct.
    """
    plain = _PLAIN_URL.fullmatch(url)
    if plain and len(name := plain[1]) <= _MAX_QUICK_LENGTH and not _SPECIAL.match(name):
        return name  # the usual case; the rest takes five times as long
    parts = urlsplit(url)
    try:
        path = unquote(parts.path, errors="strict")
    except UnicodeDecodeError:  # not UTF-8; its escapes keep the name distinct
        path = parts.path
    last = path.replace("\\", "/").rpartition("/")[2]
    return sanitise_filename(last, fallback="") or sanitise_filename(parts.hostname or "")


def names_in_url(url: str) -> Iterator[str]:
    """Yield possible names of the file in a URL, decoded, beginning with its last path segment.

    The others are the segment before tails such as `/download`, and values of the query
    (`get.php?file=a.zip`). Pages that show a file (`viewer.html?file=a.pdf`) have their own name,
    and parameters such as `q` and `url` contain the subject of a page.
    """
    parts = urlsplit(url)
    segments = _segments(unquote(parts.path, errors="replace"))
    last = segments[-1]
    yield last
    while len(segments) > 1 and segments[-1].lower() in _TAILS:
        segments.pop()
    if segments[-1] not in {"", last}:
        yield segments[-1]
    if is_page_name(last):
        return
    for parameter in filter(None, parts.query.split("&")):
        name, equals, value = parameter.partition("=")
        value = unquote_plus(value if equals else name)
        if not (equals and name.lower() in _WORDS_ONLY) and "://" not in value:
            yield _segments(value)[-1]


def _segments(path: str) -> list[str]:
    return [segment.partition(";")[0] for segment in path.replace("\\", "/").split("/")]
