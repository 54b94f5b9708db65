"""Values of header fields: dates, numbers, and the wait of Retry-After."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache

_YEAR = re.compile(
    r"(?:[a-z]{3}(?:[ ]+|-)|:\d\d[ ]+)(?:[1-9]\d{3}|(?<=-)\d\d)(?!\d)", re.I | re.ASCII
)
"""A year after the month or the time; one of two digits only in the form of RFC 850.

Zero times have other years (`0001`, `1`, `-0001`), which the library takes for 2001 or 2000."""
_MAX_DATE_LENGTH = 100
"""Characters; the forms of RFC 9110 5.6.7 have at most 33."""
_NUMBER = re.compile(r"-?0*\d{1,10}(?:\.\d*)?", re.ASCII)


@lru_cache(maxsize=256)  # the files of a list often have few dates
def http_date(value: str) -> datetime | None:
    """Return the time of a date in any form of RFC 9110 5.6.7; that of asctime has no zone.

    Return None for a year before 1000, which stands for no date in several languages.
    """
    if len(value) > _MAX_DATE_LENGTH or _YEAR.search(value) is None:
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

    A value that is not valid still asks to come back, at a time of our choice.
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
