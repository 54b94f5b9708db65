"""Lists of one URL a line, as for wget, and input files of aria2."""

import re
from collections.abc import Callable, Iterator
from typing import Any

from rheo_core.domain.file_config import MAX_MIRRORS
from rheo_core.domain.filenames import folder_path
from rheo_core.domain.hash_validation import HashConfig
from rheo_core.domain.outside import Outside
from rheo_core.domain.redaction import without_login
from rheo_core.domain.request_options import DIRECT
from rheo_core.domain.text import printable

from .reader_api import (
    INVISIBLE,
    Candidate,
    Lines,
    ReadOptions,
    destination_fields,
    problem_of,
    with_hint,
)

_OPTION = re.compile(r"[ \t]+([a-z0-9][a-z0-9-]*)=(.*)")
_HTTP = re.compile(r"https?(?:[:/]|\s*$)", re.IGNORECASE)  # not `http get …`, which is a command
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
            yield _with_options(waiting, pairs) if pairs else waiting
            waiting, pairs = None, []
        text = line.strip().rstrip(INVISIBLE).rstrip()
        if not text or text[0] == "#":
            continue
        if not sniff(text):
            lines.give_back(line)
            return
        if "\t" in text:
            waiting = _mirrored(lines.number, text)
        elif " --hash" in text:  # a line of pip
            waiting = with_hint(lines.number, text.split(maxsplit=1)[0], text)
        elif " " in text and all(map(sniff, words := text.split())):
            yield from (
                Candidate(lines.number, word, Outside(word), may_be_pattern=True) for word in words
            )
        else:
            waiting = Candidate(lines.number, text, Outside(text), may_be_pattern=True)
    if waiting is not None:
        yield _with_options(waiting, pairs) if pairs else waiting


def _mirrored(number: int, text: str) -> Candidate:
    url, *mirrors = (part for part in map(str.strip, text.split("\t")) if part)
    if not all(map(sniff, mirrors)):
        return Candidate(number, text, Outside(text))  # invalid, because of its white space
    form = f"{min(len(mirrors), MAX_MIRRORS) + 1} mirrors"
    return Candidate(number, text, Outside(url, mirrors=mirrors), form=form)


def _with_options(candidate: Candidate, pairs: list[tuple[str, str]]) -> Candidate:
    fields: dict[str, Any] = {}
    ignored: list[str] = []
    headers: list[tuple[str, str]] = []
    wishes: dict[str, Any] = {}
    problem = ""
    for name, value in pairs:
        try:
            if name in _READERS:
                fields |= _READERS[name](value)
            elif name in _WISHES:
                wishes |= _WISHES[name](value)
            elif name == "header" or name in _HEADERS:
                if name == "referer" and value == "*":  # aria2 sends the URL itself
                    value = without_login(candidate.outside.url)
                headers.append(_header(_HEADERS.get(name), value))
            else:
                ignored.append(printable(name[:50]))
        except ValueError as error:
            problem = problem or problem_of(error)
    fields |= _joined(fields)
    outside = candidate.outside._replace(
        **fields, headers=tuple(headers) or None, wishes=wishes or None
    )
    return candidate._replace(outside=outside, problem=problem, form="aria2 entry", ignored=ignored)


def _joined(fields: dict[str, Any]) -> dict[str, str]:
    """Join `dir` and the folders in `out`."""
    folders = [fields.pop("dir", ""), fields.get("destination_subdir", "")]
    folder = "/".join(filter(None, folders))
    return {"destination_subdir": folder} if folder else {}


def _folder(value: str) -> dict[str, str]:
    destination_fields(f"{value}/file", "dir")
    return {"dir": folder_path(value)}


def _checksum(value: str) -> dict[str, HashConfig]:
    algorithm, _, digest = value.partition("=")
    return {"hash_config": HashConfig.from_checksum_string(f"{algorithm}:{digest}")}


def _header(name: str | None, value: str) -> tuple[str, str]:
    if name is not None:
        return name, value
    name, colon, value = value.partition(":")
    if not colon:
        raise ValueError("a header is not of the form 'Name: value'")
    return name.strip(), value.strip()


_READERS: dict[str, Callable[[str], dict[str, Any]]] = {
    "out": lambda value: destination_fields(value, "out"),
    "dir": _folder,
    "checksum": _checksum,
}

_WISHES: dict[str, Callable[[str], dict[str, Any]]] = {
    "all-proxy": lambda value: {"proxy": value or DIRECT},
    "http-proxy": lambda value: {"proxy": value or DIRECT},
    "https-proxy": lambda value: {"proxy": value or DIRECT},
    "ca-certificate": lambda value: {"ca_file": value},
    "certificate": lambda value: {"client_cert": value},
    "private-key": lambda value: {"client_key": value},
    "load-cookies": lambda value: {"cookies": value},
    "interface": lambda value: {"interface": value},
    "disable-ipv6": lambda value: {"ip_version": 4} if value == "true" else {},
}
"""Options of aria2 that only the user may choose."""
