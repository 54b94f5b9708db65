"""A response's head: what may be done with its body."""

import math
from collections.abc import Mapping
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from multidict import CIMultiDict

from rheo_core.domain.exceptions import HttpStatusError, ProtocolError
from rheo_core.transfer.response_head import (
    NothingLeftError,
    RangeRefusedError,
    ResponseHead,
    check_whole,
    parse_response_head,
)
from rheo_core.transfer.validators import Validator

DATE = "Sun, 06 Nov 1994 08:49:37 GMT"
LATER = "Sun, 06 Nov 1994 08:50:37 GMT"
SOON = "Sun, 06 Nov 1994 08:50:36 GMT"
NOW = "Mon, 30 Nov 2026 08:00:00 GMT"


def head(
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    length: int | None = None,
    offset: int | None = None,
) -> ResponseHead:
    return parse_response_head(status, "", CIMultiDict(headers or {}), length, offset)


def partial(content_range: str, length: int | None = None, offset: int = 10) -> ResponseHead:
    return head(206, {"Content-Range": content_range}, length, offset)


def test_whole_file() -> None:
    headers = {"etag": '"a"', "content-disposition": "attachment; filename=b.txt"}
    assert head(200, headers, 100) == ResponseHead(
        0, 100, 100, Validator('"a"'), "b.txt", partial=False
    )
    assert head() == ResponseHead(
        0, None, None, Validator(), None, partial=False, ends_with_connection=True
    )
    assert head(length=0).end == 0


def test_whole_file_although_a_part_was_asked_for() -> None:
    assert head(200, {}, 100, offset=10) == ResponseHead(
        0, 100, 100, Validator(), None, partial=False
    )


def test_lines_of_one_field_that_disagree_say_nothing() -> None:
    headers = CIMultiDict({"ETag": '"a"', "Content-Range": "bytes 10-99/100"})
    headers.add("etag", '"a"')
    headers.add("content-range", "bytes 10-99/100")
    assert head(206, headers, 90, offset=10).validator.etag == '"a"'
    headers.add("etag", '"b"')
    assert head(206, headers, 90, offset=10).validator == Validator()
    headers.add("content-range", "bytes 0-89/100")
    with pytest.raises(RangeRefusedError, match="is not valid"):
        head(206, headers, 90, offset=10)


@pytest.mark.parametrize("length", [None, 90])
def test_part(length: int | None) -> None:
    told = partial("bytes 10-99/100", length)
    assert told == ResponseHead(10, 100, 100, Validator(), None, partial=True)


@pytest.mark.parametrize(
    ("content_range", "total"),
    [
        ("bytes 10-99/100", 100),
        (" bytes 10-99/100 ", 100),
        ("bytes  10-99/100", 100),
        ("Bytes 10-99/100", 100),  # names of range units: in any case (RFC 9110 14.1)
        ("bytes 10-99/*", None),
        ("bytes 10-10/11", 11),
    ],
)
def test_good_content_range(content_range: str, total: int | None) -> None:
    assert partial(content_range).total == total


@pytest.mark.parametrize(
    "content_range",
    [
        "",
        "bytes",
        "10-99/100",
        "bytes 10-99",
        "bytes */100",
        "bytes=10-99/100",
        "items 10-99/100",
        "bytes 10-/100",
        "bytes -99/100",
        "bytes 10 - 99/100",
        "bytes 10-99/100, 200-300/400",
        "bytes 10-99/99",
        "bytes 10-9/100",
        "bytes 10-100/100",
        "bytes 9-99/100",
        "bytes 11-99/100",
        "bytes 0-99/100",
        "bytes +10-99/100",
        "bytes 1٠-99/100",
        "bytes 10-99/" + "9" * 5000,
    ],
)
def test_bad_content_range(content_range: str) -> None:
    with pytest.raises(RangeRefusedError):
        partial(content_range)


@pytest.mark.parametrize("length", [0, 89, 91])
def test_content_range_and_length_disagree(length: int) -> None:
    with pytest.raises(RangeRefusedError, match="disagree"):
        partial("bytes 10-99/100", length)


def test_a_part_from_the_start() -> None:
    told = partial("bytes 0-99/200", offset=0)
    assert told == ResponseHead(0, 100, 200, Validator(), None, partial=True)
    with pytest.raises(RangeRefusedError):
        partial("bytes 10-99/200", offset=0)


