"""Commands of curl, wget and aria2c, copied from browsers or written by people."""

import re
from collections.abc import Iterator
from pathlib import Path

from . import aria2c, curl, wget
from .command_request import problem_of_replaced
from .reader_api import Candidate, Lines, ReadOptions
from .shell_words import read_commands

_PROGRAM = r"(?:(?:[A-Za-z]:)?[^\s:'\"]*[/\\])?(?P<program>curl|wget2?|aria2c)(?:\.exe)?(?=\s|$)"
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
    r"(?:(?:cd|pushd|popd|mkdir|export|set|source|umask|sleep)\b[^;&|\n]{0,500}+(?:&&|;)\s*)"
)
_WRAPPER = (  # atomic groups, because `*+` of a group that backtracks fails before Python 3.11.5
    r"(?:(?:(?:sudo|doas)(?>(?:\s+(?:-[ugpCT]\s+\S+|-\S+))*)|env(?>(?:\s+-\S+)*)|time(?>(?:\s+-\S+)*)"
    r"|nohup|exec|command|builtin|setsid|winpty|nice(?:\s+-n?\s*\d+)?|ionice(?>(?:\s+-\S+)*)"
    r"|timeout(?>(?:\s+-\S+)*)\s+[\d.]+\w?|torsocks|torify|proxychains4?(?:\s+-q)?|RUN|&"
    r"|[A-Za-z_]\w*=(?:\"[^\"\n]*\"|'[^'\n]*'|\S*))\s+)"
)
_COMMAND = re.compile(rf"(?:{_PROMPT})?(?>(?:{_OTHER_COMMANDS}|{_WRAPPER})*){_PROGRAM}")
_BEFORE = re.compile(rf"(?:{_PROMPT})?(?>{_OTHER_COMMANDS}*)")
_ROUTE = re.compile(r"\w*_proxy(?==)|(?:torsocks|torify|proxychains4?)$", re.IGNORECASE)
_IS_PROGRAM = re.compile(_PROGRAM)


def sniff(text: str) -> bool:
    """Check whether a line is a command: behind a prompt, `sudo` and the like, or `cd …;`."""
    return _COMMAND.match(text) is not None


def read(lines: Lines, options: ReadOptions) -> Iterator[Candidate]:
    """Yield the downloads of the commands of a line."""
    line = lines.number + 1
    lines.give_back(_BEFORE.sub("", next(lines).lstrip(), count=1))
    try:
        for words, has_more, replaced in read_commands(
            lines, lambda text, at: bool(_COMMAND.match(text, at))
        ):
            ignored = ["the text after the command"] * has_more
            yield from _downloads(line, words, replaced, ignored, options.folder)
            line = lines.number
    except ValueError as error:
        yield Candidate(line, "command", problem=str(error), form="command")


def _downloads(
    line: int,
    words: list[str],
    replaced: frozenset[str],
    ignored: list[str],
    folder: Path | None,
) -> Iterator[Candidate]:
    before: list[str] = []
    while words and (program := _IS_PROGRAM.fullmatch(words[0])) is None:
        before.append(words.pop(0))
    ignored = [route[0] for word in before if (route := _ROUTE.match(word))] + ignored
    name = program["program"] if words and program else ""
    if name == "aria2c":
        for candidate in aria2c.downloads(line, words[1:], ignored, folder):
            problem = candidate.problem or problem_of_replaced(words[1:], replaced)
            yield candidate._replace(problem=problem)
        return
    for request in (curl if name == "curl" else wget).requests(words[1:]):
        request.ignored += ignored
        request.replaced = replaced
        yield from request.downloads(line)
