"""Parse response heads and check them against the request (RFC 9110, sections 8.8, 14, 15).

`transfer.py` acts on the errors: it continues, starts over or fails.

Bodies are stored as received. `http/requester.py` requests no content coding. If a server
applies one nevertheless, the file stays encoded, and `validators.py` tells its versions apart.
"""

import re
import time
from http import HTTPStatus
from typing import NamedTuple

from multidict import MultiMapping

from rheo_core.domain.exceptions import DownloadError, HttpStatusError, ProtocolError
from rheo_core.domain.hash_validation import HashConfig
from rheo_core.domain.media_types import media_type
from rheo_core.domain.text import printable, quoted, shorten
from rheo_core.domain.units import MAX_FILE_BYTES, count_text, size_text
from rheo_core.infrastructure.http.header_values import (
    coding_of,
    http_date,
    leading_number,
    named_range,
    only_value,
    retry_after,
)

from .digests import digest_of
from .validators import NO_VALIDATOR, Validator

_CONTENT_RANGE = re.compile(
    r"bytes[ ]+(\d{1,19})-(\d{1,19})/(\d{1,19}|\*)", re.ASCII | re.IGNORECASE
)
_NO_RANGE = re.compile(r"bytes[ ]+\*/(\d{1,19})", re.ASCII | re.IGNORECASE)
_OK, _PARTIAL = int(HTTPStatus.OK), int(HTTPStatus.PARTIAL_CONTENT)
_WHOLE = frozenset({_OK, int(HTTPStatus.NON_AUTHORITATIVE_INFORMATION)})
_RANGE_REFUSALS = {
    HTTPStatus.NOT_MODIFIED,
    HTTPStatus.PRECONDITION_FAILED,
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
}
_NOT_OF_QUOTA = {HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND, HTTPStatus.GONE}
"""Permanent refusals, even if a quota is used up."""
_QUOTA_NAMES = ("x-ratelimit", "ratelimit", "x-rate-limit")
_MAX_SHOWN_LENGTH = 80
_UNKNOWN_QUOTA_SECONDS = 60.0
_EARLIEST_EPOCH_SECONDS = 1e9  # larger numbers are times, smaller ones durations


class ResponseHead(NamedTuple):
    """Facts from the head of a response."""

    start: int  # offset of the body's first byte in the file
    end: int | None  # offset after its last byte
    total: int | None  # size of the whole file, bytes
    validator: Validator
    name: str | None  # from Content-Disposition, made safe
    partial: bool  # a 206
    promised: HashConfig | None = None  # checksum of the whole file
    modified: int | None = None  # Last-Modified, seconds since the epoch
    type: str | None = None  # its media type, such as text/html, in lower case
    is_attachment: bool = False  # Content-Disposition: attachment, without a name
    robots_tags: tuple[str, ...] = ()  # values of X-Robots-Tag
    ends_with_connection: bool = False  # RFC 9112 6.3, number 8: nothing else marks the end


class RangeRefusedError(ProtocolError):
    """The response does not have the requested range."""


class NothingLeftError(RangeRefusedError):
    """The file ends where the requested range begins."""

    def __init__(self, size: int, validator: Validator) -> None:
        self.size = size
        self.validator = validator
        super().__init__(f"the server says that the file has {count_text(size, 'byte')}")


class UnprovenWholeError(RangeRefusedError):
    """The response claims to be the whole file, but may be a part. Request it without a range."""


class ChangedError(RangeRefusedError):
    """The file on the server has changed."""


def parse_response_head(
    status: int,
    reason: str,
    headers: MultiMapping[str],
    content_length: int | None,
    offset: int | None,
) -> ResponseHead:
    """Parse and check the head of the response to a request for all bytes from `offset`.

    Args:
        status: status code.
        reason: reason phrase; may be hostile.
        headers: headers, names in any case.
        content_length: length of the received body, bytes; None: unknown.
        offset: start of the requested range; None: no range was requested.

    Raises:
        HttpStatusError: the status is an error.
        RangeRefusedError: the response does not have the requested range.
        ProtocolError: the response contradicts itself.
    """
    validator = Validator.of(headers, content_length)
    _check_possible(content_length)
    if status in _WHOLE:
        return _parse_whole(status, headers, content_length, offset, validator)
    if status == _PARTIAL:
        return _parse_partial(headers, content_length, offset, validator)
    raise _refusal(status, reason, headers, offset, validator)


