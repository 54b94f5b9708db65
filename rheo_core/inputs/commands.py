"""curl, wget and aria2c commands, copied from browsers or written by hand."""

import re
from collections.abc import Iterator
from pathlib import Path

from . import aria2c, curl, wget
from .command_request import problem_of_replaced
from .reader_api import INVISIBLE, Candidate, Lines, ReadOptions
from .shell_words import read_commands
from .string_literals import without_strings

_NAMES = r"(?:curl|wget2?|aria2c)"
_PATH = r"(?:(?:[A-Za-z]:)?[^\s:'\"]*[/\\])?"
_PROGRAM = (  # Windows and macOS accept capital letters, which also begin prose
    rf"{_PATH}(?:{_NAMES}(?:\.exe)?(?=[ \t\r\n]|$)"
    rf"|(?i:{_NAMES}(?:\.exe)?)"
    r"(?=[ \t]+[\"'\u2018-\u201f\u00ab]?(?:[-\u2010-\u2015\u2212]|https?:)))"
)
_ESCAPED_QUOTE = re.compile(r"&(?:quot|apos|#0*39|#x0*27|#0*34|#x0*22);", re.IGNORECASE)
_PROMPT = (
    r"(?:\([\w.-]+\)\s+|\[[\d:]+\]\s+)?"  # a virtual environment, the time
    r"(?:\[?[\w.-]+@[\w.-]+[^\n$#%>]{0,200}+[$#%>]\s"  # me@host:~$
    r"|PS(?:\s[^\n>]{0,200}+)?>\s?|[A-Za-z]:\\[^\n>]{0,200}+>\s?"  # Windows
    r"|[~/][^\s$#%>]{0,200}+\s?[$%>#]\s|\w*sh[\d.-]*[$#]\s"  # ~/isos $, bash-5.2$
    r"|[\w.-]+:[~/\w][^\n$#%>]{0,200}+[$#%>]\s|[\w.-]+%\s"  # host:dir me$, host%
    r"|\u279c\s+\S+\s+(?:git:\(\S+\)\s+)?(?:\u2717\s+)?"  # of oh-my-zsh
    r"|[\u2570\u2514][\u2500\u2574]*[$#\u276f>]?\s"  # the second line of Kali and others
    r"|[$%>❯➜λ*-]\s|!\s?|\d{1,3}[.)]\s)\s*"  # also marks of lists and notebooks
)
_OTHER_COMMANDS = (
    r"(?:(?:(?:cd|pushd|popd|mkdir|export|set|setenv|local|readonly|source|umask|sleep)\b|[A-Za-z_]\w*=(?!\$\([^;&|\n)]{0,500}[;&|]))[^;&|\n]{0,500}+"
    r"(?:&&|;)\s*)"
)
_WRAPPER = (  # atomic groups, because `*+` of a group that backtracks fails before Python 3.11.5
    r"(?:(?:(?:sudo|doas)(?>(?:\s+(?:-[ugpCT]\s+\S+|-\S+))*)|env(?>(?:\s+-\S+)*)|time(?>(?:\s+-\S+)*)"
    r"|nohup|exec|command|builtin|setsid|winpty|nice(?:\s+-n?\s*\d+)?|ionice(?>(?:\s+-\S+)*)"
    r"|timeout(?>(?:\s+-\S+)*)\s+[\d.]+\w?|torsocks|torify|proxychains4?(?:\s+-q)?|RUN|&"
    r"|[A-Za-z_]\w*=(?:\"[^\"\n]*\"|'[^'\n]*'|(?!\$\([^\s)]*\s)\S*))\s+)"
)
_COMMAND = re.compile(rf"(?:{_PROMPT})?(?>(?:{_OTHER_COMMANDS}|{_WRAPPER})*){_PROGRAM}")
_BEFORE = re.compile(rf"(?:{_PROMPT})?")
_ROUTE = re.compile(r"[A-Za-z_]\w*(?==)|(?:torsocks|torify|proxychains4?)$")
_NAME = re.compile(r"[A-Za-z_]\w*")
_INVISIBLE = dict.fromkeys(map(ord, INVISIBLE))
_OPERANDS = re.compile(r"[^\n;&|<>#]*+(?>(?:(?<!\s)#[^\n;&|<>#]*+)*)")
_WORD = re.compile(r"[^\W\d_]+[,:!?]?")
_OF_COMMAND = re.compile(r"[-\u2010-\u2015\u2212]{1,2}\w|.*[\\`^]")
"""An option, an escaped character, or the end of a line that continues."""
_IS_PROGRAM = re.compile(rf"{_PATH}(?P<program>(?i:{_NAMES}))(?i:\.exe)?")


