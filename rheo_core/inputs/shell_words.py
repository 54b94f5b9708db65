"""A command as it stands in a shell, into its words: bash, and cmd of Windows.

`shlex` knows neither `$'…'`, in which Chrome writes what has an apostrophe in it, nor cmd; and it
does not tell where a command ends.
"""

import re
from collections.abc import Callable

from .found import Lines

MOST_LINES = 500
"""Of one command; a quote that nobody closes must not swallow a long list."""
_MOST_CHARACTERS = 1 << 20

_BASH = re.compile(
    r"(?P<blank>(?:[ \t\r]|\\\r?\n)+)"
    r"|(?P<end>\n)|(?P<stop>\d?>+|[;&|<>]+)"
    r"|\$'(?P<ansi>[^'\\]*(?:\\.[^'\\]*)*)'"
    r"|\$?\"(?P<double>[^\"\\]*(?:\\.[^\"\\]*)*)\""
    r"|'(?P<single>[^']*)'"
    r"|\\(?P<escaped>[^\n])"
    r"|(?P<plain>[^\s'\"\\;&|<>$]+|\$(?!['\"])|[^\S\n])",
    re.DOTALL,
)
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
_WORTH_READING = re.compile(r"\bcurl\b|https?://", re.IGNORECASE)
_IS_CMD = re.compile(r"\^[\"\s]|\^$")
_ARGUMENT = re.compile(r"(\\*)(\"{1,2})|([ \t\r\n]+)|([^\\\" \t\r\n]+|\\+)")


def read_words(lines: Lines) -> tuple[list[str], bool]:
    """The words of the command that begins with the next line, and whether more came after it.

    What comes after `;` or `&` is given back to `lines`; what a pipe leads to, or a redirection,
    is passed over.

    Raises:
        ValueError: a quote is not closed, or nothing follows a last backslash.
    """
    first = next(lines)
    lines.give_back(first)
    return _read_cmd(lines) if _IS_CMD.search(first.rstrip("\r\n")) else _read_bash(lines)


class _Text:
    """The lines of a command, as far as they are needed."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._taken = [next(lines)]
        self.text = _ended(self._taken[0])

    def extend(self, *, in_quote: bool = False) -> None:
        """Take one more line.

        Raises:
            ValueError: there is none, or too much is taken. What an open quote would swallow is
                given back, but for the first line.
        """
        line = next(self._lines, None)
        if line is not None:
            self._taken.append(line)
            self.text += _ended(line)
        if line is None or len(self._taken) > MOST_LINES or len(self.text) > _MOST_CHARACTERS:
            if not in_quote and line is None:
                raise ValueError("the curl command goes on after its last line, where nothing is")
            if not in_quote:
                raise ValueError(f"the curl command does not end within {MOST_LINES} lines")
            self._lines.give_back(*self._taken[1:])
            raise ValueError("the curl command does not end; a quote of it is not closed")

    def give_back(self, at: int) -> None:
        """What comes after a command on its last line is a line of its own."""
        if rest := self.text[at:].strip():
            self._lines.give_back(rest)


def _ended(line: str) -> str:
    return line.rstrip("\r\n") + "\n"


def _read_bash(lines: Lines) -> tuple[list[str], bool]:
    source = _Text(lines)
    words: list[str] = []
    word: str | None = None
    at = 0
    while at < len(source.text):
        piece = _BASH.match(source.text, at)
        if piece is None:  # an open quote
            source.extend(in_quote=True)
            continue
        at = piece.end()
        kind, text = piece.lastgroup, piece[piece.lastgroup or 0]
        if kind == "stop" and word is not None and _is_inside(source.text, at):
            word += text
        elif kind in {"blank", "end", "stop"}:
            words += [] if word is None else [word]
            word = None
            if kind == "end":
                break
            if kind == "stop":
                return words, _leave(source, at, text)
            if at == len(source.text):  # after a backslash
                source.extend()
        else:
            word = (word or "") + _UNQUOTE.get(kind or "", str)(text)
    return words, False


def _is_inside(text: str, at: int) -> bool:
    """Whether `&` or `;` before `at` is meant as a part of a URL: nobody quoted `?a=1&b=2`."""
    return text[at - 1] in "&;" and not text[at].isspace()


def _leave(source: _Text, at: int, stop: str) -> bool:
    """Whether something is passed over after a command."""
    if stop != "||" and set(stop) & set("|<>"):
        return True
    if not _WORTH_READING.search(source.text, at):  # such as `&& unzip x.zip`
        return not source.text[at:].isspace()
    source.give_back(at)
    return False


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


def _read_cmd(lines: Lines) -> tuple[list[str], bool]:
    source = _Text(lines)
    command = ""
    is_quoted = False  # as cmd sees it; the program sees quotes of its own
    at = 0
    while (character := source.text[at]) != "\n":
        at += 1
        if character == "^" and not is_quoted:
            if source.text[at] == "\n":  # goes on below, where the first character is escaped
                at += 1
                if at == len(source.text):
                    source.extend()
            command += source.text[at]
            at += 1
            if at == len(source.text):
                source.extend()
        elif character in "&|<>" and not is_quoted and not _is_inside(source.text, at):
            return _arguments(command), _leave(source, at, character)
        else:
            is_quoted ^= character == '"'
            command += character
    return _arguments(command), False


def _arguments(command: str) -> list[str]:
    """The arguments that a program of Windows finds in its command line (Microsoft's C runtime)."""
    words: list[str] = []
    word: str | None = None
    is_quoted = False
    for slashes, quotes, blank, plain in _ARGUMENT.findall(command):
        if blank and not is_quoted:
            words += [] if word is None else [word]
            word = None
            continue
        word = (word or "") + (blank or plain)
        if not quotes:
            continue
        word += slashes[: len(slashes) // 2]
        if len(slashes) % 2:  # the first of the quotes is escaped
            word += '"'
            is_quoted ^= len(quotes) == 2
        elif len(quotes) == 1:
            is_quoted = not is_quoted
        elif is_quoted:
            word += '"'
    return words if word is None else [*words, word]