def _refusal(
    status: int,
    reason: str,
    headers: MultiMapping[str],
    offset: int | None,
    validator: Validator,
) -> DownloadError:
    """Return the error for a response without a file."""
    nothing = _NO_RANGE.fullmatch(headers.get("Content-Range", "").strip())
    # The field has no meaning with other statuses (RFC 9110 14.4).
    if nothing is not None and status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        _check_possible(size := int(nothing[1]))
        if offset and size == offset:
            return NothingLeftError(offset, validator)
    if offset is not None and status in _RANGE_REFUSALS:
        return RangeRefusedError(f"the server answered {status} to a range request")
    is_made_later = status == HTTPStatus.ACCEPTED and "Retry-After" in headers
    if 200 <= status < 300 and not is_made_later:
        return ProtocolError(f"the server answered {status}, which is not a file")
    return status_error(status, reason, headers)


def status_error(status: int, reason: str, headers: MultiMapping[str]) -> HttpStatusError:
    """Return the error for a response without a file, with the wait that it requests."""
    wait = retry_after(headers.get("Retry-After", ""))
    if wait is None and status >= 400 and status not in _NOT_OF_QUOTA:
        wait = _quota_wait(headers)
    return HttpStatusError(status, quoted(reason), retry_after=wait)


def _parse_whole(
    status: int,
    headers: MultiMapping[str],
    content_length: int | None,
    offset: int | None,
    validator: Validator,
) -> ResponseHead:
    if _has_type(headers, "multipart/byteranges"):  # no file is of this type (RFC 9110 14.6)
        problem = "the server sent parts (multipart/byteranges) as the whole file"
        raise ProtocolError(problem) if offset is None else RangeRefusedError(problem)
    length = _length_of_whole(status, headers, content_length, offset)
    promised = digest_of(headers, partial=False)
    if status != _OK:
        # A proxy changed the body (RFC 9110 15.3.4), so the server's headers do not describe it.
        validator, promised = NO_VALIDATOR, None
    name, is_attachment = _disposition_of(headers)
    return ResponseHead(
        start=0,
        end=length,
        total=length,
        validator=validator,
        name=name,
        partial=False,
        promised=promised,
        modified=_modified(headers),
        type=media_type(", ".join(headers.getall("Content-Type", ()))),
        is_attachment=is_attachment,
        robots_tags=tuple(headers.getall("X-Robots-Tag", ())),
        ends_with_connection=length is None and "Transfer-Encoding" not in headers,
    )


def _parse_partial(
    headers: MultiMapping[str],
    content_length: int | None,
    offset: int | None,
    validator: Validator,
) -> ResponseHead:
    is_multipart = _has_type(headers, "multipart/")
    _check_coded(validator, content_length)
    if offset is None:
        total = None if is_multipart else _size_of_whole_range(headers)
        if total is None or content_length not in (None, total):
            raise ProtocolError(
                "the server sent a part (206) although rheo requested the whole file"
            )
        return _parse_whole(_OK, headers, total, offset, validator)
    if is_multipart:
        raise RangeRefusedError("the server sent several parts for one range")
    content_range = ", ".join(dict.fromkeys(headers.getall("Content-Range", [])))
    match = _CONTENT_RANGE.fullmatch(content_range.strip())
    if match is None:
        raise RangeRefusedError(f"Content-Range {quoted(content_range)!r} is not valid")
    start, end = int(match[1]), int(match[2])
    total = None if match[3] == "*" else int(match[3])
    _check_possible(end)
    _check_possible(total)
    if end < start or (total is not None and end >= total):
        raise RangeRefusedError(f"Content-Range {quoted(content_range)!r} is not possible")
    if start != offset:
        raise RangeRefusedError(f"the server sent bytes from {start} instead of {offset}")
    if content_length is not None and content_length != end - start + 1:
        raise RangeRefusedError("Content-Range and Content-Length disagree")
    name, is_attachment = _disposition_of(headers)
    return ResponseHead(
        start=start,
        end=end + 1,
        total=total,
        validator=validator,
        name=name,
        partial=True,
        promised=digest_of(headers, partial=True),
        type=media_type(", ".join(headers.getall("Content-Type", ()))),
        is_attachment=is_attachment,
        robots_tags=tuple(headers.getall("X-Robots-Tag", ())),
    )


def _check_coded(validator: Validator, content_length: int | None) -> None:
    """Refuse a part that may have been encoded in transit, because its range counts other bytes.

    A range counts encoded bytes (RFC 9110 14.4). Only a server that knows these bytes sends their
    number in Content-Length.
    """
    if validator.coding is not None and content_length is None:
        coding = quoted(validator.coding)
        raise RangeRefusedError(f"the server sent an encoded part ({coding}) without its length")


def _has_type(headers: MultiMapping[str], beginning: str) -> bool:
    return headers.get("Content-Type", "").strip().lower().startswith(beginning)


def _disposition_of(headers: MultiMapping[str]) -> tuple[str | None, bool]:
    """Return the name of the file, and whether the response is an attachment without a name."""
    disposition = headers.get("Content-Disposition")
    if disposition is None:
        return None, False
    from .content_disposition import filename_from_disposition  # few responses have the field

    name = filename_from_disposition(disposition)
    # `inline` alone means the same as no field at all (RFC 6266 4.2).
    return name, name is None and disposition.lower().lstrip().startswith("attachment")


