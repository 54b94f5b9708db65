"""One URL a line, as wget and browsers write lists, and the input files of aria2."""

import re
from collections.abc import Callable, Iterator
from typing import Any

from rheo_core.domain.hash_validation import HashConfig
from rheo_core.domain.request_headers import is_of_engine
from rheo_core.domain.text import printable

from .found import Found, Lines, ReadOptions, folder_path, place_fields, problem_of

_OPTION = re.compile(r"[ \t]+([a-z0-9][a-z0-9-]*)=(.*)")
_HEADERS = {"user-agent": "User-Agent", "referer": "Referer"}  # options that are headers


def begins(text: str) -> bool:
    """Whether a line begins with a http(s) URL, or what is meant to be one."""
    return text[:4].lower() == "http"


def read(lines: Lines, options: ReadOptions) -> Iterator[Found]:
    """The URLs of these lines, with the options of aria2 that follow them, indented.

    URLs with tabs between them are mirrors of one file, as in aria2; with spaces, several files.
    """
    waiting: Found | None = None  # the next line may be an option of it
    given: list[tuple[str, str]] = []
    for line in lines:
        if waiting is not None:
            if line[:1] in " \t" and (option := _OPTION.match(line)):
                given.append((option[1], option[2].strip()))
                continue
            yield _with_options(waiting, given) if given else waiting
            waiting, given = None, []
        text = line.strip()
        if not text or text[0] == "#":
            continue
        if not begins(text):
            lines.give_back(line)
            return
        if "\t" in text:
            waiting = _mirrored(lines.number, text)
        elif " " in text and all(map(begins, words := text.split())):
            yield from (
                Found(lines.number, word, {"url": word}, may_be_pattern=True) for word in words
            )
        else:
            waiting = Found(lines.number, text, {"url": text}, may_be_pattern=True)
    if waiting is not None:
        yield _with_options(waiting, given) if given else waiting


def _mirrored(number: int, text: str) -> Found:
    url, *mirrors = (part for part in map(str.strip, text.split("\t")) if part)
    if not all(map(begins, mirrors)):
        return Found(number, text, {"url": text})  # which has white space in it
    form = f"{len(mirrors) + 1} mirrors"
    return Found(number, text, {"url": url, "mirrors": tuple(mirrors)}, form=form)


def _with_options(found: Found, given: list[tuple[str, str]]) -> Found:
    fields: dict[str, Any] = dict(found.fields)
    ignored: list[str] = []
    headers: list[tuple[str, str]] = []
    problem = ""
    for name, value in given:
        try:
            if name in _READERS:
                fields |= _READERS[name](value)
            elif name == "header" or name in _HEADERS:
                headers.append(_header(_HEADERS.get(name), value))
            else:
                ignored.append(printable(name[:50]))
        except ValueError as error:
            problem = problem or problem_of(error)
    ignored += [f"header {name}" for name, _ in headers if is_of_engine(name)]
    fields |= _joined(fields)
    if headers:
        fields["headers"] = [pair for pair in headers if not is_of_engine(pair[0])]
    note = f"ignored: {', '.join(dict.fromkeys(ignored))}" if ignored else ""
    return found._replace(fields=fields, problem=problem, form="aria2 entry", note=note)


def _joined(fields: dict[str, Any]) -> dict[str, str]:
    """`dir` and the folders that `out` names, in one."""
    folders = [fields.pop("dir", ""), fields.get("destination_subdir", "")]
    folder = "/".join(filter(None, folders))
    return {"destination_subdir": folder} if folder else {}


def _folder(value: str) -> dict[str, str]:
    place_fields(f"{value}/file", "dir")
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
    return name.strip(), value


_READERS: dict[str, Callable[[str], dict[str, Any]]] = {
    "out": lambda value: place_fields(value, "out"),
    "dir": _folder,
    "checksum": _checksum,
}
