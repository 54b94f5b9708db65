"""Lines of JSON: events as written by `--json`, downloads with the fields of `FileConfig`."""

from collections.abc import Iterator
from typing import Any

from pydantic_core import from_json

from rheo_core.domain.outside import Outside
from rheo_core.domain.redaction import is_redacted
from rheo_core.domain.request_options import RequestOptions
from rheo_core.domain.text import is_unicode, printable, redact_url

from .reader_api import Candidate, Lines, ReadOptions, destination_fields, problem_of

_FORM = "JSON line"
_EVENT = "JSON event"
_FIELDS = frozenset(Outside._fields) - {"wishes"}
_WISHES = frozenset(RequestOptions.model_fields)


def sniff(text: str) -> bool:
    """Check whether a line holds a JSON object."""
    return text.startswith("{")


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
        candidate = _read_line(lines.number, text)
        if candidate.form == _EVENT:
            if (url := hash(candidate.outside.url)) in seen:
                continue
            seen.add(url)
        yield candidate


def _read_line(number: int, text: str) -> Candidate:
    try:
        value = _parsed(text)
        if not isinstance(value, dict) or not isinstance(value.get("url"), str):
            raise ValueError('a line of JSON needs a "url"')
        if "event_type" in value:
            return _event(number, value["url"])
        return _config(number, value)
    except ValueError as error:
        # The parser sees only this line; its number is reported separately.
        problem = problem_of(error)[:300].replace(" at line 1 column", ", column")
        return Candidate(number, "{…}", problem=problem, form=_FORM)


def _parsed(text: str) -> object:
    if not is_unicode(text):
        raise ValueError("this line is not valid Unicode")
    try:
        return from_json(text)
    except ValueError as error:
        raise ValueError(f"this line is not valid JSON: {error}") from None


def _event(number: int, url: str) -> Candidate:
    problem = ""
    if is_redacted(url):
        problem = "the secret in the URL of this event was removed; use the original URL"
    return Candidate(number, redact_url(url), Outside(url), problem, form=_EVENT)


def _config(number: int, value: dict[str, Any]) -> Candidate:
    request = value.pop("request", None)
    if not isinstance(request, dict | None):
        raise ValueError("request should be an object")
    fields = {name: value[name] for name in _FIELDS if name in value}
    wishes = {name: value for name, value in (request or {}).items() if name in _WISHES}
    unknown = [name for name in value if name not in fields and name != "id" and value[name]]
    unknown += [f"request.{name}" for name in request or {} if name not in wishes]
    if isinstance(name := fields.get("filename"), str) and set(name) & set("/\\"):
        destination_fields(name, "filename")
        raise ValueError(f"filename {printable(name[:200])!r} must have no folders; "
                         "destination_subdir is for them")  # fmt: skip
    return Candidate(
        number,
        redact_url(value["url"]),
        Outside(**fields, wishes=wishes or None),
        form=_FORM,
        ignored=sorted(printable(name[:50]) for name in unknown),
    )
