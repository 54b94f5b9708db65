"""Filters such as `status:failed host:example size>1g or name:*.iso`: parse and apply them.

A filter consists of alternatives separated by `or`. An alternative matches if all its terms match.
`filter_terms.py` defines the terms.
"""

import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from .downloads import DownloadSnapshot
from .filter_terms import (
    FIELDS,
    Moment,
    NumberField,
    SlowPatternError,
    Term,
    Test,
    TextField,
    compile_pattern,
    test_of,
)
from .text import shorten

__all__ = [
    "NO_FILTER",
    "Filter",
    "FilterError",
    "Moment",
    "SlowPatternError",
    "Term",
    "parse_filter",
]

MAX_LENGTH = 1000
"""Characters of a filter."""
_OR = "or"
_FIELD = re.compile(r"(?P<field>[A-Za-z_]+)(?P<operator>:?(?:[<>]=?|=)|:)")
_WORD = re.compile(r"\S+")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_PATTERN = re.compile(r"/(.+?)/(?=\s|\Z)")
_ESCAPE = re.compile(r"\\(.)")
_MAX_SHOWN_LENGTH = 30
_HIGHLIGHT_SECONDS = 0.005


class FilterError(ValueError):
    """A filter is not valid; the message is one sentence without a full stop.

    Attributes:
        column: index of the character at fault; the length of the text if something is missing.
        term_column: index at which the term with the mistake begins.
        is_incomplete: True if more text at the end can correct it.
    """

    def __init__(self, message: str, column: int, *, is_incomplete: bool = False) -> None:
        self.column = self.term_column = column
        self.is_incomplete = is_incomplete
        super().__init__(message)


