"""Units: parse and format sizes, rates and durations."""

import math
import re

_SIZE = re.compile(r"(\d{1,18}(?:\.\d*)?|\.\d+)\s*(?:([kmgt])(i?))?(?:b|bytes)?", re.I | re.A)
_POWERS = {"k": 1, "m": 2, "g": 3, "t": 4}
_DURATION = re.compile(r"\s*".join(rf"(?:(\d{{1,9}})\s*{unit})?" for unit in "wdhms"), re.I | re.A)
_UNIT_SECONDS = (7 * 86_400, 86_400, 3600, 60, 1)  # in the order of the groups of `_DURATION`
_OFF = {"off", "none", "0"}
_UNITS = ("kB", "MB", "GB", "TB", "PB", "EB")

MAX_FILE_BYTES = 10**17
"""Bytes (100 PB). A larger size is impossible."""


def parse_size(text: str) -> int:
    """Return bytes from `65536`, `500K`, `1.5M`, `2 GB` (powers of 1000) or `1MiB` (of 1024).

    Raises:
        ValueError: the text is not valid. The message continues a sentence after "it".
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError("should be a size such as 65536, 500K, 5M or 2.5 MiB")
    number, unit, binary = match.groups()
    power = _POWERS[unit.lower()] if unit else 0
    return round(float(number) * float(1024 if binary else 1000) ** power)


def parse_rate(text: str) -> int | None:
    """Return bytes per second from a size with or without `/s`; None from `off`, `none`, `0`.

    Raises:
        ValueError: the text is not valid. The message continues a sentence after "it".
    """
    text = text.strip().lower()
    if text in _OFF:
        return None
    try:
        rate = parse_size(text.removesuffix("/s"))
    except ValueError:
        rate = 0
    if rate < 1:
        raise ValueError("should be bytes per second such as 500K, 5M or 2.5 MiB, or off")
    return rate


def share_of_rate(rate_bps: int | None, count: int) -> int | None:
    """Return one of `count` equal shares of a rate, at least 1 byte/s; None: no limit."""
    return None if rate_bps is None else max(rate_bps // count, 1)


def parse_duration(text: str) -> int:
    """Return seconds from `45s`, `5m`, `1h30m`, `3d` or `2w`.

    Raises:
        ValueError: the text is not valid. The message continues a sentence after "it".
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None or not any(match.groups()):
        raise ValueError("should be a duration such as 45s, 5m, 1h30m, 3d or 2w")
    counts = (int(count or 0) for count in match.groups())
    return sum(count * unit for count, unit in zip(counts, _UNIT_SECONDS, strict=True))


def count_text(count: int, noun: str = "download", nouns: str = "") -> str:
    """Return a number with its noun: `1 download`, `10,000 downloads`.

    Args:
        count: the number.
        noun: its noun in the singular.
        nouns: its plural; "" for the noun with an s.
    """
    return f"{count:,} {noun if count == 1 else nouns or f'{noun}s'}"


def size_text(size: float | None) -> str:
    """Return bytes in decimal units and at most 8 characters, such as `2.5 MB`; "" for None."""
    if size is None:
        return ""
    if size < 1000:
        return f"{int(size)} B"
    power = 1
    while round(size / 1000**power, 1) >= 1000 and power < len(_UNITS):
        power += 1
    return f"{size / 1000**power:,.1f} {_UNITS[power - 1]}"


def speed_text(bytes_per_second: float) -> str:
    """Return a speed in decimal units, such as `1.2 MB/s`; "" when nothing moves."""
    return f"{size_text(bytes_per_second)}/s" if bytes_per_second >= 1 else ""


def limit_text(bytes_per_second: int | None) -> str:
    """Return a speed limit in short form: `500 kB/s`, or `off` for None."""
    if bytes_per_second is None:
        return "off"
    return f"{size_text(bytes_per_second).replace('.0 ', ' ')}/s"


def duration_text(seconds: float | None) -> str:
    """Return a duration in at most 6 characters: `42 s`, `12:03`, `1h02m`, `3d04h`.

    Unknown (None) and endless durations are "". The app's header has space for words and rounds:
    `time_left_text`.
    """
    if seconds is None or not math.isfinite(seconds):
        return ""
    whole = math.ceil(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    if hours == 0:
        return f"{minute}:{second:02}"
    days, hour = divmod(hours, 24)
    if days == 0:
        return f"{hour}h{minute:02}m"
    return f"{days}d{hour:02}h" if days < 100 else f"{min(days, 9999)} d"
