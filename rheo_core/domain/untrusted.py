"""Untrusted: decide what a list, a pasted text or a foreign session may choose.

Pasted text, lists, and sessions that somebody else wrote are untrusted. They choose what to
download, but not how requests travel, which servers to trust, or which files to overwrite. They can
ask for such options, and the user decides.
"""

import json
import re
import time
from collections.abc import ItemsView, Mapping, Sequence, Sized
from typing import Any, NamedTuple

from .file_config import MAX_MIRRORS, FileConfig
from .file_exists import FileExistsStrategy
from .filenames import folder_path, sanitise_filename
from .hash_hints import join_hashes
from .hash_validation import HashConfig
from .media_types import is_page, media_type
from .request_headers import as_servers_compare, is_set_by_engine
from .request_options import CERTIFICATE, ROUTE, SECRET_FILES, RequestOptions
from .text import printable, redact_unreadable
from .units import MAX_FILE_BYTES, limit_text, size_text
from .urls import usable_urls

MAX_CHECKED_URLS = 1000
"""Maximum number of URLs of one download to examine."""
MAX_PRIORITY = 1000
"""Highest priority in a list. The user can give higher ones."""
MIN_SPEED_LIMIT = 10_000
"""Lowest limit in a list, in bytes/s. A file at 1 byte/s would hold its slot for days."""
MAX_DAYS_AHEAD = 365
"""Latest start in a list. A later one is a mistake, or intended to fill the queue for ever."""
MAX_HEADERS = 100
"""Limit of common servers."""
_MAX_FOLDERS = 32
_MAX_FOLDER_BYTES = 1024  # file systems allow 4,096 with the download folder and the name
_HOME = re.compile(r"(?:~|\$HOME|\$\{HOME\}|%USERPROFILE%)(?:[/\\]|$)", re.IGNORECASE)
_OTHER_METHODS = frozenset({"x-http-method", "x-http-method-override", "x-method-override"})
"""Headers that make some servers treat a GET as a DELETE. A list must not send them with the login
that the user has stored for a host."""
_AMBIGUOUS = re.compile(r"[,\"]")
_MAX_SHOWN_LENGTH = 80
_MAX_TEXT_LENGTH = 500
_STRICTNESS: dict[FileExistsStrategy | None, int] = {  # others: 0
    FileExistsStrategy.SKIP: 1,
    FileExistsStrategy.ERROR: 2,
}
_WORDS = {
    "proxy": "proxy",
    "allow_downgrade": "redirects from https to http",
    "ca_file": "CA file",
    "client_cert": "client certificate",
    "client_key": "client key",
    "cookies": "cookie file",
    "interface": "interface",
    "ip_version": "IP version",
    "netrc": "netrc",
}


class Untrusted(NamedTuple):
    """A download as a text requests it; fields that the text does not mention are None.

    The fields are those of `FileConfig` that any text may choose. `wishes` holds options of
    `RequestOptions`, most of which only the user may choose. `hash_config` holds one checksum, or a
    sequence of several for the same file. The values are not checked; `admit` checks them and
    creates a `FileConfig`.

    A tuple, because creating a frozen dataclass takes several times as long, and a long list
    creates a million of them.
    """

    url: str
    mirrors: Sequence[str] | None = None
    filename: str | None = None
    destination_subdir: str | None = None
    priority: int | None = None
    size_bytes: int | None = None
    hash_config: Any = None
    pieces: Any = None
    sidecar: bool | None = None
    check_existing: bool | None = None
    start_at: float | None = None
    speed_limit: int | None = None
    timeout: float | None = None
    headers: Any = None
    type: str | None = None
    description: str | None = None
    size_human: str | None = None
    file_exists_strategy: str | None = None
    wishes: Mapping[str, Any] | None = None


NOTHING = Untrusted("")
"""Value for an unreadable text."""

_ASKS, _NOT_USED = "asks for ", ": not used"
_USES, _AS_REQUESTED = "uses ", ", as requested"


class Admitted(NamedTuple):
    """A checked download, and notes on its options: printable and without secrets."""

    config: FileConfig
    ignored: Sequence[str] = ()
    refused: str = ""  # a sentence on options that the user did not allow
    used: str = ""  # a sentence on options that the user allowed


