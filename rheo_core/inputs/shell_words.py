"""Split shell commands into words, for bash and for cmd on Windows.

`shlex` supports neither cmd nor `$'…'`, which Chrome uses for text with an apostrophe. It also
does not report where a command ends.
"""

import re
from collections.abc import Callable, Iterator

from .reader_api import Lines

MAX_LINES = 500
"""Lines of one command. An open quote must not swallow a long list."""
_MAX_CHARACTERS = 1 << 20

_BASH = re.compile(
    # PowerShell continues a line with a backtick. Copied commands have blanks after the backslash.
    r"(?P<blank>(?:[ \t\r]|[\\`][ \t]*\r?\n)+)"
    r"|(?P<end>\n)|(?P<stop>\d?>+|[;&|<>]+)"
    r"|\$'(?P<ansi>[^'\\]*(?:\\.[^'\\]*)*)'"
    r"|\$?\"(?P<double>[^\"\\]*(?:\\.[^\"\\]*)*)\""
    r"|'(?P<single>[^']*)'"
    r"|\\(?P<escaped>[^\n])"
    r"|(?P<plain>[^\s'\"\\;&|<>$]+|\$(?!['\"])|[^\S\n])",
    re.DOTALL,
)
_CLOSING = {
    "'": re.compile(r"[^']*'"),
    '"': re.compile(r"[^\"\\]*(?:\\.[^\"\\]*)*\"", re.DOTALL),
    "$'": re.compile(r"[^'\\]*(?:\\.[^'\\]*)*'", re.DOTALL),
}
"""Line in which a quote closes, by the quote."""
REPLACED = re.compile(r"\$(?:[A-Za-z_]\w*|\{[^}\s\"']{0,80}|[(\d@*#?$!-])|`")
"""The start of a variable or a command whose value bash would put in its place."""
_REPLACED_IN_DOUBLE = re.compile(rf"\\.|({REPLACED.pattern})", re.DOTALL)
_IN_DOUBLE = re.compile(r"\\([$`\"\\])|\\\n")
_ANSI = re.compile(
    r"\\(?:x(?P<x>[0-9A-Fa-f]{1,2})|u(?P<u>[0-9A-Fa-f]{1,4})|U(?P<U>[0-9A-Fa-f]{1,8})"
    r"|(?P<octal>[0-7]{1,3})|(?P<letter>.))",
    re.DOTALL,
)
_LETTERS = {
    "a": "\a", "b": "\b", "e": "\x1b", "E": "\x1b", "f": "\f", "n": "\n", "r": "\r", "t": "\t",
    "v": "\v",
}  # fmt: skip
_BLANKS = re.compile(r"\s*")
_HAS_DOWNLOAD = re.compile(r"\b(?:curl|wget2?|aria2c)\b|https?://", re.IGNORECASE)
_IS_CMD = re.compile(r"\^[\"\s]|\^$|^\s*[A-Za-z]:\\[^']*$")
_ARGUMENT = re.compile(r"(\\*)(\"{1,2})|([ \t\r\n]+)|([^\\\" \t\r\n]+|\\+)")


def read_commands(
    lines: Lines, is_command: Callable[[str, int], bool]
) -> Iterator[tuple[list[str], bool, frozenset[str]]]:
    """Yield the words of each command on the next line, and True if text after it was skipped.

    The third value contains the starts of parts that bash would replace: `$USER`, `${TOKEN`, a
    backtick. In single quotes they are ordinary letters.

    If `is_command` recognises the text after `;` or `&`, it is the next command. Otherwise it is
    given back to `lines`. The target of a pipe or a redirection is skipped.

    Raises:
        ValueError: a quote is not closed, or the text ends with a backslash.
    """
    source = _Text(lines)
    read = _read_cmd if _IS_CMD.search(source.text.rstrip("\r\n")) else _read_bash
    at: int | None = 0
    while at is not None:
        words, at, has_more = read(source, at)
        if at is not None:
            at = source.skip_blanks(at)
            if at == len(source.text):
                at = None
            elif not is_command(source.text, at):
                has_more = not source.give_back(at)
                at = None
        yield words, has_more, frozenset(source.replaced)
        source.replaced.clear()


