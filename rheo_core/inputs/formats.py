"""Detect the format of a text, and choose its reader."""

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import NamedTuple

from . import plain_text, url_list
from .reader_api import MAX_LINE_LENGTH, Candidate, InputError, Lines, ReadOptions

_MARKUP = re.compile(r"<[!?A-Za-z](?!ttps?://)")
_ELEMENT = re.compile(r"<(?:[\w.-]+:)?([A-Za-z][\w.-]*)")
_COMMENT = re.compile(r"<!--.*?(?:-->|$)", re.DOTALL)
_MARK = re.compile(r"@EXPLICIT|`{3,}\w*|[-=_*~]{3,}")
"""Line before the URLs of a conda list, and fences and rules of Markdown."""
_MAX_HEAD_LENGTH = 4096
"""Characters searched for the first element of a document."""

Reader = Callable[[Lines, ReadOptions], Iterator[Candidate]]


class Format(NamedTuple):
    """A format.

    Attributes:
        sniff: recognises its first line, stripped of white space.
        read: reads lines from this one on, gives back the first line of another format, and raises
            only InputError.
    """

    sniff: Callable[[str], bool]
    read: Reader


def read_markup(lines: Lines, options: ReadOptions) -> Iterator[Candidate]:
    """Read a Metalink, a feed, a .webloc or a web page, depending on the first element."""
    from . import feed, metalink, shortcut, web_page  # rarely needed, and slow to import

    taken: list[str] = []
    head = ""
    for line in lines:
        taken.append(line)
        head += line
        if len(head) > _MAX_HEAD_LENGTH or _ELEMENT.search(_COMMENT.sub("", head)):
            break
    lines.give_back(*taken)
    element = _ELEMENT.search(_COMMENT.sub("", head))
    root = element[1].lower() if element else ""
    reader = web_page.read
    if root == "metalink":
        reader = metalink.read
    elif root in feed.ROOTS:
        reader = feed.read
    elif root == shortcut.WEBLOC_ROOT:
        reader = shortcut.read_webloc
    yield from reader(lines, options)


@cache
def _later_formats() -> tuple[Format, ...]:
    """Return formats that may follow each other in a text, in the order in which they are tried.

    Lists of URLs are tried before them. Their readers are imported at the first line that is not a
    URL.
    """
    from . import (
        checksum_list,
        code_snippets,
        commands,
        curl_config,
        ef2,
        json_lines,
        shortcut,
        table,
    )

    return (
        Format(code_snippets.sniff_powershell, code_snippets.read),
        Format(commands.sniff, commands.read),
        Format(commands.sniff_prose, plain_text.read_line),
        Format(curl_config.sniff, curl_config.read),
        Format(ef2.sniff, ef2.read),
        Format(shortcut.sniff, shortcut.read),
        Format(json_lines.sniff, json_lines.read),
        Format(table.sniff, table.read),
        Format(checksum_list.sniff, checksum_list.read),
        Format(code_snippets.sniff, code_snippets.read),
    )


def read_candidates(lines: Lines, options: ReadOptions) -> Iterator[Candidate]:
    """Yield the candidates of a text.

    In prose, which begins with a line of words, this counts lines without a URL. In a list, each of
    them is a mistake.

    Raises:
        InputError: the rest cannot be read.
    """
    is_first, is_prose, has_any = True, False, False
    no_config_until = 0
    without_url = 0
    first_without: tuple[int, str] | None = None
    for line in lines:
        text = line.strip()
        if not text or text[0] == "#" or _MARK.fullmatch(text):
            continue
        lines.give_back(line)
        reader = _reader(text, is_first=is_first)
        if reader is plain_text.read_line and lines.number >= no_config_until:
            from . import curl_config

            if curl_config.may_begin(text):
                no_config_until = curl_config.end_without_url(lines)
                reader = reader if no_config_until else curl_config.read
        if is_first and reader is plain_text.read_line:
            is_prose = plain_text.sniff(text)
        if is_prose and reader is url_list.read and (refused := _refused(text)):
            reader = refused  # `URL --option`, which lists refuse too
        if is_prose and reader in (url_list.read, plain_text.read_line):
            reader = plain_text.read_line
            if not plain_text.names_url(text) and not plain_text.is_relative(text, options):
                next(lines)
                without_url += 1
                first_without = first_without or (lines.number, text)
                is_first = False
                continue
        yield from reader(lines, options)
        is_first, has_any = False, True
    if first_without is not None:
        yield plain_text.left_out(*first_without, without_url, is_all=not has_any)
    if lines.overlong:
        problem = f"a line may have at most {MAX_LINE_LENGTH:,} characters; the rest is ignored"
        raise InputError(lines.overlong, problem)


def _reader(text: str, *, is_first: bool) -> Reader:
    if is_first and _MARKUP.match(text):
        return read_markup
    if url_list.sniff(text):
        return url_list.read
    return next((form.read for form in _later_formats() if form.sniff(text)), plain_text.read_line)


def _refused(text: str) -> Reader | None:
    """Return the reader that refuses a whole line; None for other lines."""
    from . import code_snippets

    return code_snippets.read if code_snippets.sniff(text) else None
