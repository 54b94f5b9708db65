"""Filter terms such as `size>1g`: their fields, values and comparisons."""

import operator
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from .downloads import DownloadSnapshot, DownloadStatus
from .hosts import host_key
from .text import printable
from .units import parse_duration, parse_rate, parse_size
from .urls import host_of

if TYPE_CHECKING:
    from regex import Pattern

MAX_PATTERN_LENGTH = 200
"""Characters of a regular expression."""
_PATTERN_SECONDS = 0.25
_PATTERN_SECONDS_EACH = 10e-6
"""Time limit of a regular expression: a constant, plus some time for each text."""


class SlowPatternError(ValueError):
    """A regular expression takes too long; the message is one sentence."""


class Moment(NamedTuple):
    """Facts outside a download that determine its age, and whether it waits.

    Attributes:
        now: seconds since the epoch.
        full_hosts: hosts with their ports whose downloads wait.
    """

    now: float
    full_hosts: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Term:
    """One condition, as it was written.

    Attributes:
        value: text to look for, a value of the field, or a regular expression.
        field: name of the field; "" for a word, which is searched for in name, URL, state and
            cause of failure, and for an expression, which is searched for in the name.
        operator: one of `OPERATORS`; "" for a word.
        is_pattern: True if the value is a regular expression.
        negated: True if the condition must not hold.
    """

    value: str
    field: str = ""
    operator: str = ""
    is_pattern: bool = False
    negated: bool = False


Test = Callable[[DownloadSnapshot, Moment], bool]
Find = Callable[[str], bool]
"""Returns True if a text matches."""
OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ":": operator.eq,
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

_RUNNING = frozenset(status for status in DownloadStatus if status.is_active)
STATUSES = {
    **{status.word: frozenset({status}) for status in DownloadStatus},
    "active": _RUNNING,
    "waiting": frozenset({DownloadStatus.QUEUED, DownloadStatus.PAUSED}),
}
"""States of a filter by the words of the screen; `waiting` are those with a reason to wait."""
_WITH_CAUSE = frozenset({DownloadStatus.FAILED, DownloadStatus.RETRYING})
"""States in which a row shows the cause of its last failure."""
_ALIASES = {status.value: status.word for status in DownloadStatus}
"""Words of the library."""


def _percent(text: str) -> float:
    try:
        percent = float(text.removesuffix("%"))
    except ValueError:
        percent = -1.0
    if not 0 <= percent <= 100:
        raise ValueError("should be a percentage from 0 to 100")
    return percent


def _rate(text: str) -> float:
    return parse_rate(text) or 0


def _number(text: str) -> float:
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII):
        raise ValueError("should be a whole number such as 3")
    return int(text)


def _progress(row: DownloadSnapshot) -> float | None:
    if row.status is DownloadStatus.COMPLETED:
        return 100.0
    if not row.total_bytes:
        return None
    return min(100.0 * row.bytes_downloaded / row.total_bytes, 100.0)


@dataclass(frozen=True, slots=True)
class TextField:
    """A field that holds text.

    Attributes:
        text: returns the text of a download.
        help: describes the values.
        example: a value.
        has_patterns: True if a value between slashes is a regular expression.
        begins: True if the text begins with the value, instead of containing it.
    """

    text: Callable[[DownloadSnapshot], str]
    help: str
    example: str
    has_patterns: bool = True
    begins: bool = False


@dataclass(frozen=True, slots=True)
class NumberField:
    """A field that is compared with a number.

    Attributes:
        number: returns the number of a download at a time, or None if it is unknown.
        parse: reads a value; the message of its ValueError continues a sentence after "it".
        help: describes the values.
        example: a value, with its operator.
        changes: when the number changes: with other facts, as bytes arrive, or with the time.
        operators: the operators of the field.
    """

    number: Callable[[DownloadSnapshot, float], float | None]
    parse: Callable[[str], float]
    help: str
    example: str
    changes: Literal["", "bytes", "time"] = ""
    operators: tuple[str, ...] = ("<", "<=", ">", ">=")


