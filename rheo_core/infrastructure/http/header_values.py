"""Parse header values: dates, numbers, ranges, content codings and Retry-After."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache

from multidict import MultiMapping

from rheo_core.domain.text import is_unicode

_YEAR = re.compile(
    r"(?:[a-z]{3}(?:[ ]+|-)|:\d\d[ ]+)(?:[1-9]\d{3}|(?<=-)\d\d)(?!\d)", re.I | re.ASCII
)
"""A year after the month or the time; one of two digits only in the form of RFC 850.

Zero times have other years (`0001`, `1`, `-0001`), which the library reads as 2001 or 2000."""
_MAX_DATE_LENGTH = 100
"""Characters; the forms of RFC 9110 5.6.7 have at most 33."""
_NUMBER = re.compile(r"-?0*\d{1,10}(?:\.\d*)?", re.ASCII)
_NAMED_RANGE = re.compile(r"(?:(\d{1,19})-(\d{0,19})|\*)/(\d{1,19}|\*)", re.ASCII)
"""Numbers of a Content-Range without its white space, in any notation."""


def http_date(value: str) -> datetime | None:
    """Return the time of a date in any form of RFC 9110 5.6.7; the asctime form has no zone.

    Return None for a year before 1000, which means "no date" in several languages.
    """
    return _date(value) if len(value) <= _MAX_DATE_LENGTH else None


@lru_cache(maxsize=256)  # the files of a list often have few dates
def _date(value: str) -> datetime | None:
    if _YEAR.search(value) is None:
        return None
    try:
        parsed = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if parsed.tzinfo is None and not value.rstrip().endswith("-0000"):  # no known zone
        return parsed.replace(tzinfo=UTC)
    return parsed if parsed.tzinfo else None


def retry_after(value: str) -> float | None:
    """Return the seconds (RFC 9110 10.2.3); None if there is no value.

    An invalid value still asks the client to come back, at a time of its choice.
    """
    text = value.strip()
    if not text:
        return None
    if (moment := http_date(text)) is not None:
        return max((moment - datetime.now(moment.tzinfo)).total_seconds(), 0.0)
    return max(leading_number(text) or 0.0, 0.0)


def leading_number(text: str) -> float | None:
    """Return the number at the beginning of a field; None if there is none."""
    match = _NUMBER.match(text.strip())
    return float(match[0]) if match else None


def named_range(value: str) -> tuple[int | None, int | None, int | None]:
    """Return the start, the end (exclusive) and the total that a Content-Range names."""
    match = _NAMED_RANGE.search("".join(value.split()))
    if match is None:
        return None, None, None
    start, last, total = match.groups()
    return (
        None if start is None else int(start),
        int(last) + 1 if last else None,
        None if total == "*" else int(total),
    )


def only_value(headers: MultiMapping[str], name: str) -> str:
    """Return the value of a field; "" if its lines disagree, or if a state cannot hold it."""
    lines = headers.getall(name, [])
    value = lines[0].strip() if lines else ""
    if len(lines) > 1 and any(line.strip() != value for line in lines):
        return ""
    return value if is_unicode(value) else ""


def coding_of(headers: MultiMapping[str]) -> str | None:
    """Return Content-Encoding in lower case; None if there is none."""
    if "Content-Encoding" not in headers:
        return None
    codings = ", ".join(headers.getall("Content-Encoding")).strip().lower()
    # Any text can show a difference, but a state must be UTF-8.
    escaped = codings.encode("ascii", "backslashreplace").decode()
    return None if codings in ("", "identity") else escaped
