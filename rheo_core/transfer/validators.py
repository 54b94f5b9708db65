"""Validators: the ETag or date that identifies a version of a file (RFC 9110, section 8.8).

`response_head.py` compares them to find out if the file has changed. `constant_validators.py`
recognises validators that look strong but prove nothing.
"""

import re
from dataclasses import dataclass, field

from multidict import MultiMapping

from rheo_core.infrastructure.http.header_values import (
    coding_of,
    http_date,
    named_range,
    only_value,
)

from .constant_validators import is_constant_date, is_constant_etag

_STRONG_ETAG = re.compile(r'"[\x21\x23-\x7e\x80-\xff]{1,4000}"')
"""A longer one is ignored, because each checkpoint would write it again. So is an empty one, which
frameworks send for every version."""
_WEAK_ETAG = re.compile(rf"W/({_STRONG_ETAG.pattern})")
_STRONG_AFTER_SECONDS = 60
"""RFC 9110 8.8.2.2: Date must be this much later than Last-Modified, to exclude a second change."""


@dataclass(frozen=True, slots=True)
class Validator:
    """Validators of one version of a file.

    Only a strong ETag or date proves that two versions are the same. A date is used if the response
    has no strong ETag. The other fields can only prove a difference.
    """

    etag: str | None = None
    last_modified: str | None = None
    # In addition to a date, which many builds set to a constant:
    weak_etag: str | None = field(default=None, compare=False)
    # Content-Encoding; one ETag for all codings is a common mistake:
    coding: str | None = field(default=None, compare=False)

    @property
    def if_range(self) -> str | None:
        """Value for If-Range; None if no strong validator is known."""
        return self.etag or self.last_modified

    @classmethod
    def of(cls, headers: MultiMapping[str], content_length: int | None) -> "Validator":
        """Return the validators of a response with a body of this length, bytes; None: unknown."""
        etag, coding = only_value(headers, "ETag"), coding_of(headers)
        value = headers.get("Content-Range")
        size = content_length if value is None else named_range(value)[2]
        modified = only_value(headers, "Last-Modified")
        if _STRONG_ETAG.fullmatch(etag) and not is_constant_etag(etag, size, http_date(modified)):
            return cls(etag=etag, coding=coding)
        if not _is_strong_date(modified, headers.get("Date", "")):
            return cls(coding=coding)
        weak = etag if _WEAK_ETAG.fullmatch(etag) else None
        return cls(last_modified=modified, weak_etag=weak, coding=coding)

    def may_be(self, other: "Validator") -> bool:
        """Return True if a file with validator `other` may have this version."""
        are_weak_known = None not in (self.weak_etag, other.weak_etag)
        return self.if_range == other.if_range and not (
            are_weak_known and self.weak_etag != other.weak_etag
        )


NO_VALIDATOR = Validator()


def _is_strong_date(modified: str, date: str) -> bool:
    changed, sent = http_date(modified), http_date(date)
    if changed is None or sent is None or is_constant_date(modified, changed):
        return False
    return (sent - changed).total_seconds() >= _STRONG_AFTER_SECONDS