def test_several_ranges_are_not_what_was_asked_for() -> None:
    with pytest.raises(RangeRefusedError):
        head(206, {"Content-Type": "multipart/byteranges; boundary=x"}, 100, 10)
    with pytest.raises(RangeRefusedError):
        head(200, {"Content-Type": "Multipart/ByteRanges; boundary=x"}, 100, 10)
    with pytest.raises(ProtocolError, match="parts"):
        head(200, {"Content-Type": "multipart/byteranges; boundary=x"}, 100)


def test_a_part_that_nobody_asked_for() -> None:
    with pytest.raises(ProtocolError) as caught:
        head(206, {"Content-Range": "bytes 0-99/200"}, 100)
    assert not isinstance(caught.value, RangeRefusedError)


@pytest.mark.parametrize("etag", ['"a"', '"b"', None])
@pytest.mark.parametrize("came", [100, 1, 90, 101, None])  # 1: to confirm a whole partial file
def test_only_its_length_proves_a_whole_file_for_a_range(
    came: int | None, etag: str | None
) -> None:
    told = head(200, {} if etag is None else {"ETag": etag}, came, 99)
    with nullcontext() if came == 100 else pytest.raises(RangeRefusedError):
        check_whole(told, 100)
    with pytest.raises(RangeRefusedError):
        check_whole(told, None)


@pytest.mark.parametrize("status", [304, 412, 416])
def test_refused_ranges(status: int) -> None:
    with pytest.raises(RangeRefusedError, match=str(status)):
        head(status, offset=10)
    with pytest.raises(HttpStatusError):
        head(status)


@pytest.mark.parametrize("status", [304, 404, 412, 500, 503])
def test_only_a_416_says_where_the_file_ends(status: int) -> None:
    headers = {"Content-Range": "bytes */10", "ETag": '"a"'}
    with pytest.raises(NothingLeftError):
        head(416, headers, offset=10)
    with pytest.raises((HttpStatusError, RangeRefusedError)) as caught:
        head(status, headers, offset=10)
    assert not isinstance(caught.value, NothingLeftError)


@pytest.mark.parametrize("status", [201, 202, 204, 205, 226])
def test_success_without_a_file(status: int) -> None:
    with pytest.raises(ProtocolError, match=str(status)):
        head(status)


@pytest.mark.parametrize("offset", [None, 10])
def test_what_a_proxy_changed_is_the_whole_and_proves_nothing(offset: int | None) -> None:
    headers = {"ETag": '"a"', "Repr-Digest": "sha-256=:" + "A" * 43 + "=:"}
    assert head(200, headers, 100).promised is not None
    assert head(203, headers, 100, offset) == ResponseHead(
        0, 100, 100, Validator(), None, partial=False
    )
    with pytest.raises(ProtocolError, match="a part"):
        head(203, {"Content-Range": "bytes 10-99/100"}, 90, offset)


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 410, 429, 500, 503, 599])
@pytest.mark.parametrize("offset", [None, 0, 10])
def test_errors(status: int, offset: int | None) -> None:
    with pytest.raises(HttpStatusError) as caught:
        parse_response_head(status, "Why\x1b[31m", CIMultiDict(), None, offset)
    assert caught.value.status == status
    assert caught.value.reason == "Why\ufffd[31m"
    assert caught.value.retry_after is None


# Validators


@pytest.mark.parametrize(
    "etag", ['"a"', '"a-b_c:+/="', '"a\'"', '"\xe4"', ' "a" ', '"W/a"', '"a\\"']
)
def test_strong_etags(etag: str) -> None:
    assert Validator.of(CIMultiDict({"ETag": etag}), None).if_range == etag.strip()


@pytest.mark.parametrize(
    "etag",
    [
        "",
        '""',
        'W/""',
        "a",
        "W/",
        'W/"a"',
        'w/"a"',
        '"a',
        'a"',
        '"a"b"',
        '"a b"',
        '"a\t"',
        '"a", "b"',
    ],
)
def test_weak_and_malformed_etags(etag: str) -> None:
    assert Validator.of(CIMultiDict({"ETag": etag}), None) == Validator()