@dataclass(frozen=True, slots=True)
class ChoiceField:
    """A field whose values have their own rules; commas separate several values."""

    test: Callable[[str], Test]
    help: str
    example: str


class PatternFinder:
    """Searches texts for a regular expression, ignoring case, in limited CPU time.

    An expression with nested repetition can take years for one text. The total time limit grows
    with the number of texts.
    """

    def __init__(self, pattern: "Pattern[str]") -> None:
        self.pattern = pattern
        self._seconds_left = _PATTERN_SECONDS

    def __call__(self, text: str) -> bool:
        """Return True if the expression is found in `text`.

        Raises:
            SlowPatternError: it takes too long.
        """
        began = time.thread_time()
        try:
            matches = self.pattern.search(text, timeout=max(self._seconds_left, 1e-3)) is not None
        except TimeoutError:
            self._seconds_left = 0.0
            matches = False
        self._seconds_left += _PATTERN_SECONDS_EACH - (time.thread_time() - began)
        if self._seconds_left <= 0:
            raise SlowPatternError(
                f"“/{self.pattern.pattern}/” takes too long; use fewer repetitions"
            )
        return matches


def compile_pattern(text: str) -> "Pattern[str]":
    """Return a regular expression that ignores case.

    Raises:
        ValueError: the text is not valid. The message continues a sentence after "it".
    """
    import regex  # takes 8 ms; few filters need it

    if len(text) > MAX_PATTERN_LENGTH:
        raise ValueError(f"should have at most {MAX_PATTERN_LENGTH} characters")
    try:
        return regex.compile(text, regex.IGNORECASE)
    except (regex.error, RecursionError, OverflowError) as error:
        raise ValueError(f"should be a regular expression ({error})") from None


def test_of(term: Term) -> Test:
    """Return the test of a term.

    Raises:
        ValueError: its value is not valid. The message continues a sentence after "it".
    """
    test = _test_of(term)
    return (lambda row, moment: not test(row, moment)) if term.negated else test


def _test_of(term: Term) -> Test:
    match FIELDS.get(term.field):
        case NumberField() as field:
            return _number_test(field, OPERATORS[term.operator], field.parse(term.value))
        case TextField() as field:
            find, text = _finder(term, begins=field.begins), field.text
            return lambda row, _: find(text(row))
        case ChoiceField() as field:
            return field.test(term.value)
    find = _finder(term)
    if term.is_pattern:  # most have anchors, which refer to names
        return lambda row, _: find(row.name)
    return _word_test(find)


def _word_test(find: Find) -> Test:
    """Return the test of a word, which is searched for wherever a row of the app shows text."""
    statuses = frozenset(status for status in DownloadStatus if find(status.word))

    def test(row: DownloadSnapshot, _: Moment) -> bool:
        if find(row.name) or find(row.url) or row.status in statuses:
            return True
        shows_cause = row.status in _WITH_CAUSE and find(row.cause)
        return shows_cause or (bool(row.reason) and find(row.reason))

    return test


def _number_test(field: NumberField, compare: Callable[[float, float], bool], limit: float) -> Test:
    number = field.number

    def test(row: DownloadSnapshot, moment: Moment) -> bool:
        value = number(row, moment.now)
        return value is not None and compare(value, limit)

    return test


def _finder(term: Term, *, begins: bool = False) -> Find:
    if term.is_pattern:
        return PatternFinder(compile_pattern(term.value))
    if "*" in term.value:
        return _glob(term.value.casefold())
    needle = term.value.casefold()
    if begins:
        return lambda text: text.casefold().startswith(needle)
    return lambda text: needle in text.casefold()


def _glob(value: str) -> Find:
    """Return a search for a whole text, in which `*` matches any text; its cost is linear."""
    first, *middle, last = value.split("*")

    def matches(text: str) -> bool:
        text = text.casefold()
        at, end = len(first), len(text) - len(last)
        if at > end or not (text.startswith(first) and text.endswith(last)):
            return False
        for piece in middle:
            at = text.find(piece, at, end)
            if at < 0:
                return False
            at += len(piece)
        return True

    return matches


