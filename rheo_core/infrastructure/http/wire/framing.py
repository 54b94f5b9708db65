"""Parse response heads and chunks with llhttp; refuse ambiguous framing.

llhttp accepts some heads whose framing other programs read differently. The additional checks
follow RFC 9112 6.3. If a response is unusual but clear, they follow browsers.
"""

import re
from collections.abc import Callable, Iterable
from enum import Enum
from itertools import chain, repeat
from typing import NamedTuple

import httptools
from multidict import CIMultiDict, CIMultiDictProxy

from rheo_core.domain.exceptions import ProtocolError
from rheo_core.domain.text import printable, quoted, shorten
from rheo_core.infrastructure.http.connection_problems import TLS_INSTEAD_OF_HTTP

MAX_HEAD_BYTES = 256 << 10
"""Bytes of a head, with those of the interim responses before it."""
MAX_FIELDS = 5_000
MAX_LINE_BYTES = 100 << 10
"""The limits of curl (`MAX_HTTP_RESP_HEADER_COUNT`, `CURL_MAX_HTTP_HEADER`): far above any honest
head. A field in memory costs a hundred times its bytes on the wire."""

_BEGINNING = b"HTTP/"
_TLS_RECORDS = (b"\x15", b"\x16")
"""First bytes of an alert and of a handshake (RFC 8446 5.1)."""
_MAX_LENGTH_DIGITS = 18  # more than any credible size
_IMPOSSIBLE_LENGTH = 10**_MAX_LENGTH_DIGITS
_MAX_SHOWN_LENGTH = 40
_NUL, _TAB, _SPACE = b"\0\t "  # as numbers, because Python searches for them faster
_LINE_END = re.compile(rb"\r?\n")
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_MAX_HEAD_END = 4  # bytes
_FIELD = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[^\x00-\x08\x0a-\x1f\x7f]*")
_SPACED = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+)[ \t]+:")
_FOLD = re.compile(rb"\n[ \t]+")
_FRAMING_FIELD = re.compile(rb"[\x00-\x20]*(content-length|transfer-encoding)\b", re.IGNORECASE)
_FRAMING_LINES = re.compile(
    rb"^(?:content-length|transfer-encoding)[ \t]*:[^\n]*\n(?:[ \t][^\n]*\n)*",
    re.IGNORECASE | re.MULTILINE,
)
_REPEATED = re.compile(r"^[ \t]*(\d+)(?:[ \t]*,[ \t]+\1)+[ \t]*$", re.ASCII)
"""One length, repeated by a program in between (RFC 9110 8.6); `222,222` may be one number."""
_STATUS_LINE = re.compile(rb"HTTP/(?:0\.9|1\.[01]|2\.0) (\d{3})(?: .*)?")
"""A line that llhttp accepts (RFC 9112 4)."""
_SWITCHES = "the server switches to another protocol"
_SUCCESS = re.compile(rb"\s*HTTP/\S+ 2\d\d\b")
_MISSPELLED_CODING = "Transfer_Encoding"
"""Some gateways rewrite `-` as `_` and keep the body, which may then be chunked."""
_BODILESS = frozenset({204, 304})


class Framing(Enum):
    """The end of a body (RFC 9112 6.3)."""

    LENGTH = "after a number of bytes"
    CHUNKED = "with the last chunk"
    CLOSE = "with the connection"


class Head(NamedTuple):
    """The head of a response."""

    status: int
    reason: str
    headers: CIMultiDictProxy[str]
    framing: Framing
    length: int  # bytes of the body; 0 unless `framing` is LENGTH
    keeps_alive: bool


def has_begun(data: bytes) -> bool:
    """Return True if bytes begin a response, and False if too few have arrived to know this.

    Servers of other protocols send a line and wait. This refuses them at once.

    Raises:
        ProtocolError: they belong to another protocol, or to a page without a head.
    """
    beginning = data.lstrip(b"\r\n")[: len(_BEGINNING)]
    if beginning[:1] in _TLS_RECORDS:
        raise ProtocolError(TLS_INSTEAD_OF_HTTP)
    if not _BEGINNING.startswith(beginning):
        raise ProtocolError("malformed response: it does not begin with HTTP/")
    return len(beginning) == len(_BEGINNING)


def end_of_head(data: bytes, known: int) -> int:
    """Return the offset after the empty line that ends a head, or -1.

    The first `known` bytes do not contain such a line.
    """
    start = max(known - _MAX_HEAD_END, 0)
    usual = data.find(b"\n\r\n", start)  # a regular expression takes ten times as long
    bare = data.find(b"\n\n", start, None if usual < 0 else usual + 1)
    if bare >= 0:
        return bare + 2
    return usual + 3 if usual >= 0 else -1


