"""Config files of curl, as for `curl -K`: an option and its value on each line."""

import re
from collections.abc import Iterator

from . import code_snippets, curl, plain_text
from .curl_options import LETTERS, takes_value
from .reader_api import MAX_DOCUMENT_LENGTH, Candidate, InputError, Lines, ReadOptions

_FORM = "curl config"
_URL = re.compile(r"url\s*=\s*https?://\S+")
_QUOTED = re.compile(r"([a-z][a-z0-9.-]*)\s*=\s*\"")
_OPTION = re.compile(
    r"(?P<name>--?[\w#:][\w.-]*|[a-z][a-z0-9.-]*)(?P<sign>\s*[=:]\s*|\s+|$)"
    r"(?P<value>\"(?:[^\"\\]|\\.)*+\"|[^\"\s]\S*|)(?:\s+#.*)?"
)
_ESCAPE = re.compile(r"\\(.)")
_ESCAPED = {"t": "\t", "n": "\n", "r": "\r", "v": "\v"}


def sniff(text: str) -> bool:
    """Check whether a line sets an option of curl: one in quotes or behind a dash, or a URL."""
    if text.startswith("-"):
        return len(_words(text) or ()) > 1
    quoted = _QUOTED.match(text)
    if quoted is not None:
        return takes_value(quoted[1]) is not None and _words(text) is not None
    return _URL.fullmatch(text) is not None


def read(lines: Lines, options: ReadOptions) -> Iterator[Candidate]:
    """Yield the downloads of a config. Without a `url`, its lines are of another format.

    Raises:
        InputError: it is too long.
    """
    first, size = lines.number + 1, 0
    taken: list[str] = []
    words: list[str] = []
    for line in lines:
        option = _words(line.strip())
        if option is None:
            lines.give_back(line)
            break
        taken.append(line)
        words += option
        if (size := size + len(line)) > MAX_DOCUMENT_LENGTH:
            problem = f"a curl config may have at most {MAX_DOCUMENT_LENGTH:,} characters"
            raise InputError(first, problem)
    if "--url" in words:
        for request in curl.requests(words):
            for candidate in request.downloads(first):
                yield candidate._replace(form=_FORM)
        return
    end = lines.number
    lines.give_back(*taken)
    while lines.number < end:
        text = (line := next(lines)).strip()
        if _words(text):
            lines.give_back(line)
            read_more = code_snippets.read if code_snippets.sniff(text) else plain_text.read_line
            yield from read_more(lines, options)


def _words(text: str) -> list[str] | None:
    """Return a line as words of a curl command; None if it sets no option.

    Values of unknown options are left out, because they may look like URLs.
    """
    if not text or text[0] == "#":
        return []
    if (match := _OPTION.fullmatch(text)) is None:
        return None
    name, value = match["name"], match["value"]
    if name[0] == "-" != name[1:2]:
        name = LETTERS.get(name[1:], name[1:])
    name = name.removeprefix("--")
    has_value = takes_value(name)
    if has_value is None and "=" not in match["sign"]:
        return None
    return [f"--{name}", _unquoted(value)] if has_value else [f"--{name}"]


def _unquoted(value: str) -> str:
    """Undo the quotes of curl and the escapes in them; other values are literal."""
    if not value.startswith('"'):
        return value
    return _ESCAPE.sub(lambda match: _ESCAPED.get(match[1], match[1]), value[1:-1])
