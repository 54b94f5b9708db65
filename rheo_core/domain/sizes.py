"""Sizes and rates as people write them: one grammar for settings, flags and commands."""

import re

_SIZE = re.compile(r"(\d{1,18}(?:\.\d*)?|\.\d+)\s*(?:([kmgt])(i?))?(?:b|bytes)?", re.I | re.A)
_POWERS = {"k": 1, "m": 2, "g": 3, "t": 4}
_OFF = {"off", "none", "0"}
_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB", "EB")

LARGEST_FILE = 10**17
"""Bytes, 100 PB. A larger size is a lie: no disk holds such a file."""


def parse_size(text: str) -> int:
    """Bytes from `65536`, `500K`, `1.5M`, `2 GB` (powers of 1000) or `1MiB` (of 1024).

    Raises:
        ValueError: in words that go on after "it": what is allowed.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError("should be a size such as 65536, 500K, 5M or 2.5 MiB")
    number, unit, binary = match.groups()
    power = _POWERS[unit.lower()] if unit else 0
    return round(float(number) * float(1024 if binary else 1000) ** power)


def parse_rate(text: str) -> int | None:
    """Bytes a second from a size, with or without `/s`; None from `off`, `none` or `0`.

    Raises:
        ValueError: in words that go on after "it": what is allowed.
    """
    text = text.strip().lower()
    if text in _OFF:
        return None
    try:
        rate = parse_size(text.removesuffix("/s"))
    except ValueError:
        rate = 0
    if rate < 1:
        raise ValueError("should be bytes a second such as 500K, 5M or 2.5 MiB, or off")
    return rate


def size_text(size: float) -> str:
    """Format bytes in decimal units, such as `2.5 MB`."""
    for unit in _UNITS:
        if size < 1000 or unit == _UNITS[-1]:
            break
        size /= 1000
    return f"{size:,.0f} {unit}" if unit == _UNITS[0] else f"{size:,.1f} {unit}"