def parse_head(raw: bytes, *, is_tunnel: bool = False) -> Head:
    """Parse a head.

    Args:
        raw: the head with the empty line at its end, and nothing else.
        is_tunnel: the head answers CONNECT, so a success has no body (RFC 9110 9.3.6).

    Raises:
        ProtocolError: it is malformed, or the end of its body is ambiguous.
    """
    if is_tunnel and _SUCCESS.match(raw):
        raw = _FRAMING_LINES.sub(b"", raw)  # a client must ignore them (RFC 9110 9.3.6)
    fields, names_and_values, has_others = _parse(raw)
    # As one text, because a field has no line end, and its name is ASCII.
    texts = b"\n".join(names_and_values).decode("utf-8", "surrogateescape").split("\n")
    # White space around a value does not belong to it (RFC 9110 5.5); llhttp keeps it at the end.
    values = map(str.strip, texts[1::2], repeat(" \t"))
    headers = CIMultiDict(zip(texts[::2], values, strict=False))
    if is_tunnel and 200 <= fields.status < 300:
        framing, length = Framing.LENGTH, 0
    else:
        framing, length = _framing(fields.status, headers)
    if fields.status < 100:
        raise ProtocolError(f"malformed response: its status is {fields.status:03}")
    if framing is Framing.CLOSE and fields.status >= 200:  # a part of its head may be the body
        if not headers:
            raise ProtocolError("malformed response: it has no header field")
        if has_others:
            raise ProtocolError("malformed response: a line of its head is not a header field")
    is_faulty = fields.is_http_1_0 and framing is Framing.CHUNKED  # RFC 9112 6.1
    return Head(
        fields.status,
        fields.reason.decode("utf-8", "surrogateescape"),
        CIMultiDictProxy(headers),
        framing,
        length,
        fields.keeps_alive and framing is not Framing.CLOSE and not is_faulty,
    )


class _Fields:
    """Facts that llhttp reports about one head; `on_header` gets each name with its value."""

    def __init__(self, raw: bytes, on_header: Callable[[bytes, bytes], None]) -> None:
        self.reason = b""
        self.on_header = on_header
        self._is_complete = self._has_body = False
        self._parser = httptools.HttpResponseParser(self)
        try:
            self._parser.feed_data(raw)
        except httptools.HttpParserUpgrade:
            raise ProtocolError(_SWITCHES) from None
        if self._has_body or not self._is_complete:  # it found another end of the head
            raise httptools.HttpParserError("the head ends in two places")
        del self._parser  # to break a reference cycle

    def on_status(self, reason: bytes) -> None:
        self.reason += reason

    def on_headers_complete(self) -> None:
        self._is_complete = True
        self.status = self._parser.get_status_code()
        self.keeps_alive = self._parser.should_keep_alive()  # it forgets this after a body
        self.is_http_1_0 = self._parser.get_http_version() == "1.0"

    def on_body(self, data: bytes) -> None:
        self._has_body = True


def _parse(raw: bytes) -> tuple[_Fields, Iterable[bytes], bool]:
    """Return the facts of a head, names and values alternately, and True if other lines remain."""
    if raw.count(b"\n") - 2 > MAX_FIELDS:
        raise ProtocolError(f"malformed response: its head has more than {MAX_FIELDS:,} fields")
    if len(raw) > MAX_LINE_BYTES and max(map(len, raw.split(b"\n"))) > MAX_LINE_BYTES:
        raise ProtocolError("malformed response: a line of its head is too long")
    if raw.count(b"\r") != raw.count(b"\r\n") or _NUL in raw:  # others may see a line end there
        raise ProtocolError("malformed response: a carriage return or a NUL within its head")
    try:
        return *_parse_strictly(raw), False
    except httptools.HttpParserError:
        pass
    plain, has_others = _without_oddities(raw)
    try:
        return *_parse_strictly(plain), has_others
    except httptools.HttpParserError as error:
        raise ProtocolError(_problem(raw, error)) from None


def _problem(raw: bytes, error: httptools.HttpParserError) -> str:
    """Return a sentence for a head that llhttp refuses, because its message names no part."""
    line = raw.lstrip(b"\r\n").partition(b"\n")[0].removesuffix(b"\r")
    status = _STATUS_LINE.fullmatch(line)
    if status is None:
        return f"malformed response: its status line is {_shown(line)}"
    if status[1] == b"101":
        return _SWITCHES
    return f"malformed response: its header fields ({quoted(error)})"


def _parse_strictly(raw: bytes) -> tuple[_Fields, Iterable[bytes]]:
    """Parse a head with llhttp; see `_parse`.

    Raises:
        httptools.HttpParserError: llhttp refuses it, or accepts what other programs may not.
    """
    unique: dict[bytes, bytes] = {}  # its method takes a third of a function's time
    fields, names = _Fields(raw, unique.__setitem__), b"".join(unique)
    is_plain = _SPACE not in names and _TAB not in names
    if is_plain and len(unique) == raw.count(b"\n") - 2:  # no name appears twice
        return fields, chain.from_iterable(unique.items())
    every: list[bytes] = []

    def note(name: bytes, value: bytes) -> None:
        if name[-1:] <= b" ":  # llhttp accepts it; for others it may not be a field
            raise ValueError("white space behind a name")
        every.extend((name, value))

    return _Fields(raw, note), every


