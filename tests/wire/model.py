"""A strict reading of RFC 9112, written without regard to speed, to compare the wire with."""

import re

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-9][0-9][0-9]) ([\t \x21-\x7e\x80-\xff]*)")
FIELD = re.compile(rb"(" + TOKEN + rb"):[\t ]*([\t \x21-\x7e\x80-\xff]*)")
LENGTH = re.compile(rb"([0-9]{1,20})(?:[\t ]*,[\t ]+\1)*")
CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*((?:;" + TOKEN + rb"(?:=" + TOKEN + rb")?)*)")


class Refused(Exception):
    """The response is not what RFC 9112 describes, or is cut off."""


def body_of(raw: bytes) -> bytes:
    """Return the body of a response on a connection that ends behind it.

    Raises:
        Refused: the response is malformed or cut off.
    """
    while True:
        head, found, rest = raw.partition(b"\r\n\r\n")
        if not found:
            raise Refused("no end of the head")
        status, fields = _parsed(head)
        if status >= 200:
            return _body(status, fields, rest)
        if status == 101:
            raise Refused("another protocol")
        raw = rest


def _parsed(head: bytes) -> tuple[int, list[tuple[bytes, bytes]]]:
    first, *lines = head.split(b"\r\n")
    status = STATUS_LINE.fullmatch(first)
    if status is None:
        raise Refused("status line")
    fields = []
    for line in lines:
        field = FIELD.fullmatch(line)
        if field is None:
            raise Refused(f"field {line!r}")
        fields.append((field[1].lower(), field[2].strip(b"\t ")))
    return int(status[1]), fields


def _body(status: int, fields: list[tuple[bytes, bytes]], rest: bytes) -> bytes:
    values = [LENGTH.fullmatch(value) for name, value in fields if name == b"content-length"]
    if None in values:
        raise Refused("length")
    lengths = {int(value[1]) for value in values if value is not None}
    if len(lengths) > 1:
        raise Refused("two lengths")
    if status in (204, 304):
        return b""
    codings = [value for name, value in fields if name == b"transfer-encoding"]
    if codings:
        if [coding.lower() for coding in codings] != [b"chunked"]:
            raise Refused("transfer coding")
        return _chunks(rest)
    if any(name == b"transfer_encoding" for name, _ in fields):
        raise Refused("transfer coding")
    if not lengths:
        if not fields:
            raise Refused("a head without fields")
        return rest
    (length,) = lengths
    if len(rest) < length:
        raise Refused("cut off")
    return rest[:length]


def _chunks(rest: bytes) -> bytes:
    body = b""
    while True:
        line, found, rest = rest.partition(b"\r\n")
        size = CHUNK_LINE.fullmatch(line)
        if not found or size is None:
            raise Refused("chunk line")
        count = int(size[1], 16)
        if count == 0:
            _check_trailers(rest)
            return body
        if len(rest) < count + 2 or rest[count : count + 2] != b"\r\n":
            raise Refused("chunk")
        body, rest = body + rest[:count], rest[count + 2 :]


def _check_trailers(rest: bytes) -> None:
    while not rest.startswith(b"\r\n"):
        line, found, rest = rest.partition(b"\r\n")
        field = FIELD.fullmatch(line)
        if not found or field is None:
            raise Refused("trailer")


def forgiven(raw: bytes) -> bytes:
    """Return a response with what the wire forgives in a head put right.

    That is: an empty line before it, line ends without CR, another version of HTTP, control
    characters in the reason, folds, white space behind a name, and lines that are not fields if the
    response gives the end of its body.

    Raises:
        Refused: it is not forgiven.
    """
    raw = re.sub(rb"\A\r?\n(?!\r?\n)", b"", raw)
    found = re.search(rb"\r?\n\r?\n", raw)
    if found is None:
        raise Refused("no end of the head")
    head, rest = raw[: found.start()], raw[found.end() :]
    if re.search(rb"\r(?!\n)|\0", raw[: found.end()]):
        raise Refused("a carriage return or a NUL")
    first, _, fields = head.replace(b"\r\n", b"\n").partition(b"\n")
    if fields[:1] in (b" ", b"\t"):
        raise Refused("white space before the first field")
    lines = re.sub(rb"\n[ \t]+", b" ", fields).split(b"\n") if fields else []
    kept, has_framing, has_others = [], False, re.search(rb"(?m)^[ \t]+$", fields) is not None
    for line in lines:
        is_framing = re.match(rb"(?i)[\x00-\x20]*(content-length|transfer-encoding)\b", line)
        mended = line if is_framing else re.sub(rb"^(" + TOKEN + rb")[ \t]+:", rb"\1:", line)
        if FIELD.fullmatch(mended):
            kept.append(mended)
            has_framing = has_framing or is_framing is not None
        elif is_framing:
            raise Refused(f"field {line!r}")
        else:
            has_others = True
    if re.fullmatch(rb"HTTP/1\.[01] [0-9]{3}", first):  # no reason, nor the space before it
        first += b" "
    first = re.sub(rb"^HTTP/(0\.9|2\.0) ", b"HTTP/1.1 ", first)
    start = first[: len(b"HTTP/1.1 200 ")]
    first = start + re.sub(rb"[\x01-\x1f\x7f]", b"?", first[len(start) :])
    text = b"\r\n".join([first, *kept, b"", b""])
    status = STATUS_LINE.fullmatch(first)
    if status is not None and int(status[1]) < 200 and int(status[1]) != 101:
        return text + forgiven(rest)
    if has_others and not has_framing and status is not None and int(status[1]) not in (204, 304):
        raise Refused("a line that is not a field, and no length")
    return text + rest