def admit(
    outside: Untrusted,
    usual: FileExistsStrategy | None = None,
    *,
    max_timeout: float | None = None,
    list_options: bool = False,
) -> Admitted:
    """Return the requested download, with the options that it may choose or that the user allows.

    Args:
        outside: unchecked values.
        usual: the user's strategy for existing files; None if it is unknown.
        max_timeout: the user's limit for an attempt, seconds; None if there is none.
        list_options: allow options that a text can only ask for: proxy, CA file and so on.

    Raises:
        ValueError: a value is not valid. The message is one sentence.
    """
    if outside[1:] == NOTHING[1:] and "#" not in outside.url:  # the usual case
        return Admitted(FileConfig(url=outside.url))
    fields = {name: value for name, value in outside._asdict().items() if value is not None}
    wishes = {name: value for name, value in fields.pop("wishes", {}).items() if value is not None}
    ignored: list[str] = []
    _make_names_safe(fields)
    _choose_strategy(fields, usual, ignored)
    if isinstance(mirrors := fields.get("mirrors"), list | tuple):
        fields["mirrors"] = _first_mirrors(fields["url"], mirrors, ignored)
    _join_hashes(fields, ignored)
    for values in (fields, wishes):
        if "headers" in values:
            values["headers"] = headers = _usable_headers(values["headers"], ignored)
            _check_count(headers)
    mirrors = fields.get("mirrors")
    refused, used = _judge_wishes(wishes, list_options, ignored)
    if wishes:
        by_list = (*used, "auth") if "auth" in wishes else tuple(used)
        fields |= {"request": RequestOptions(**wishes), "list_options": by_list}
    kind = fields.get("type")
    if isinstance(kind, str) and is_page(media_type(kind)):
        del fields["type"]  # otherwise a sign-in page of the server would pass for the file
        ignored.append(f"type {kind}")
    config = _within_limits(FileConfig(**fields), ignored, max_timeout)
    return Admitted(
        config,
        ignored,
        f"{_ASKS}{', '.join(refused)}{_NOT_USED}" if refused else "",
        f"{_USES}{', '.join(used.values())}{_AS_REQUESTED}" if used else "",
    )


def brief_refusal(refused: str) -> str:
    """Return `Admitted.refused` with the cause first, for a column that may cut off the end."""
    options = refused.removeprefix(_ASKS).removesuffix(_NOT_USED)
    return f"not used: {options}" if options else ""


def asked_options(sentence: str) -> str:
    """Return the options in `Admitted.refused` or `Admitted.used`, in words; "" for none."""
    for start, end in ((_ASKS, _NOT_USED), (_USES, _AS_REQUESTED)):
        if sentence.startswith(start):
            return sentence.removeprefix(start).removesuffix(end)
    return ""


def _make_names_safe(fields: dict[str, Any]) -> None:
    """Sanitise every component of the path, and the texts for people."""
    if isinstance(name := fields.get("filename"), str):
        fields["filename"] = sanitise_filename(name) if name.strip() else None  # "" counts as none
    if isinstance(folder := fields.get("destination_subdir"), str):
        FileConfig(url="http://x/", destination_subdir=folder)  # refuses `..`
        if _HOME.match(folder):  # a shell would expand it; here it would be a folder `~`
            raise ValueError(
                f"folder {printable(folder[:_MAX_SHOWN_LENGTH])!r} must be relative to the "
                "download folder"
            )
        fields["destination_subdir"] = safe = folder_path(folder)
        if safe.count("/") >= _MAX_FOLDERS or len(safe.encode()) > _MAX_FOLDER_BYTES:
            raise ValueError(
                f"destination_subdir has over {_MAX_FOLDERS} folders or {_MAX_FOLDER_BYTES:,} bytes"
            )
    for name in ("type", "description", "size_human"):
        if isinstance(text := fields.get(name), str):
            fields[name] = printable(text[:_MAX_TEXT_LENGTH])


def _within_limits(config: FileConfig, ignored: list[str], max_timeout: float | None) -> FileConfig:
    """Return a download whose numbers cannot stop others; report changed ones.

    This checks numbers after validation, because JSON may contain them as texts or fractions.

    Raises:
        ValueError: a number is too large.
    """
    if config.priority > MAX_PRIORITY:
        raise ValueError(
            f"priority {config.priority:,} is too high; lists may use up to {MAX_PRIORITY:,}"
        )
    if config.size_bytes is not None and config.size_bytes > MAX_FILE_BYTES:
        raise ValueError(f"size_bytes is impossible (more than {size_text(MAX_FILE_BYTES)})")
    changes: dict[str, int | None] = {}
    own, most = config.timeout, max_timeout
    if own is not None and most is not None and own > most:
        changes["timeout"] = None
        ignored.append(f"timeout {own:g} s (yours of {most:g} s is used)")
    if config.speed_limit is not None and config.speed_limit < MIN_SPEED_LIMIT:
        changes["speed_limit"] = MIN_SPEED_LIMIT
        ignored.append(
            f"speed_limit {config.speed_limit:,} (raised to {limit_text(MIN_SPEED_LIMIT)})"
        )
    if config.start_at is not None and config.start_at > time.time() + MAX_DAYS_AHEAD * 86_400:
        changes["start_at"] = None
        ignored.append(f"start_at more than {MAX_DAYS_AHEAD} days ahead")
    return config.model_copy(update=changes) if changes else config


def _choose_strategy(
    fields: dict[str, Any], usual: FileExistsStrategy | None, ignored: list[str]
) -> None:
    """Drop the strategy unless it is stricter than the user's."""
    if (requested := fields.pop("file_exists_strategy", None)) is None:
        return
    strategy = FileConfig(url="http://x/", file_exists_strategy=requested).file_exists_strategy
    if _STRICTNESS.get(strategy, 0) > _STRICTNESS.get(usual, 0):
        fields["file_exists_strategy"] = strategy
    elif strategy is not usual:
        ignored.append(f"file_exists_strategy {strategy} (a list can only be stricter)")


