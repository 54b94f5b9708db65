"""Footers of Parquet files that no program writes: many items, three to ten bytes each.

https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
"""

_LONG_LIST = 15
_TEXT, _STRUCT = 8, 12
_COLUMN = b"\x15\x02\x25\x02\x18\x01a\x00"  # INT32, optional, "a"
_CHUNK = b"\x26\x00\x00"  # a column of a row group, without data on it
_KEY_AND_VALUE = b"\x18\x00\x00"


def many_columns(count: int) -> bytes:
    """Return a file with columns and no row."""
    return _file(columns=count)


def many_chunks(count: int) -> bytes:
    """Return a file with one row group of many columns."""
    return _file(groups=_list(_STRUCT, [_group(_list(_STRUCT, [_CHUNK] * count))]))


def many_groups(count: int) -> bytes:
    """Return a file with row groups that have no column."""
    return _file(groups=_list(_STRUCT, [_group(_list(_STRUCT, []))] * count))


def many_keys(count: int) -> bytes:
    """Return a file with data of its own."""
    return _file(tail=b"\x19" + _list(_STRUCT, [_KEY_AND_VALUE] * count))


def many_names(count: int) -> bytes:
    """Return a file with a column whose path has many names."""
    data = b"\x39" + _list(_TEXT, [b"\x00"] * count) + b"\x00"
    chunk = b"\x26\x00\x1c" + data + b"\x00"
    return _file(groups=_list(_STRUCT, [_group(_list(_STRUCT, [chunk]))]))


def _file(columns: int = 1, groups: bytes = b"\x0c", tail: bytes = b"") -> bytes:
    root = b"\x48\x00\x15" + _number(2 * columns) + b"\x00"
    schema = _list(_STRUCT, [root, *[_COLUMN] * columns])
    footer = b"\x15\x02\x19" + schema + b"\x16\x00\x19" + groups + tail + b"\x00"
    return b"PAR1" + footer + len(footer).to_bytes(4, "little") + b"PAR1"


def _group(chunks: bytes) -> bytes:
    return b"\x19" + chunks + b"\x16\x00\x16\x00\x00"


def _list(kind: int, items: list[bytes]) -> bytes:
    count = len(items)
    head = bytes([min(count, _LONG_LIST) << 4 | kind])
    return head + (_number(count) if count >= _LONG_LIST else b"") + b"".join(items)


def _number(value: int) -> bytes:
    found = b""
    while value > 0x7F:
        found += bytes([value & 0x7F | 0x80])
        value >>= 7
    return found + bytes([value])