def _size_of_whole_range(headers: MultiMapping[str]) -> int | None:
    """Return the size of the file if Content-Range covers all of it, else None."""
    match = _CONTENT_RANGE.fullmatch(only_value(headers, "Content-Range"))
    is_whole = match is not None and int(match[1]) == 0 and match[3] == str(int(match[2]) + 1)
    return int(match[3]) if match is not None and is_whole else None


def _length_of_whole(
    status: int, headers: MultiMapping[str], content_length: int | None, offset: int | None
) -> int | None:
    """Return the length of a whole file. Refuse a part that has status 200.

    Content-Range has no meaning with status 200 (RFC 9110 14.4), but scripts that support Range and
    forget the status send it. If a range was requested, Content-Range must prove that the body is
    the whole file, because rheo can still send a request without a range. Otherwise it only must
    not prove that the body is a part.
    """
    if "Content-Range" not in headers:
        return content_length
    value = ", ".join(headers.getall("Content-Range")).strip()
    start, end, total = named_range(value)
    length = content_length
    if length is None and (start, end) == (0, total):
        if coding_of(headers) is not None:
            return None  # the range may count bytes that were encoded in transit
        length = total
    if total is not None and length == total:
        return length
    named = None if start is None or end is None else end - start
    is_short = total is not None and (start is not None if length is None else length < total)
    is_from_middle = bool(start) and (length is None or named in (None, length))
    if offset is None and not (is_short or is_from_middle):
        return length
    kind = ProtocolError if offset is None else RangeRefusedError
    shown = printable(shorten(value, _MAX_SHOWN_LENGTH))
    raise kind(f"the server sent a part ({shown}) as the whole file ({status})")


def _check_possible(size: int | None) -> None:
    """Refuse a size that no disk can hold, so that no download waits for room that never comes."""
    if size is not None and size > MAX_FILE_BYTES:
        raise ProtocolError(
            f"the server reports an impossible file size (more than {size_text(MAX_FILE_BYTES)})"
        )


def _modified(headers: MultiMapping[str]) -> int | None:
    moment = http_date(headers.get("Last-Modified", ""))
    return None if moment is None else int(moment.timestamp())


def _quota_wait(headers: MultiMapping[str]) -> float | None:
    """Return the seconds until a used-up quota is renewed; None if no quota is used up.

    `x-ratelimit-reset` is a time in seconds since the epoch (GitHub), or a number of seconds.
    """
    for name in _QUOTA_NAMES:
        remaining = leading_number(headers.get(f"{name}-remaining", ""))
        if remaining is None or remaining > 0:
            continue
        reset = leading_number(headers.get(f"{name}-reset", ""))
        if reset is None:
            return _UNKNOWN_QUOTA_SECONDS
        return max(reset if reset < _EARLIEST_EPOCH_SECONDS else reset - time.time(), 0.0)
    return None


def check_whole(head: ResponseHead, total: int | None) -> None:
    """Check that a response to a range request is the whole file, as its status (200, 203) says.

    Some scripts send the requested part with this status, and with an ETag that is a hash of the
    part. Only the length proves that the body is the whole file. If it does not, rheo sends a
    request without a range.

    Args:
        head: head of the response.
        total: size of the complete file, bytes; None: unknown.

    Raises:
        UnprovenWholeError: the body may be a part.
    """
    if total is None or head.total != total:
        raise UnprovenWholeError(
            "the server sent part of the file for a range request, labelled as the whole file"
        )


def check_version(
    head: ResponseHead,
    total: int | None,
    validator: Validator | None,
    promised: HashConfig | None = None,
) -> None:
    """Check that a 206 is of the same version as the partial file; servers may ignore If-Range.

    Args:
        head: head of the response.
        total: size of the complete file, bytes; None: unknown.
        validator: validator of the partial file; None: accept any response, because all bytes are
            verified at the end.
        promised: checksum from an earlier response.

    Raises:
        ChangedError: the response is of another version.
    """
    same = validator is None or validator.may_be(head.validator)
    are_known = None not in (total, head.total)
    if are_known:
        same = same and head.total == total
    # Only equal sizes make up for a coding that the response does not repeat (RFC 9110 15.3.7).
    if validator is not None and not (are_known and head.validator.coding is None):
        same = same and head.validator.coding == validator.coding
    if not same:
        raise ChangedError("the file on the server has changed")
    if (
        promised is not None
        and head.promised is not None
        and promised.algorithm is head.promised.algorithm
        and promised.expected_hash != head.promised.expected_hash
    ):
        raise ChangedError("the server sends a different checksum than before")