def _join_hashes(fields: dict[str, Any], ignored: list[str]) -> None:
    """Keep the strongest checksum, including those in the URLs; report the others."""
    given, mirrors = fields.pop("hash_config", ()), fields.get("mirrors")
    several = given if isinstance(given, list | tuple) else [given]
    urls = (fields["url"], *(mirrors if isinstance(mirrors, tuple) else ()))
    if not several and not any("#" in url for url in urls):  # the usual case
        return
    joined = join_hashes(map(_checksum, several), urls)
    if joined.used is not None:
        fields["hash_config"] = joined.used
    ignored += joined.ignored


def _checksum(value: Any) -> HashConfig:
    if isinstance(value, HashConfig):
        return value
    checked = FileConfig(url="http://x/", hash_config=value).hash_config
    if checked is None:
        raise ValueError("hash_config contains an empty checksum")
    return checked


def _first_mirrors(url: str, mirrors: Sequence[Any], ignored: list[str]) -> tuple[str, ...]:
    """Return the first valid mirrors, and drop the others; the download stays valid."""
    checked = mirrors[:MAX_CHECKED_URLS]
    usable = usable_urls([url, *checked], MAX_MIRRORS + 1)[1:]
    if (left_out := len(mirrors) - len(usable)) and len(usable) == MAX_MIRRORS:
        ignored.append(f"{left_out:,} of {len(mirrors):,} mirrors ({MAX_MIRRORS} are used)")
    elif left_out:
        wrong = sum(_is_http(url) and not usable_urls([url], 1) for url in checked)
        if wrong:
            ignored.append(f"mirrors with invalid URLs ({wrong:,})")
        if wrong < left_out:
            ignored.append(f"mirrors that are not http or are repeated ({left_out - wrong:,})")
    return tuple(usable)


def _is_http(url: object) -> bool:
    return str(url)[:4].lower() == "http"


def _usable_headers(headers: Any, ignored: list[str]) -> Any:
    """Drop the headers that a list may not set.

    The engine sets some of them itself, such as Range. Commands copied from browsers contain them.
    """
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    if not isinstance(pairs, list | tuple | ItemsView):
        return headers
    allowed = tuple(pair for pair in pairs if not _is_left_out(pair))
    if len(allowed) == len(pairs):
        return headers
    ignored += [f"header {printable(str(pair[0])[:50])}" for pair in pairs if _is_left_out(pair)]
    return allowed


def _is_left_out(pair: object) -> bool:
    if not isinstance(pair, list | tuple) or len(pair) != 2:
        return False
    name = str(pair[0]).strip()
    return is_set_by_engine(name) or as_servers_compare(name) in _OTHER_METHODS


def _check_count(headers: Any) -> None:
    """Raise ValueError if there are too many headers. Other mistakes are found later."""
    if isinstance(headers, Sized) and len(headers) > MAX_HEADERS:
        raise ValueError(f"there are {len(headers):,} headers; at most {MAX_HEADERS} are allowed")


def _judge_wishes(
    wishes: dict[str, Any], is_allowed: bool, ignored: list[str]
) -> tuple[list[str], dict[str, str]]:
    """Remove options that are not allowed from `wishes`.

    `auth` needs no permission, because it never replaces the scheme that the user chose.

    Returns:
        The removed options in words, and the used ones in words by name.
    """
    refused, used = [], {}
    files = SECRET_FILES | CERTIFICATE
    requested = [name for name in _WORDS if name in wishes]
    if wishes.get("allow_downgrade") is False:
        requested.remove("allow_downgrade")  # at least as strict as the user's own choice
    for name in requested:
        value = wishes[name]
        if isinstance(value, str) and len(value) > _MAX_TEXT_LENGTH:  # nobody could check it
            ignored.append(f"{_WORDS[name]} ({len(value):,} characters)")
            del wishes[name]
            continue
        shown = _shown(name, value)
        if not is_allowed:
            refused.append(shown)
            del wishes[name]
        elif name in files and not ROUTE.isdisjoint(requested):
            ignored.append(f"{shown} (your secrets are not sent over a route that a list chose)")
            del wishes[name]
        else:
            used[name] = shown
    return refused, used


def _shown(name: str, value: Any) -> str:
    """Return an option in words, without secrets.

    The value is whole, because the user decides by it, and quoted if it could look like several.
    """
    if value is True:
        return _WORDS[name]
    if value is False:
        return f"no {_WORDS[name]}"
    if not isinstance(value, str | int):
        return _WORDS[name]
    text = str(value)
    left_out = "" if name != "proxy" or "@" in text or "://" in text else "http://"
    shown = redact_unreadable(left_out + text).removeprefix(left_out)
    return f"{_WORDS[name]} {json.dumps(shown) if _AMBIGUOUS.search(shown) else shown}"