def _without_oddities(raw: bytes) -> tuple[bytes, bool]:
    """Drop what browsers ignore: folds, lines that are not fields, a repeated length.

    Returns:
        The head, and True if dropped lines were not fields, or contained only white space.

    Raises:
        ProtocolError: such a line may concern the framing.
    """
    status, *lines = _LINE_END.split(_HEAD_END.split(raw, maxsplit=1)[0])
    if lines and lines[0][:1] in (b" ", b"\t"):  # it does not continue a field (RFC 9112 2.2)
        raise ProtocolError("malformed response: white space before its first header field")
    has_others = not all(line.strip(b" \t") for line in lines)
    lines = _LINE_END.split(_FOLD.sub(b" ", b"\n".join(lines)))  # RFC 9112 5.2
    kept, lengths, has_coding = [], set(), False
    for line in lines:
        if not _FRAMING_FIELD.match(line):
            line = _without_space(line)
        if not _FIELD.fullmatch(line):
            if _FRAMING_FIELD.match(line):
                raise ProtocolError(f"malformed response: {_shown(line)} is not a header field")
            has_others = True
            continue
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            lengths.add(_length(_REPEATED.sub(r"\1", value.decode("latin-1"))))
        else:
            has_coding = has_coding or name.lower() == b"transfer-encoding"
            kept.append(line)
    if len(lengths) > 1:
        raise ProtocolError("malformed response: two different values of Content-Length")
    if lengths and not has_coding:  # the coding takes precedence (RFC 9112 6.3)
        kept.append(b"Content-Length: %d" % lengths.pop())
    elif lengths:
        kept.append(b"Connection: close")
    return b"\r\n".join([status, *kept, b"", b""]), has_others


def _without_space(line: bytes) -> bytes:
    """Drop white space between a name and its colon (RFC 9112 5.1)."""
    spaced = _SPACED.match(line)
    return line if spaced is None else spaced[1] + line[spaced.end() - 1 :]


def _shown(line: bytes) -> str:
    return repr(printable(line[:80].decode("latin-1")))


def _framing(status: int, headers: CIMultiDict[str]) -> tuple[Framing, int]:
    if status in _BODILESS:
        return Framing.LENGTH, 0
    codings = headers.getall("Transfer-Encoding", None)
    if codings is not None:
        if len(codings) > 1 or codings[0].strip(" \t").lower() != "chunked":
            shown = quoted(", ".join(codings))
            raise ProtocolError(f"transfer coding {shown!r} is not supported")
        return Framing.CHUNKED, 0
    if _MISSPELLED_CODING in headers:
        raise ProtocolError("malformed response: Transfer_Encoding may mean Transfer-Encoding")
    if (length := headers.get("Content-Length")) is not None:
        return Framing.LENGTH, _length(length)
    return Framing.CLOSE, 0


def _length(value: str) -> int:
    """Return a length. An absurd one becomes a shorter number, which is still refused."""
    if value.isdecimal() and value.isascii() and len(value) <= _MAX_LENGTH_DIGITS:
        return int(value)
    digits = value.strip(" \t")
    if not (digits.isascii() and digits.isdecimal()):
        shown = printable(shorten(digits, _MAX_SHOWN_LENGTH))
        raise ProtocolError(f"malformed response: Content-Length is {shown!r}")
    digits = digits.lstrip("0") or "0"
    return int(digits) if len(digits) <= _MAX_LENGTH_DIGITS else _IMPOSSIBLE_LENGTH


class ChunkDecoder:
    """Decodes the chunked coding (RFC 9112 7.1)."""

    def __init__(self) -> None:
        self.is_over = False  # with all its trailers
        self.has_surplus = False  # bytes arrived after it
        self._parts: list[bytes] = []
        self._parser = httptools.HttpResponseParser(self)
        # Some servers pad the size; its meaning is clear (RFC 9112 7.1.1 for `5 ;name=value`). A
        # length in a trailer means nothing, because the chunks have ended (RFC 9110 6.5.1).
        self._parser.set_dangerous_leniencies(
            lenient_spaces_after_chunk_size=True, lenient_chunked_length=True
        )
        self._parser.feed_data(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")

    def decode(self, data: bytes | bytearray | memoryview) -> bytes:
        """Return the bytes of the body in `data`, which may begin and end anywhere.

        Raises:
            ProtocolError: the coding is malformed.
        """
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not self.is_over:
                problem = f"a chunk, or a field behind the last one ({quoted(error)})"
                raise ProtocolError(f"malformed response: {problem}") from None
            self.has_surplus = True
        parts, self._parts = self._parts, []
        return parts[0] if len(parts) == 1 else b"".join(parts)

    # Called by llhttp

    def on_body(self, data: bytes) -> None:
        if not self.is_over:  # llhttp also parses the response after it
            self._parts.append(data)

    def on_message_complete(self) -> None:
        self.is_over = True

    def on_message_begin(self) -> None:
        if self.is_over:
            self.has_surplus = True