def sniff(text: str) -> bool:
    """Check whether a line is a command: after a prompt, `sudo` and similar words, or `cd …;`."""
    return _is_command(_visible(text)) and not _ESCAPED_QUOTE.search(text)


def sniff_prose(text: str) -> bool:
    """Check whether a line begins like a command, but is prose: `curl is a tool: …`."""
    text = _visible(text)
    return (match := _COMMAND.match(text)) is not None and _is_prose(match)


def read(lines: Lines, options: ReadOptions) -> Iterator[Candidate]:
    """Yield the downloads of the commands of a line."""
    first = line = lines.number + 1
    lines.give_back(_BEFORE.sub("", _visible(next(lines)).lstrip(), count=1))
    settings: list[str] = []  # of earlier commands, such as `export https_proxy=…`
    has_any = False
    try:
        for words, has_more, replaced in read_commands(lines, _is_command):
            before = _take_before(words)
            settings += [route[0] for word in before if (route := _ROUTE.match(word))]
            settings += _variable_set_by(before)
            if words:
                ignored = [*settings, *["the text after the command"] * has_more]
                yield from _downloads(line, words, replaced, ignored, options.folder)
                has_any = True
            line = lines.number
    except ValueError as error:
        yield Candidate(line, "command", problem=str(error), form="command")
        return
    if not has_any:
        problem = "no curl, wget or aria2c command found"
        yield Candidate(first, "command", problem=problem, form="command")


def _variable_set_by(words: list[str]) -> list[str]:
    """Return the name of the variable that `setenv` of csh, or `set` of fish, sets."""
    if not words or words[0] not in ("set", "setenv"):
        return []
    names = [word for word in words[1:] if not word.startswith("-")]
    return names[:1] if len(names) > 1 and _NAME.fullmatch(names[0]) else []


def _is_command(text: str, at: int = 0) -> bool:
    match = _COMMAND.match(text, at)
    return match is not None and not _is_prose(match)


def _is_prose(start: re.Match[str]) -> bool:
    """Check whether the words after the name of a program are prose.

    Without options, a command takes only URLs and hosts. A single word may be a host.
    """
    text, end = start.string, start.end()
    begin = _BEFORE.match(text, start.start())
    if begin is None or not _IS_PROGRAM.fullmatch(text, begin.end(), end):
        return False  # `sudo` or a variable
    operands = _OPERANDS.match(text, end)
    words = without_strings(operands[0] if operands else "", "\"'").split()
    has_word = len(words) > 1 and any(map(_WORD.fullmatch, words))
    return has_word and not any(map(_OF_COMMAND.match, words))


def _visible(text: str) -> str:
    """Return text without invisible characters, which pages and letters add within words."""
    return text if text.isascii() else text.translate(_INVISIBLE)


def _take_before(words: list[str]) -> list[str]:
    """Take the words before the name of the program; all if there is none."""
    programs = (at for at, word in enumerate(words) if _IS_PROGRAM.fullmatch(word))
    end = next(programs, len(words))
    before = words[:end]
    del words[:end]
    return before


def _downloads(
    line: int,
    words: list[str],
    replaced: frozenset[str],
    ignored: list[str],
    folder: Path | None,
) -> Iterator[Candidate]:
    program = _IS_PROGRAM.fullmatch(words[0])
    assert program is not None
    name = program["program"].lower()
    if name == "aria2c":
        for candidate in aria2c.downloads(line, words[1:], ignored, folder):
            problem = candidate.problem or problem_of_replaced(words[1:], replaced)
            yield candidate._replace(problem=problem)
        return
    for request in (curl if name == "curl" else wget).requests(words[1:]):
        request.ignored += ignored
        request.replaced = replaced
        yield from request.downloads(line)