def words_of(value: str) -> list[str]:
    """Return the values of a `ChoiceField`, in lower case.

    Raises:
        ValueError: one is missing. The message continues a sentence after "it".
    """
    words = [word.strip().lower() for word in value.split(",")]
    if not all(words):
        raise ValueError("should be values separated by single commas")
    return words


def _status_test(value: str) -> Test:
    words = {_ALIASES.get(word, word) for word in words_of(value)}
    if words - STATUSES.keys():
        raise ValueError(f"should be one or more of {', '.join(STATUSES)}")
    waits = "waiting" in words
    statuses = frozenset[DownloadStatus]().union(*(STATUSES[word] for word in words - {"waiting"}))
    if not waits:
        return lambda row, _: row.status in statuses
    return lambda row, moment: row.status in statuses or is_waiting(row, moment)


def is_waiting(row: DownloadSnapshot, moment: Moment) -> bool:
    """Return True if a download waits for something other than a slot or the user."""
    if row.status not in STATUSES["waiting"]:
        return False
    if row.reason:
        return True
    if row.status is DownloadStatus.PAUSED:
        return False
    is_early = row.start_at is not None and row.start_at > moment.now
    return is_early or host_of(row.url) in moment.full_hosts


def _host_test(value: str) -> Test:
    tests = [_one_host(word) for word in words_of(value)]

    def test(row: DownloadSnapshot, _: Moment) -> bool:
        host = host_of(row.url)
        return any(one(host) for one in tests)

    return test


def _one_host(value: str) -> Find:
    """Return a test of `host:port`."""
    name, colon, port = value.rpartition(":")
    is_address = name.count(":") > 0 and "]" not in name
    if colon and port.isdecimal() and not is_address:
        matches_name = _one_host(name)
        return lambda host: host.endswith(f":{port}") and matches_name(host)
    value = host_key(value.strip("[]"))
    if "*" in value:
        glob = _glob(value)
        return lambda host: glob(_without_port(host))
    if "." not in value and ":" not in value:
        return lambda host: value in _without_port(host).split(".")
    below = f".{value}"
    return lambda host: (name := _without_port(host)) == value or name.endswith(below)


def _without_port(host: str) -> str:
    return host.rpartition(":")[0].strip("[]")


FIELDS: dict[str, TextField | NumberField | ChoiceField] = {
    "status": ChoiceField(
        _status_test, f"state: {', '.join(STATUSES)}", "failed,cancelled"
    ),
    "host": ChoiceField(
        _host_test,
        "host or parent domain; a word without a dot matches one label of it",
        "example.org",
    ),
    "name": TextField(lambda row: row.name, "part of the name; * matches any text", "*.iso"),
    "url": TextField(lambda row: row.url, "part of the URL; * matches any text", "/pub/"),
    "folder": TextField(
        lambda row: printable(row.destination.rpartition("/")[0]),
        "part of the folder; * matches any text",
        "isos",
        has_patterns=False,
    ),
    "error": TextField(lambda row: row.error or "", "part of the last error", "404"),
    "id": TextField(lambda row: row.id, "beginning of the ID", "3fa9", begins=True),
    "size": NumberField(
        lambda row, _: row.total_bytes, parse_size, "size of the file", ">1g"
    ),
    "progress": NumberField(
        lambda row, _: _progress(row), _percent, "percentage downloaded", ">90", "bytes"
    ),
    "speed": NumberField(
        lambda row, _: row.speed_bps if row.status is DownloadStatus.IN_PROGRESS else None,
        _rate, "current speed in bytes per second", "<10k", "bytes",
    ),
    "left": NumberField(
        lambda row, _: row.eta_seconds if row.status.is_active else None,
        parse_duration, "estimated time left", "<5m", "bytes",
    ),
    "age": NumberField(
        lambda row, now: now - row.added_at, parse_duration, "time since it was added to the list",
        "<1d", "time",
    ),
    "tries": NumberField(
        lambda row, _: row.attempt, _number, "number of attempts", ">2",
        operators=(*OPERATORS,),
    ),
    "priority": NumberField(
        lambda row, _: row.priority, _number, "priority", ">=5", operators=(*OPERATORS,)
    ),
}  # fmt: skip
"""Fields by their names."""
