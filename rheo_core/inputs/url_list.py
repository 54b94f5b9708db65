"""Lists with one URL per line, as for wget, and aria2 input files."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rheo_core.domain.file_config import MAX_MIRRORS
from rheo_core.domain.filenames import folder_path
from rheo_core.domain.hash_validation import HashConfig
from rheo_core.domain.paths import is_absolute
from rheo_core.domain.redaction import without_login
from rheo_core.domain.request_options import DIRECT
from rheo_core.domain.text import printable, redact_unreadable, redact_url
from rheo_core.domain.untrusted import Untrusted

from .reader_api import (
    INVISIBLE,
    Candidate,
    Lines,
    ReadOptions,
    destination_fields,
    problem_of,
    with_hint,
)
from .url_words import SIGNS, has_separator, separated, with_encoded_blanks, without_comment

_OPTION = re.compile(r"[ \t]+([a-z0-9][a-z0-9-]*)=(.*)")
_HTTP = re.compile(r"https?(?:[:/]|\s*$)", re.IGNORECASE)  # not `http get …`, which is a command
_HTTPS = re.compile("https:", re.IGNORECASE)
_HEADERS = {"user-agent": "User-Agent", "referer": "Referer"}  # options that are headers


def sniff(text: str) -> bool:
    """Check whether a line begins with an http(s) URL, or with an attempt at one."""
    return _HTTP.match(text) is not None


def read(lines: Lines, options: ReadOptions) -> Iterator[Candidate]:
    """Yield the URLs of these lines, with the indented options of aria2 that follow them.

    URLs separated by tabs are mirrors of one file, as in aria2; by spaces, several files.
    """
    waiting: Candidate | None = None  # the next line may be one of its options
    pairs: list[tuple[str, str]] = []
    for line in lines:
        if waiting is not None:
            if line[:1] in " \t" and (option := _OPTION.match(line)):
                pairs.append((option[1], option[2].strip()))
                continue
            yield _with_options(waiting, pairs, options.folder) if pairs else waiting
            waiting, pairs = None, []
        text = line.strip().rstrip(INVISIBLE).rstrip()
        if not text or text[0] == "#":
            continue
        if not sniff(text):
            lines.give_back(line)
            return
        if not has_separator(text):
            waiting = Candidate(lines.number, text, Untrusted(text), may_be_pattern=True)
            continue
        *before, waiting = _separated(lines.number, text)
        yield from before
    if waiting is not None:
        yield _with_options(waiting, pairs, options.folder) if pairs else waiting


def _separated(number: int, text: str) -> list[Candidate]:
    """Return the downloads of a line of several words."""
    if " --hash" in text:  # a line of pip
        return [with_hint(number, text.split(maxsplit=1)[0], text)]
    text = without_comment(text)
    if "\t" in text and all(map(sniff, filter(None, map(str.strip, text.split("\t"))))):
        return [_mirrored(number, text)]
    words = [word.lstrip(f"{SIGNS}'\"") for word in separated(text).split()]
    count = next((at for at, word in enumerate(words) if not sniff(word)), len(words))
    rest = " ".join(words[count:])
    if not count or (rest and not _ends_in_cell(text, words[count - 1])):
        if (url := with_encoded_blanks(text)) is None:
            return [Candidate(number, text, Untrusted(text))]  # invalid, because of its white space
        words = [url]
    rest = " ".join(word for word in words if word and not sniff(word))
    ignored = [printable(rest[:50])] if rest else []
    return [
        Candidate(number, word, Untrusted(word), ignored=ignored, may_be_pattern=True)
        for word in filter(sniff, words)
    ]


def _ends_in_cell(text: str, url: str) -> bool:
    """Check whether a URL is a table cell, or is followed by prose without a blank."""
    following = text[text.rfind(url) + len(url) :][:1]
    return following in f"\t{SIGNS}" or not following.isascii()


def aria2_entry(
    number: int, urls: list[str], pairs: list[tuple[str, str]], folder: Path | None, form: str
) -> Candidate:
    """Return one download from mirrors and options of aria2.

    Args:
        number: number of its line.
        urls: the mirrors, the preferred one first.
        pairs: names and values of options, without dashes.
        folder: download folder; None if it is unknown.
        form: name of the format.
    """
    if not all(map(sniff, urls)):
        bad = next(url for url in urls if not sniff(url))
        return Candidate(number, redact_unreadable(bad), Untrusted(bad), form=form)
    candidate = _mirrored(number, "\t".join(urls))
    text = " ".join(map(redact_url, urls))
    return _with_options(candidate, pairs, folder)._replace(text=text, form=form)


def _mirrored(number: int, text: str) -> Candidate:
    url, *mirrors = [part for part in map(str.strip, text.split("\t")) if part] or [""]
    if not all(map(sniff, mirrors)):
        return Candidate(number, text, Untrusted(text))  # invalid, because of its white space
    if not mirrors:
        return Candidate(number, text, Untrusted(url), may_be_pattern=True)
    form = f"{min(len(mirrors), MAX_MIRRORS) + 1} mirrors"
    return Candidate(number, text, Untrusted(url, mirrors=mirrors), form=form)


def _with_options(
    candidate: Candidate, pairs: list[tuple[str, str]], folder: Path | None
) -> Candidate:
    fields: dict[str, Any] = {}
    hashes: list[HashConfig] = []
    ignored: list[str] = []
    headers: list[tuple[str, str]] = []
    wishes: dict[str, Any] = {}
    login = {"http-user": "", "http-passwd": ""}
    auth: str | None = None
    problem = ""
    for name, value in _proxies_last(pairs, candidate.outside.url):
        try:
            if name in login:
                login[name] = value
            elif name == "http-auth-challenge":
                auth = "any" if value == "true" else None
            elif name == "dir" and is_absolute(value):
                if (below := _below(value, folder)) is None:
                    ignored.append(f"dir {printable(value[:50])}")
                else:
                    fields |= _folder(below)
            elif name == "checksum":
                hashes.append(_checksum(value))
            elif name in _READERS:
                fields |= _READERS[name](value)
            elif name in _WISHES:
                wishes |= _WISHES[name](value)
            elif name == "header" or name in _HEADERS:
                if name == "referer" and value == "*":  # aria2 sends the URL itself
                    value = without_login(candidate.outside.url)
                headers.append(_header(_HEADERS.get(name), value))
            elif name in _PROTECTS or (name == "min-tls-version" and value == "TLSv1.3"):
                raise ValueError(f"{name} is not supported; rheo sends no request without it")
            else:
                ignored.append(printable(name[:50]))
        except ValueError as error:
            problem = problem or problem_of(error)
    fields |= _joined(fields)
    if any(login.values()):
        wishes |= {"user": ":".join(login.values()), "auth": auth}
    outside = candidate.outside._replace(
        **fields,
        hash_config=hashes or None,
        headers=tuple(headers) or None,
        wishes=wishes or None,
    )
    return candidate._replace(outside=outside, problem=problem, form="aria2 entry", ignored=ignored)


def _proxies_last(pairs: list[tuple[str, str]], url: str) -> list[tuple[str, str]]:
    """Move the best proxy for a URL to the end: the one for its scheme, or else the one for all.

    The others stay, because a redirect may lead to their scheme.
    """
    own, other = ("https-proxy", "http-proxy")[:: 1 if _HTTPS.match(url) else -1]
    order = {other: 1, "all-proxy": 2, own: 3}
    pairs = [pair for pair in pairs if pair != (other, "")]
    return sorted(pairs, key=lambda pair: order.get(pair[0], 0))


def _joined(fields: dict[str, Any]) -> dict[str, str]:
    """Join `dir` and the folders in `out`."""
    folders = [fields.pop("dir", ""), fields.get("destination_subdir", "")]
    folder = "/".join(filter(None, folders))
    return {"destination_subdir": folder} if folder else {}


def _below(path: str, folder: Path | None) -> str | None:
    """Return an absolute path relative to the download folder; None if it is elsewhere.

    aria2 writes absolute folders into its session file.
    """
    plain = Path(os.path.normpath(path))
    if folder is None or ".." in Path(path).parts or not plain.is_relative_to(folder.absolute()):
        return None
    return plain.relative_to(folder.absolute()).as_posix()


def _folder(value: str) -> dict[str, str]:
    destination_fields(f"{value}/file", "dir")
    return {"dir": folder_path(value)}


def _checksum(value: str) -> HashConfig:
    algorithm, _, digest = value.partition("=")
    return HashConfig.from_checksum_string(f"{algorithm}:{digest}")


def _header(name: str | None, value: str) -> tuple[str, str]:
    if name is not None:
        return name, value
    name, colon, value = value.partition(":")
    if not colon:
        raise ValueError("a header does not have the form 'Name: value'")
    return name.strip(), value.strip()


_READERS: dict[str, Callable[[str], dict[str, Any]]] = {
    "out": lambda value: destination_fields(value, "out"),
    "dir": _folder,
    "continue": lambda value: {"check_existing": True if value == "true" else None},
}

_PROTECTS = frozenset({"async-dns-server", "multiple-interface", "no-proxy"})
"""Options by which users protect themselves. Without them, rheo must not send anything."""
_WISHES: dict[str, Callable[[str], dict[str, Any]]] = {
    "all-proxy": lambda value: {"proxy": value or DIRECT},
    "http-proxy": lambda value: {"proxy": value or DIRECT},
    "https-proxy": lambda value: {"proxy": value or DIRECT},
    "ca-certificate": lambda value: {"ca_file": value},
    "certificate": lambda value: {"client_cert": value},
    "private-key": lambda value: {"client_key": value},
    "load-cookies": lambda value: {"cookies": value},
    "interface": lambda value: {"interface": value},
    "no-netrc": lambda value: {"netrc": False} if value == "true" else {},
    "disable-ipv6": lambda value: {"ip_version": 4} if value == "true" else {},
}
"""Options of aria2 that only the user may choose."""
