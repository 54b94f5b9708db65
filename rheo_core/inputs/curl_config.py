"""curl config files, as for `curl -K`: an option and its value on each line."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from . import code_snippets, curl, plain_text
from .command_options import read_options
from .curl_options import LETTERS, takes_value
from .reader_api import MAX_DOCUMENT_LENGTH, Candidate, InputError, Lines, ReadOptions
from .url_list import sniff as is_url

_FORM = "curl config"
_URL = re.compile(r"url\s*=\s*https?://\S+")
_QUOTED = re.compile(r"([a-z][a-z0-9.-]*)\s*=\s*\"")
_OPTION = re.compile(
    r"(?P<name>--?[\w#:][\w.-]*|[a-z][a-z0-9.-]*)(?P<sign>\s*[=:]\s*|\s+|$)"
    r"(?:(?P<value>\"(?:[^\"\\]|\\.)*+\"|[^\"\s]\S*)(?P<rest>\s.*)?)?"
)
_GLUED = re.compile(r"-[\w#]\S+")
_ESCAPE = re.compile(r"\\(.)")
_ESCAPED = {"t": "\t", "n": "\n", "r": "\r", "v": "\v"}
_MAX_AHEAD = 100
"""Maximum lines of options before the first `url`."""
_MAX_ODD = 3
"""Maximum lines within a config that set no option. After more of them, other text begins."""

_MAX_LETTERS = 50


def sniff(text: str) -> bool:
    """Check whether a line sets a curl option: one in quotes or after a dash, or a URL."""
    if text.startswith("-"):
        return _GLUED.fullmatch(text) is None and len(_words(text) or ()) > 1
    return _is_quoted(text) or _URL.fullmatch(text) is not None


def may_begin(text: str) -> bool:
    """Check whether a line is a curl option, but may also be something else."""
    words = _words(text) or [""]
    return takes_value(words[0].removeprefix("--")) is not None


def end_without_url(lines: Lines) -> int:
    """Return the number of the last of the next lines of options; 0 if a `url` is among them.

    A `url:` must be next to an option with a `=` or a dash, because YAML has such lines.
    """
    taken: list[str] = []
    has_url = is_plain = False
    odd = 0
    for line in lines:
        taken.append(line)
        words = _words(text := line.strip())
        odd += words is None
        if odd > _MAX_ODD or (words is None and is_url(text)) or len(taken) > _MAX_AHEAD:
            break
        if words:
            has_url |= words[0] in _URLS and any(words[1:])
            is_plain |= _has_equals(text) or text.startswith("-")
            if has_url and is_plain:
                break
    end = lines.number
    lines.give_back(*taken)
    return 0 if has_url and is_plain else end


def read(lines: Lines, options: ReadOptions) -> Iterator[Candidate]:
    """Yield the downloads of a config. Without a `url`, its lines have another format.

    Raises:
        InputError: it is too long.
    """
    first = lines.number + 1
    config = _take(lines)
    if not _URLS.isdisjoint(config.words):
        for request in curl.requests(config.words):
            if config.odd:
                request.refuse(f"line {config.odd:,} of this curl config is not a curl option")
            for candidate in request.downloads(first):
                yield candidate._replace(form=_FORM)
        return
    end = lines.number
    lines.give_back(*config.taken)
    while lines.number < end:
        text = (line := next(lines)).strip()
        is_code = code_snippets.sniff(text)
        if _is_quoted(text) and not is_code:  # a URL in it may be a header or similar
            problem = "this line sets a curl option, but has no url"
            yield Candidate(lines.number, _FORM, problem=problem, form=_FORM)
        elif text and text[0] != "#":
            lines.give_back(line)
            yield from (code_snippets.read if is_code else plain_text.read_line)(lines, options)


class _Config(NamedTuple):
    """Lines of a config, and the options in them as words of a curl command."""

    taken: list[str]
    words: list[str]
    odd: int  # number of its first line that sets no option; 0: none


def _take(lines: Lines) -> _Config:
    """Take the lines of a config. Take a line without an option only if others follow."""
    first, size, odd = lines.number + 1, 0, 0
    taken: list[str] = []
    words: list[str] = []
    others: list[str] = []
    for line in lines:
        option = _words(text := line.strip())
        if option is None or (others and not _goes_on(text)):
            others.append(line)
            if len(others) > _MAX_ODD or is_url(text):
                break
            continue
        is_unknown = bool(option) and takes_value(option[0].removeprefix("--")) is None
        if others or is_unknown:  # such as a line of a program
            odd = odd or lines.number - len(others)
        taken += [*others, line]
        words += option
        size += sum(map(len, others)) + len(line)
        others = []
        if size > MAX_DOCUMENT_LENGTH:
            problem = f"a curl config may have at most {MAX_DOCUMENT_LENGTH:,} characters"
            raise InputError(first, problem)
    lines.give_back(*others)
    return _Config(taken, words, odd)


_URLS = frozenset({"--url", "--expand-url"})


def _goes_on(text: str) -> bool:
    return sniff(text) or (_has_equals(text) and may_begin(text))


def _has_equals(text: str) -> bool:
    return "=" in text.partition(":")[0]


def _is_quoted(text: str) -> bool:
    quoted = _QUOTED.match(text)
    return quoted is not None and takes_value(quoted[1]) is not None and _words(text) is not None


def _words(text: str) -> list[str] | None:
    """Return a line as words of a curl command; None if it sets no option.

    It omits values of unknown options, because they may look like URLs.
    """
    if not text or text[0] == "#":
        return []
    if _GLUED.fullmatch(text) and text[1] != "-":
        return _letters(text)
    if (match := _OPTION.fullmatch(text)) is None:
        return None
    name, value, rest = match["name"], match["value"] or "", (match["rest"] or "").lstrip()
    if rest and rest[0] != "#" and match["sign"].isspace():
        return None  # prose; after a sign, curl reads the value up to the blank
    if name[0] == "-" != name[1:2]:
        if len(name) > 2:
            return None
        name = LETTERS.get(name[1:], name[1:])
    name = name.removeprefix("--")
    has_value = takes_value(name)
    if has_value is None and "=" not in match["sign"]:
        return None
    return [f"--{name}", _unquoted(value)] if has_value else [f"--{name}"]


def _letters(word: str) -> list[str] | None:
    """Return options whose letters and value are one word, such as `-sSL` and `-ume:secret`."""
    words: list[str] = []
    for name, value in read_options([word], curl.SYNTAX):
        if (has_value := takes_value(name)) is None or len(words) > _MAX_LETTERS:
            return None
        words += [f"--{name}", value] if has_value else [f"--{name}"]
    return words


def _unquoted(value: str) -> str:
    """Undo the quotes of curl and the escapes in them; other values are literal."""
    if not value.startswith('"'):
        return value
    return _ESCAPE.sub(lambda match: _ESCAPED.get(match[1], match[1]), value[1:-1])