@pytest.mark.parametrize(
    ("modified", "date", "strong"),
    [
        (DATE, LATER, True),
        (DATE, SOON, False),
        (DATE, DATE, False),
        (LATER, DATE, False),
        (DATE, "", False),
        ("", LATER, False),
        (DATE, "tomorrow", False),
        ("0", LATER, False),
        ("Sunday, 06-Nov-94 08:49:37 GMT", LATER, False),  # of no known century
        ("Sun, 06 Nov 1994 08:49:37 -0000", LATER, False),  # of no known zone
        ("Sun, 99 Nov 1994 08:49:37 GMT", LATER, False),
        ("Thu, 01 Jan 1970 00:00:01 GMT", LATER, False),  # of build tools
        ("Tue, 01 Jan 1980 00:00:00 GMT", LATER, False),  # of zip
        ("Sat, 26 Oct 1985 08:15:00 GMT", LATER, False),  # of npm
        ("Sun, 06 Nov 1994 08:49:37 +9999", LATER, False),
        ("Sun, 06 Nov 1994 08:49:37 +0000", LATER, True),
        ("Sun, 06 Nov 1994 03:49:37 -0500", LATER, True),
        ("Mon, 01 Jan 0001 00:00:00 GMT", LATER, False),  # zero in Go and .NET
        ("Monday, 01-Jan-0001 00:00:00 GMT", LATER, False),
        ("Mon Jan  1 00:00:00 0001", LATER, False),
        ("Sat, 01 Jan 0000 00:00:00 GMT", LATER, False),
        ("Tue, 01 Jan 0094 00:00:00 GMT", LATER, False),
        ("Tue, 01 Jan 094 00:00:00 GMT", LATER, False),
        ("01 Jan 0001 00:00:00 +0000", LATER, False),
        ("0001-01-01T00:00:00Z", LATER, False),
        ("Wed, 30 Nov -0001 00:00:00 +0000", LATER, False),  # zero in PHP
        ("Wed, 30 Nov -0001 00:00:00 GMT", LATER, False),
        ("Wednesday, 30-Nov--0001 00:00:00 GMT", LATER, False),
        ("Sun, 30 Nov -1 00:00:00 GMT", LATER, False),
        ("Mon, 01 Jan 1 00:00:00 GMT", LATER, False),  # zero in C, whose years are not padded
        ("Mon, 01 Jan 1 00:00:00 -1994", LATER, False),
        ("Mon, 01 Jan 01 00:00:00 GMT", LATER, False),
        ("Mon Jan  1 00:00:00 1", LATER, False),
        ("Mon, 01 Jan 00001 00:00:00 GMT", LATER, False),
        ("Mon, 01 Jan +1994 00:00:00 GMT", LATER, False),
        ("Monday, 01-Jan-01 00:00:00 GMT", NOW, False),  # zero in Go, in the form of RFC 850
        ("Mon, 01 Jan 2001 00:00:00 GMT", NOW, False),  # zero in Cocoa
        ("Sat, 01 Jan 2000 00:00:00 GMT", NOW, False),  # clocks without a battery
        ("Fri, 31 Dec 1999 23:00:00 GMT", NOW, False),  # the same, in another zone
        (f"{DATE}{' x' * 50}", LATER, False),  # each request would send it
        ("Sat, 01 Jan 2000 00:00:01 GMT", NOW, True),
        ("Tue, 30 Nov 1999 00:00:00 GMT", NOW, False),  # 0000-00-00, read as numbers
        ("Mon, 29 Nov 1999 23:00:00 GMT", NOW, False),  # the same, in another zone
        ("Tue, 30 Nov 1999 05:00:00 GMT", NOW, False),
        ("Tue, 30 Nov 1999 05:00:01 GMT", NOW, True),
        ("Tue, 30 Nov 2010 00:00:00 GMT", NOW, True),
        ("Sun, 02 Jan 2000 00:00:00 GMT", NOW, True),
        ("06 Nov 1994 08:49:37 GMT", LATER, True),
        ("Sun, 06-Nov-1994 08:49:37 GMT", LATER, True),
        ("Sun, 6 Nov  1994 08:49:37 GMT", LATER, True),
    ],
)
def test_dates(modified: str, date: str, strong: bool) -> None:
    validator = Validator.of(CIMultiDict({"Last-Modified": modified, "Date": date}), None)
    assert validator.if_range == (modified if strong else None)


def test_an_etag_goes_before_a_date() -> None:
    headers = {"ETag": '"a"', "Last-Modified": DATE, "Date": LATER}
    assert Validator.of(CIMultiDict(headers), None) == Validator(etag='"a"')
    assert Validator.of(CIMultiDict({**headers, "ETag": 'W/"a"'}), None).if_range == DATE


# Retry-After


def retry_after(value: str) -> float | None:
    with pytest.raises(HttpStatusError) as caught:
        head(503, {"Retry-After": value})
    return caught.value.retry_after


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0000000000120", 120.0),
        ("000", 0.0),
        ("0", 0),
        ("120", 120),
        (" 7 ", 7),
        (DATE, 0),
        ("", None),
        ("-1", 0),
        ("1.5", 1.5),
        ("7, 8", 7),
        ("soon", 0),
        ("٣", 0),
        ("Sun Nov  6 08:49:37 1994", 0),
    ],
)
def test_retry_after(value: str, seconds: float | None) -> None:
    assert retry_after(value) == seconds


