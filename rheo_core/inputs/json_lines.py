"""JSON: events written by `--json`, downloads with the fields of `FileConfig`, URL lists."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from pydantic_core import from_json

from rheo_core.domain.redaction import is_redacted
from rheo_core.domain.request_options import RequestOptions
from rheo_core.domain.text import is_unicode, printable, redact_url
from rheo_core.domain.untrusted import Untrusted

from .reader_api import (
    MAX_DOCUMENT_LENGTH,
    Candidate,
    InputError,
    Lines,
    ReadOptions,
    destination_fields,
    problem_of,
)
from .string_literals import without_strings

_FORM = "JSON line"
_EVENT = "JSON event"
_FIELDS = frozenset(Untrusted._fields) - {"wishes"}
_WISHES = frozenset(RequestOptions.model_fields)


_ARRAY = re.compile(r"(?:\[\s*)+(?:$|[\"{])")
_POST_DATA = frozenset({"postdata", "post_data"})
_BODIES = frozenset({"body", "data", "form", "json"})
"""Data of a request besides its method. Without a method, they are usually facts about a file."""
_MAX_COUNTED_LENGTH = 1 << 16
"""Maximum characters of a line in which to count brackets. A longer line counts as a whole
value."""


def sniff(text: str) -> bool:
    """Check whether a line begins with a JSON object, or with an array of objects or strings."""
    return text.startswith("{") or _ARRAY.match(text) is not None


def read(lines: Lines, options: ReadOptions) -> Iterator[Candidate]:
    """Yield the downloads of these lines; of several events of a download, the first."""
    seen: set[int] = set()  # hashes, because the URLs of a long list are not kept
    for line in lines:
        text = line.strip()
        if not text:
            continue
        if not sniff(text):
            lines.give_back(line)
            return
        for candidate in _read_value(lines.number, _whole_value(text, lines)):
            if candidate.form == _EVENT:
                if (url := hash(candidate.outside.url)) in seen:
                    continue
                seen.add(url)
            yield candidate


def _whole_value(text: str, lines: Lines) -> str:
    """Return a JSON value that begins on a line, with the lines that it spans.

    Raises:
        InputError: it is too long.
    """
    if (depth := _depth(text)) <= 0:
        return text
    first, parts, size = lines.number, [text], len(text)
    for line in lines:
        parts.append(line.rstrip("\r\n"))
        depth += _depth(line)
        size += len(line)
        if size > MAX_DOCUMENT_LENGTH:
            problem = f"a JSON text may have at most {MAX_DOCUMENT_LENGTH:,} characters"
            raise InputError(first, problem)
        if depth <= 0:
            break
    return "\n".join(parts)


def _depth(line: str) -> int:
    """Return the number of brackets that a line of JSON opens and does not close."""
    code = without_strings(line, '"') if len(line) <= _MAX_COUNTED_LENGTH else ""
    return code.count("{") + code.count("[") - code.count("}") - code.count("]")


def _read_value(number: int, text: str) -> Iterator[Candidate]:
    """Yield the downloads of a JSON value: an object, or an array of objects and URLs."""
    try:
        value = _parsed(text)
    except ValueError as error:
        yield _invalid(number, error)
        return
    for element in value if isinstance(value, list) else [value]:
        if isinstance(element, str):
            yield Candidate(number, redact_url(element), Untrusted(element), form=_FORM)
        else:
            yield _read_object(number, element)


def _read_object(number: int, value: object) -> Candidate:
    try:
        if not isinstance(value, dict) or not isinstance(value.get("url"), str):
            raise ValueError('each JSON line needs a "url"')
        if "event_type" in value:
            return _event(number, value["url"])
        return _config(number, value)
    except ValueError as error:
        return _invalid(number, error)


def _invalid(number: int, error: ValueError) -> Candidate:
    # The parser sees only these lines; their number is reported separately.
    problem = problem_of(error)[:300].replace(" at line 1 column", ", column")
    return Candidate(number, "{…}", problem=problem, form=_FORM)


def _parsed(text: str) -> object:
    if not is_unicode(text):
        raise ValueError("this line is not valid Unicode")
    text = text.rstrip()
    try:
        value = from_json(text)
    except ValueError as error:
        raise ValueError(f"this line is not valid JSON: {error}") from None
    _KEY_CHECK.decode(text)
    return value


def _check_keys(pairs: list[tuple[str, object]]) -> None:
    """Raise ValueError if an object has a key twice; nobody can tell which one counts."""
    if len(dict(pairs)) < len(pairs):
        (twice, _), *_ = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"this line has the key {printable(twice[:50])!r} twice")


_KEY_CHECK = json.JSONDecoder(object_pairs_hook=_check_keys, parse_int=str, parse_float=str)
"""Checks the keys of JSON that is valid. Numbers of any length cost little as texts."""


def _check_sends_nothing(value: dict[str, Any]) -> None:
    """Check that an object describes no request other than a GET.

    Raises:
        ValueError: it describes one. The message contains no data.
    """
    by_name = {name.lower(): (name, content) for name, content in value.items() if content}
    method = str(by_name.get("method", ("", ""))[1])
    if method and method.upper() not in ("GET", "HEAD"):
        raise ValueError(f"method {printable(method[:20])!r} is not supported; use GET")
    data = _POST_DATA | _BODIES if method else _POST_DATA
    for name in by_name.keys() & data:
        raise ValueError(f"{by_name[name][0]} sends data; only GET is supported")


def _event(number: int, url: str) -> Candidate:
    problem = ""
    if is_redacted(url):
        problem = "the secret in the URL of this event was removed; use the original URL"
    return Candidate(number, redact_url(url), Untrusted(url), problem, form=_EVENT)


def _config(number: int, value: dict[str, Any]) -> Candidate:
    request = value.pop("request", None)
    if not isinstance(request, dict | None):
        raise ValueError('"request" must be a JSON object')
    _check_sends_nothing(value)
    _check_sends_nothing(request or {})
    fields = {name: value[name] for name in _FIELDS if name in value}
    wishes = {name: value for name, value in (request or {}).items() if name in _WISHES}
    known = {*fields, "id", "method"}
    unknown = [name for name in value if name not in known and value[name]]
    unknown += [f"request.{name}" for name in request or {} if name not in {*wishes, "method"}]
    if isinstance(name := fields.get("filename"), str) and set(name) & set("/\\"):
        destination_fields(name, "filename")
        raise ValueError(f"filename {printable(name[:200])!r} must not contain "
                         "folders; use destination_subdir")  # fmt: skip
    return Candidate(
        number,
        redact_url(value["url"]),
        Untrusted(**fields, wishes=wishes or None),
        form=_FORM,
        ignored=sorted(printable(name[:50]) for name in unknown),
    )