@dataclass(frozen=True)
class Filter:
    """A condition on downloads; without alternatives, it matches all."""

    alternatives: tuple[tuple[Term, ...], ...] = ()
    _test: Test = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Compile the terms.

        Raises:
            ValueError: a value is not valid.
        """
        tests = [_all_of([test_of(term) for term in terms]) for terms in self.alternatives]
        object.__setattr__(self, "_test", _any_of(tests) if tests else lambda *_: True)

    def matches(self, row: DownloadSnapshot, moment: Moment | None = None) -> bool:
        """Return True if a download fulfils the filter.

        Args:
            row: the download.
            moment: time and state of the hosts; None: now, and no host is full.

        Raises:
            SlowPatternError: a regular expression takes too long.
        """
        return self._test(row, moment or Moment(time.time()))

    def select(self, rows: Iterable[DownloadSnapshot], moment: Moment) -> list[str]:
        """Return the ids of the downloads that match, which takes half the time of `matches`.

        Raises:
            SlowPatternError: a regular expression takes too long.
        """
        test = self._test
        return [row.id for row in rows if test(row, moment)]

    def __and__(self, other: "Filter") -> "Filter":
        """Return the filter for downloads that match both."""
        mine, theirs = self.alternatives or ((),), other.alternatives or ((),)
        both = tuple((*left, *right) for left in mine for right in theirs)
        return Filter(tuple(filter(None, both)))

    def __bool__(self) -> bool:
        return bool(self.alternatives)

    def __str__(self) -> str:
        """Return text that `parse_filter` reads as the same filter."""
        return " or ".join(" ".join(map(_term_text, terms)) for terms in self.alternatives)

    @property
    def depends_on_bytes(self) -> bool:
        """True if it can match other downloads whenever bytes arrive."""
        return any(_changes_with(term, "bytes") for term in self._terms())

    @property
    def depends_on_time(self) -> bool:
        """True if it can match other downloads although they have not changed."""
        return any(
            _changes_with(term, "time") or (term.field == "status" and "waiting" in term.value)
            for term in self._terms()
        )

    def spans_in(self, name: str) -> list[tuple[int, int]]:
        """Return the parts of a name that the filter looks for, each from start to end."""
        terms = [term for term in self._terms() if _is_about_name(term)]
        return sorted(span for term in terms for span in _spans(term, name) if span[0] < span[1])

    def _terms(self) -> Iterator[Term]:
        return (term for terms in self.alternatives for term in terms)


NO_FILTER = Filter()


def _all_of(tests: list[Test]) -> Test:
    if len(tests) == 1:
        return tests[0]

    def test(row: DownloadSnapshot, moment: Moment) -> bool:
        for each in tests:  # noqa: SIM110  all() takes three times as long, on 100,000 rows
            if not each(row, moment):
                return False
        return True

    return test


def _any_of(tests: list[Test]) -> Test:
    if len(tests) == 1:
        return tests[0]
    return lambda row, moment: any(test(row, moment) for test in tests)


def _changes_with(term: Term, cause: str) -> bool:
    of = FIELDS.get(term.field)
    return isinstance(of, NumberField) and of.changes == cause


def _is_about_name(term: Term) -> bool:
    return term.field in ("", "name") and not term.negated


def _spans(term: Term, name: str) -> list[tuple[int, int]]:
    if term.is_pattern:
        pattern = compile_pattern(term.value)
        try:
            return [hit.span() for hit in pattern.finditer(name, timeout=_HIGHLIGHT_SECONDS)]
        except TimeoutError:
            return []
    words = "|".join(map(re.escape, filter(None, term.value.split("*"))))
    return [hit.span() for hit in re.finditer(words, name, re.IGNORECASE)]


def _term_text(term: Term) -> str:
    sign = "!" if term.negated else ""
    if term.is_pattern:
        value = f"/{term.value}/"
    elif _needs_quotes(term):
        escaped = term.value.replace("\\", "\\\\").replace('"', '\\"')
        value = f'"{escaped}"'
    else:
        value = term.value
    return f"{sign}{term.field}{term.operator}{value}"


def _needs_quotes(term: Term) -> bool:
    value = term.value
    if not _WORD.fullmatch(value) or value[0] in '"/<>=':
        return True
    if term.field:
        return False
    return value[0] == "!" or value.lower() == _OR or _field_in(value) is not None


def _field_in(word: str) -> "re.Match[str] | None":
    """Return field and operator at the beginning of a word; None if it is only text.

    Addresses (`https://...`) and parameters of URLs (`lang=en`) are text.
    """
    match = _FIELD.match(word)
    if match is None or match["field"].lower() in FIELDS:
        return match
    is_text = match["operator"] == "=" or word.startswith("//", match.end())
    return None if is_text else match


def parse_typed(text: str) -> tuple[Filter | None, FilterError | None]:
    """Read a filter that the user is typing.

    Return the filter without its incomplete end, or None; and the mistake, or None.
    """
    try:
        return parse_filter(text), None
    except FilterError as error:
        if not error.is_incomplete:
            return None, error
        return parse_typed(text[: error.term_column])[0], error


def parse_filter(text: str) -> Filter:
    """Read a filter; a blank text matches all.

    Raises:
        FilterError: the text is not a filter.
    """
    if len(text) > MAX_LENGTH:
        raise FilterError(f"a filter has at most {MAX_LENGTH:,} characters", MAX_LENGTH)
    return Filter(_Parser(text).alternatives())


class _Parser:
    """Reads one text from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def alternatives(self) -> tuple[tuple[Term, ...], ...]:
        alternatives: list[tuple[Term, ...]] = []
        terms: list[Term] = []
        separator = 0
        while self._skip_blanks():
            start = self._at
            if self._word().lower() != _OR:
                try:
                    terms.append(self._term())
                except FilterError as error:
                    error.term_column = start
                    raise
                continue
            if not terms:
                raise FilterError("“or” needs a term before it", start)
            alternatives.append(tuple(terms))
            terms, separator = [], start
            self._at += len(_OR)
        if alternatives and not terms:
            raise FilterError("“or” needs a term after it", separator, is_incomplete=True)
        return (*alternatives, tuple(terms)) if terms else ()

    def _skip_blanks(self) -> bool:
        """Go to the next character that is not blank; return False at the end."""
        rest = self._text[self._at :]
        self._at += len(rest) - len(rest.lstrip())
        return self._at < len(self._text)

    @property
    def _is_at_end(self) -> bool:
        return self._at == len(self._text)

    def _word(self) -> str:
        match = _WORD.match(self._text, self._at)
        return match[0] if match else ""

    def _term(self) -> Term:
        start, negated = self._at, False
        while self._text.startswith("!", self._at):
            self._at += 1
            negated = not negated
        word = self._word()
        if not word:
            raise FilterError("“!” needs a term after it", start, is_incomplete=self._is_at_end)
        match = _field_in(word)
        if match is None:
            value, is_pattern = self._value(has_patterns=True)
            term = Term(value, is_pattern=is_pattern, negated=negated)
        else:
            term = self._field_term(match["field"], match["operator"], negated)
        try:
            test_of(term)
        except ValueError as error:
            message = f"“{shorten(term.value, _MAX_SHOWN_LENGTH)}” is not valid: it {error}"
            raise FilterError(message, self._value_at, is_incomplete=self._is_at_end) from None
        return term

    def _field_term(self, written: str, sign: str, negated: bool) -> Term:
        name, start = written.lower(), self._at
        of = FIELDS.get(name)
        if of is None:
            raise FilterError(
                f"“{written}” is not a field: use {', '.join(FIELDS)}, or quote the word",
                start,
            )
        compare = sign.removeprefix(":") or ":"
        allowed = of.operators if isinstance(of, NumberField) else (":",)
        self._at += len(written)
        if compare not in allowed:
            raise FilterError(
                f"{name} does not support “{sign}”: use {' '.join(allowed)}, as in {example(name)}",
                self._at,
                is_incomplete=self._at + len(sign) == len(self._text),
            )
        self._at += len(sign)
        if not self._word():
            raise FilterError(
                f"{name} needs a value, as in {example(name)} ({of.help})",
                self._at,
                is_incomplete=self._is_at_end,
            )
        has_patterns = isinstance(of, TextField) and of.has_patterns
        value, is_pattern = self._value(has_patterns=has_patterns)
        return Term(value, name, compare, is_pattern, negated)

    def _value(self, *, has_patterns: bool) -> tuple[str, bool]:
        """Read a word, a quoted text or a regular expression; return it, and True for the last."""
        self._value_at = self._at
        if self._text.startswith('"', self._at):
            return self._quoted(), False
        if has_patterns and self._text.startswith("/", self._at):
            return self._pattern(), True
        word = self._word()
        self._at += len(word)
        return word, False

    def _quoted(self) -> str:
        match = _QUOTED.match(self._text, self._at)
        if match is None:
            raise FilterError("the closing quote is missing", self._at, is_incomplete=True)
        if not match[1]:
            raise FilterError("the quotes are empty", self._at)
        self._at = match.end()
        if self._word():
            raise FilterError("a space must follow the closing quote", self._at)
        return _ESCAPE.sub(r"\1", match[1])

    def _pattern(self) -> str:
        match = _PATTERN.match(self._text, self._at)
        if match is None:
            raise FilterError(
                "the closing “/” is missing; put a path in quotes",
                self._at,
                is_incomplete=True,
            )
        self._at = match.end()
        return match[1]


def example(name: str) -> str:
    """Return an example of a field, such as `size>1g`."""
    of = FIELDS[name]
    return f"{name}{of.example}" if isinstance(of, NumberField) else f"{name}:{of.example}"