def test_retry_after_a_date() -> None:
    moment = datetime.now(UTC) + timedelta(hours=2)
    told = retry_after(format_datetime(moment, usegmt=True))
    assert told is not None
    assert 3600 < told <= 7200


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1.5"}, 1.5),
        ({"X-Rate-Limit-Remaining": "-1", "X-Rate-Limit-Reset": "7"}, 7),
        ({"RateLimit-Remaining": "0;w=21600", "RateLimit-Reset": "3"}, 3),
        ({"x-ratelimit-remaining": "0"}, 60),
        ({"x-ratelimit-remaining": "12", "x-ratelimit-reset": "7"}, None),
        ({"x-ratelimit-reset": "7"}, None),
    ],
)
def test_wait_for_a_quota(headers: dict[str, str], seconds: float | None) -> None:
    def wait(status: int) -> float | None:
        with pytest.raises(HttpStatusError) as caught:
            head(status, headers)
        return caught.value.retry_after

    assert wait(403) == wait(429) == wait(420) == seconds
    assert wait(404) is None  # it may just have used up the quota


def test_retry_after_ages_is_long() -> None:
    told = retry_after("9" * 4000)
    assert told is not None
    assert told > 10**9


# Whatever comes

_NAMES = [
    "Content-Range",
    "Content-Type",
    "Content-Disposition",
    "ETag",
    "Last-Modified",
    "Date",
    "Retry-After",
]
_VALUES = (
    st.text(st.characters(), max_size=40)
    | st.sampled_from([DATE, LATER, '"a"', "bytes 10-99/100", "120", "attachment; filename=a"])
    | st.from_regex(r"bytes \d{0,25}-\d{0,25}/(\d{0,25}|\*)", fullmatch=True)
    | st.from_regex(r"\w{3}, \d{1,3} \w{3} \d{1,6} \d\d:\d\d:\d\d [+-]?\w{1,6}", fullmatch=True)
)


@given(
    st.sampled_from([200, 204, 206, 301, 304, 404, 412, 416, 503]) | st.integers(100, 999),
    st.text(st.characters(), max_size=20),
    st.dictionaries(st.sampled_from(_NAMES), _VALUES),
    st.none() | st.integers(0, 10**12),
    st.none() | st.integers(0, 100),
)
def test_any_head_is_judged_or_refused_in_our_words(
    status: int, reason: str, headers: dict[str, str], length: int | None, offset: int | None
) -> None:
    try:
        told = parse_response_head(status, reason, CIMultiDict(headers), length, offset)
    except (HttpStatusError, ProtocolError) as error:
        assert "\x1b" not in str(error)
        wait = getattr(error, "retry_after", None)
        assert wait is None or 0 <= wait < math.inf
        return
    assert told.start == (offset if told.partial else 0)
    assert told.end is None or told.start <= told.end
    assert told.total is None or told.end is None or told.end <= told.total
    assert told.validator.if_range in (None, *map(str.strip, headers.values()))


@given(
    st.integers(0, 120), st.integers(-2, 120), st.integers(0, 121), st.none() | st.integers(0, 121)
)
def test_a_part_is_taken_only_where_it_fits(
    start: int, last: int, total: int, length: int | None
) -> None:
    """Every accepted part begins at the requested offset and has an end."""
    fits = 10 == start <= last < total and length in (None, last - start + 1)
    try:
        told = partial(f"bytes {start}-{last}/{total}", length)
    except RangeRefusedError:
        assert not fits
    else:
        assert fits
        assert (told.start, told.end, told.total) == (10, last + 1, total)


_MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC)).map(
    lambda moment: moment.replace(microsecond=0)
)


@given(_MOMENTS, st.integers(-300, 300))
def test_a_date_is_strong_a_minute_after_the_change(changed: datetime, seconds: int) -> None:
    assume(changed.second)  # no full hour of New Year
    try:
        sent = changed + timedelta(seconds=seconds)
    except OverflowError:
        return
    modified, date = (format_datetime(moment, usegmt=True) for moment in (changed, sent))
    validator = Validator.of(CIMultiDict({"Last-Modified": modified, "Date": date}), None)
    assert validator.if_range == (modified if seconds >= 60 else None)


@given(_MOMENTS)
def test_a_date_to_wait_for_is_never_in_the_past(moment: datetime) -> None:
    before = datetime.now(UTC)
    told = retry_after(format_datetime(moment, usegmt=True))
    assert told is not None
    assert 0 <= told <= max((moment - before).total_seconds(), 0)