class _Text:
    """Lines of a command, read on demand."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._taken = [next(lines)]
        self.text = _ended(self._taken[0])
        self.replaced = set[str]()

    def extend(self, quote: str = "") -> None:
        """Add the next line, or all lines up to the one in which a quote closes.

        Args:
            quote: the open quote. If it is never closed, give back all lines but the first.

        Raises:
            ValueError: there are no more lines, or the command is too long.
        """
        parts, size = [self.text], len(self.text)
        is_over = quote != "" and not self._lines.may_look_ahead
        while True:
            line = None if is_over else next(self._lines, None)
            if line is not None:
                self._taken.append(line)
                parts.append(_ended(line))
                size += len(parts[-1])
            if line is None or len(self._taken) > MAX_LINES or size > _MAX_CHARACTERS:
                break
            if not quote or _CLOSING[quote].match(parts[-1]):
                self.text = "".join(parts)
                return
        if quote:
            self._lines.give_back(*self._taken[1:])
            raise ValueError("the command has an unclosed quote")
        if line is None:
            raise ValueError("the command is incomplete: its last line ends with a continuation")
        raise ValueError(f"the command does not end within {MAX_LINES} lines")

    def skip_blanks(self, at: int) -> int:
        """Return the index of the next character from `at` that is not white space."""
        blank = _BLANKS.match(self.text, at)
        return at if blank is None else blank.end()

    def give_back(self, at: int) -> bool:
        """Give back the rest of the text as a line; return False if it has no download."""
        if not _HAS_DOWNLOAD.search(self.text, at):  # such as `&& unzip x.zip`
            return False
        self._lines.give_back(self.text[at:].strip())
        return True


def _ended(line: str) -> str:
    return line.rstrip("\r\n") + "\n"


_Read = tuple[list[str], int | None, bool]
"""Words of a command, index of the next command or None, and True if text was skipped."""


class _Words:
    """Words collected from pieces; adding strings would take quadratic time."""

    def __init__(self) -> None:
        self._words: list[str] = []
        self._pieces: list[str] | None = None  # None: between two words

    @property
    def is_within(self) -> bool:
        """True within a word."""
        return self._pieces is not None

    def add(self, piece: str) -> None:
        """Add a piece to the current word, or begin one."""
        if self._pieces is None:
            self._pieces = []
        self._pieces.append(piece)

    def end(self) -> list[str]:
        """End the current word, if any; return all words."""
        if self._pieces is not None:
            self._words.append("".join(self._pieces))
            self._pieces = None
        return self._words


def _read_bash(source: _Text, at: int) -> _Read:
    words = _Words()
    while at < len(source.text):
        piece = _BASH.match(source.text, at)
        if piece is None:  # an open quote
            quote = source.text[at : at + 2] if source.text[at] == "$" else source.text[at]
            source.extend(quote.replace('$"', '"'))
            continue
        kind, text = piece.lastgroup, piece[piece.lastgroup or 0]
        if kind == "plain" and text[0] == "#" and not words.is_within:  # a comment
            end = source.text.find("\n", at)
            at = len(source.text) if end < 0 else end
            continue
        at = piece.end()
        if text == "&" and words.is_within and _is_inside(source.text, at):
            words.add(text)
        elif kind in {"blank", "end", "stop"}:
            words.end()
            if kind == "end":
                break
            if kind == "stop":
                return words.end(), *_leave(at, text)
            if at == len(source.text):  # after a backslash
                source.extend()
        else:
            words.add(_UNQUOTE.get(kind or "", str)(text))
            if kind in {"plain", "double"}:
                source.replaced.update(_starts_of_replaced(kind, text, source.text, piece.start()))
    return words.end(), None, False


def _starts_of_replaced(kind: str, piece: str, text: str, at: int) -> Iterator[str]:
    """Yield the starts of the parts that bash replaces in a piece of a word that begins at `at`."""
    if piece == "$" and (match := REPLACED.match(text, at)):  # the name is the next piece
        yield match[0]
    elif kind == "double":
        yield from (match[1] for match in _REPLACED_IN_DOUBLE.finditer(piece) if match[1])
    elif "`" in piece:
        yield "`"


def _is_inside(text: str, at: int) -> bool:
    """Check whether one `&` before `at` belongs to a URL without quotes: `?a=1&b=2`."""
    return text[at - 1] == "&" and text[at] not in "&|;" and not text[at].isspace()


def _leave(at: int, stop: str) -> tuple[int | None, bool]:
    """Return the index of the next command or None, and True if text was skipped."""
    is_skipped = stop != "||" and bool(set(stop) & set("|<>"))
    return (None, True) if is_skipped else (at, False)


def _unquote_double(text: str) -> str:
    return _IN_DOUBLE.sub(lambda match: match[1] or "", text)


def _unquote_ansi(text: str) -> str:
    return _ANSI.sub(_ansi_character, text)


def _ansi_character(match: re.Match[str]) -> str:
    if letter := match["letter"]:
        return _LETTERS.get(letter, letter if letter in "\\'\"?" else match[0])
    if octal := match["octal"]:
        return chr(int(octal, 8) & 0xFF)
    code = int(match["x"] or match["u"] or match["U"], 16)
    return chr(code) if code <= 0x10FFFF else match[0]


_UNQUOTE: dict[str, Callable[[str], str]] = {"double": _unquote_double, "ansi": _unquote_ansi}


def _read_cmd(source: _Text, at: int) -> _Read:
    command: list[str] = []
    is_quoted = False  # by the rules of cmd; the program has its own
    while (character := source.text[at]) != "\n":
        at += 1
        if character == "^" and not is_quoted:
            if source.text[at] == "\n":  # continues below; the first character there is escaped
                at += 1
                if at == len(source.text):
                    source.extend()
            command.append(source.text[at])
            at += 1
            if at == len(source.text):
                source.extend()
        elif character in "&|<>" and not is_quoted and not _is_inside(source.text, at):
            return _arguments("".join(command)), *_leave(at, character)
        else:
            is_quoted ^= character == '"'
            command.append(character)
    return _arguments("".join(command)), None, False


def _arguments(command: str) -> list[str]:
    """Split a command line as programs on Windows do (Microsoft's C runtime)."""
    words = _Words()
    is_quoted = False
    for match in _ARGUMENT.finditer(command):
        slashes, quotes, blank, plain = match.groups(default="")
        if blank and not is_quoted:
            words.end()
            continue
        words.add(blank or plain)
        if not quotes:
            continue
        words.add(slashes[: len(slashes) // 2])
        if len(slashes) % 2:  # the first of the quotes is escaped
            words.add('"')
            is_quoted ^= len(quotes) == 2
        elif len(quotes) == 1:
            is_quoted = not is_quoted
        elif is_quoted:
            words.add('"')
    return words.end()
