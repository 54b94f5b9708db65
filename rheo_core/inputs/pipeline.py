"""Pipeline from bytes to entries: decode, read, expand patterns, check, find duplicates."""

import asyncio
import codecs
import errno
import logging
import os
import re
import time
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from io import BufferedReader, StringIO, TextIOWrapper
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import TextIO

from rheo_core.domain.file_config import FileConfig
from rheo_core.domain.file_exists import FileExistsStrategy
from rheo_core.domain.filenames import filename_from_url
from rheo_core.domain.hash_validation import HashAlgorithm, HashConfig
from rheo_core.domain.redaction import has_login
from rheo_core.domain.rules import folder_for
from rheo_core.domain.schedule import start_text
from rheo_core.domain.text import at_most, printable, redact, redact_unreadable, shorten
from rheo_core.domain.units import count_text
from rheo_core.domain.untrusted import Admitted, Untrusted, admit
from rheo_core.user_files import open_regular

from .entries import Entry, Verdict
from .formats import read_candidates
from .patterns import Budget, expand, may_be_pattern
from .reader_api import (
    MAX_LINE_LENGTH,
    SUBSTITUTE,
    WRONG_ENCODING,
    Candidate,
    InputError,
    Lines,
    ReadOptions,
    problem_of,
    with_next_hashes,
)

_BYTE_ORDER_MARKS = {  # UTF-32 first, because its mark begins like that of UTF-16
    codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16",
}  # fmt: skip
_XML_ENCODING = re.compile(
    rb"""<\?xml[^>]*?\sencoding\s*=\s*["'](iso-8859-\d+|windows-125\d)["']""", re.IGNORECASE
)
_PAGE_CODEC = re.compile(
    r"utf-8|ascii|cp(125\d|866|874|949)|iso8859-\d+|koi8-[ru]|mac-(roman|cyrillic)"
    r"|gb(k|2312|18030)|big5|euc_(jp|kr)|shift_jis|iso2022_jp"
)
"""Codecs for encodings that browsers support and that keep ASCII (WHATWG Encoding, 4.2). Other
Python codecs, such as `idna` and `unicode_escape`, change the text or fail."""
_LABELS = {"iso8859-1": "windows-1252", "ascii": "windows-1252"}
"""Encodings that browsers treat as another one (WHATWG Encoding, 4.2 Names and labels)."""
_PAGE = re.compile(rb"\s*<(?![?]xml|metalink)[!?A-Za-z]", re.IGNORECASE)
_PAGE_ENCODING = re.compile(rb"""<meta\s[^>]{0,200}?charset\s*=\s*["']?([\w.:-]+)""", re.IGNORECASE)
_BUGS = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""Errors that no text should cause. A single entry must not stop the whole app."""
_MAX_SHOWN_LENGTH = 500
_ADDRESS = re.compile(r"\w+:/")
_WORD = re.compile(r"\S+")
_MAX_REDACTED_LENGTH = 64 << 10  # characters; a longer text is not a URL
_LITERAL_PATTERN = "possible pattern, taken literally"
_PLACEHOLDERS = "the name uses #1 for a pattern in the URL; expand patterns"
_PLACEHOLDER = re.compile(r"#(\d)")
_MAX_IGNORED = 10
_log = logging.getLogger(__name__)
_MAX_DIGEST_START = 32
_BATCH_SIZE = 1000  # entries read in one call to a thread


def read_entries(
    lines: Iterable[str],
    known: Container[str] = (),
    options: ReadOptions = ReadOptions(),
    earlier: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Entry]:
    """Yield an entry for each requested download while the lines arrive.

    Recognise the formats of docs/INPUTS.md by their content. Skip blank lines, lines that begin
    with `#`, and a byte order mark. This never raises because of the text.

    Args:
        lines: The lines, with or without their line ends.
        known: Ids of downloads that exist already.
        options: How to read the text.
        earlier: Ids in other texts that are read together with this one, with their checksums as
            `note_checksum` returns them.
    """
    return _Reader(known, options, earlier).read(Lines(with_next_hashes(lines)))


def recheck_entries(
    entries: Iterable[Entry], known: Container[str] = (), options: ReadOptions = ReadOptions()
) -> Iterator[Entry]:
    """Yield entries of one text, some of whose configs the user has changed, with new verdicts.

    Args:
        entries: All entries of the text, in their order.
        known: Ids of downloads that exist already.
        options: The options with which the text was read.
    """
    reader = _Reader(known, options)
    return map(reader.rechecked, entries)


async def read_entries_file(
    path: Path, known: Container[str] = (), options: ReadOptions = ReadOptions()
) -> list[Entry]:
    """Return the entries of a file without blocking the event loop (decision 0028).

    Args:
        path: A file in UTF-8, or in UTF-16 or UTF-32 with its byte order mark. Other bytes are
            replaced.
        known: Ids of downloads that exist already.
        options: How to read the text.

    Raises:
        OSError: the file cannot be read, or is not a regular file.
    """
    return await collect_entries(_entries_of(path, known, options))


async def collect_entries(coming: Iterable[Entry]) -> list[Entry]:
    """Return all entries. The event loop keeps running, even if a long text has none."""
    reading = iter(coming)
    entries: list[Entry] = []
    while batch := await asyncio.to_thread(list, islice(reading, _BATCH_SIZE)):
        entries += batch
    return entries


def decoded(file: BufferedReader) -> TextIO:
    """Return an open file as text: UTF-8, unless a mark or a declaration at its beginning differs.

    Wait for the first bytes. In a web page, bytes that are not UTF-8 count as windows-1252, as in
    browsers. In other texts they are replaced, and their lines are invalid.

    Raises:
        OSError: it cannot be read, or begins with binary data.
    """
    from . import shortcut

    head = file.peek(len(codecs.BOM_UTF32_LE))
    if head.startswith(shortcut.BINARY_MARK):
        return StringIO(shortcut.webloc_as_xml(file))
    marked = (encoding for mark, encoding in _BYTE_ORDER_MARKS.items() if head.startswith(mark))
    encoding = next(marked, "")
    if not encoding and b"\0" in head:
        raise OSError(errno.EILSEQ, "it is binary data, not text")
    is_page = _PAGE.match(head) is not None
    declared = _PAGE_ENCODING.search(head) if is_page else _XML_ENCODING.match(head)
    if not encoding and declared:
        with suppress(LookupError, ValueError):  # it is unknown
            name = codecs.lookup(declared[1].decode()).name
            encoding = name if _PAGE_CODEC.fullmatch(name) else ""
    encoding = _LABELS.get(encoding, encoding or "utf-8")
    errors = "windows-1252" if is_page and encoding == "utf-8" else "replace"
    codecs.register_error("windows-1252", _decode_as_windows_1252)
    return TextIOWrapper(file, encoding=encoding, errors=errors)


def _decode_as_windows_1252(error: UnicodeError) -> tuple[str, int]:
    """Decode bytes that are not UTF-8, as browsers do in pages without a declaration."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    wrong = error.object[error.start : error.end]
    return wrong.decode("windows-1252", "replace"), error.end


def bounded_lines(file: TextIO) -> Iterator[str]:
    """Yield the lines of an open file; cut a line that is too long, and drop its rest."""
    while line := file.readline(MAX_LINE_LENGTH + 1):
        yield line
        while len(line) > MAX_LINE_LENGTH and not line.endswith("\n"):
            line = file.readline(MAX_LINE_LENGTH + 1)


def _entries_of(path: Path, known: Container[str], options: ReadOptions) -> Iterator[Entry]:
    with open_regular(path) as file, decoded(file) as text:
        yield from read_entries(bounded_lines(text), known, options)


class _Reader:
    """State of one pipeline: earlier entries, and the budget for patterns."""

    def __init__(
        self,
        known: Container[str],
        options: ReadOptions,
        earlier: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._known = known
        self._earlier = earlier
        self._options = options
        # Line numbers by a hash of the identity of a download, so that the URLs of a long list are
        # not kept. Two of a million share a 64-bit hash once in thirty million lists.
        self._first_line: dict[int, int] = {}
        self._checksums: dict[int, str] = {}  # starts, by the same hashes
        self._budget = Budget()

    def read(self, lines: Lines) -> Iterator[Entry]:
        try:
            for candidate in read_candidates(lines, self._options):
                if candidate.may_be_pattern and may_be_pattern(candidate.outside.url):
                    yield from self._expand(candidate)
                elif candidate.is_copy and not self._has_room(candidate):
                    yield from self._report_overflow(candidate)
                else:
                    yield self._checked(candidate)
        except InputError as error:
            problem = printable(str(error))
            yield Entry(error.line, "", Verdict.INVALID, problem=problem, wants=error.wants)
        except _BUGS as error:
            _log.exception("reading a list ended with a bug")
            problem = f"cannot be read: a bug in rheo ({type(error).__name__}); please report it"
            yield Entry(lines.number, "", Verdict.INVALID, problem=problem)

    def _expand(self, candidate: Candidate) -> Iterator[Entry]:
        expanded, problem = None, candidate.problem
        if not problem:
            try:
                expanded = expand(candidate.outside.url)
            except ValueError as error:
                problem = str(error)
        if self._options.patterns:
            candidate = candidate._replace(problem=problem)
        elif expanded is not None or problem != candidate.problem:
            if candidate.has_placeholders:
                candidate = candidate._replace(problem=_PLACEHOLDERS)
            candidate, expanded = candidate._replace(wants="patterns"), None
        if expanded is None:
            yield self._checked(candidate)
            return
        count, urls = expanded
        if not self._has_room(candidate, count):
            yield from self._report_overflow(candidate)
            return
        form = f"pattern: {count_text(count, 'file')}"
        candidate = candidate._replace(form=f"{candidate.form}, {form}" if candidate.form else form)
        for url, values in urls:
            outside = candidate.outside._replace(url=url)
            if candidate.has_placeholders:
                outside = _with_values(outside, values)
            yield self._checked(candidate._replace(text=url, outside=outside))

    def _has_room(self, candidate: Candidate, count: int = 0) -> bool:
        """Charge the budget for a pattern of `count` URLs, or for one more URL of a command (0)."""
        budget = self._budget
        return not budget.is_over and budget.take(count, max(count, 1) * _length(candidate))

    def _report_overflow(self, candidate: Candidate) -> Iterator[Entry]:
        if problem := self._budget.take_problem():
            yield self._checked(candidate._replace(problem=problem))

    def _checked(self, candidate: Candidate) -> Entry:
        text = candidate.text
        admitted, verdict = None, Verdict.NO_URL if candidate.is_left_out else Verdict.INVALID
        problem, existing = candidate.problem, ""
        if not problem and (SUBSTITUTE in text or _is_damaged(candidate.outside)):
            problem = WRONG_ENCODING
        if not problem:
            try:
                admitted = self._admit(candidate)
            except ValueError as error:
                problem = problem_of(error)
            else:
                verdict, problem, existing = self._verdict_on(admitted.config, candidate.line)
                admitted = None if verdict is Verdict.INVALID else admitted
        return Entry(
            candidate.line,
            _shown(text, is_valid=admitted is not None),
            verdict,
            admitted and admitted.config,
            printable(problem),
            candidate.form,
            _note(candidate, admitted),
            candidate.wants,
            admitted.refused if admitted else "",
            admitted.used if admitted else "",
            existing,
        )

    def rechecked(self, entry: Entry) -> Entry:
        if entry.config is None:
            return entry
        verdict, problem, existing = self._verdict_on(entry.config, entry.line)
        return entry._replace(verdict=verdict, problem=printable(problem), existing=existing)

    def _admit(self, candidate: Candidate) -> Admitted:
        options, outside = self._options, candidate.outside
        if options.subfolder and not outside.destination_subdir:
            outside = outside._replace(destination_subdir=options.subfolder)
        admitted = admit(
            outside,
            options.exists,
            max_timeout=options.timeout,
            list_options=options.list_options,
        )
        if options.download_dir is None:
            return admitted
        config = admitted.config.model_copy(update={"download_dir": options.download_dir})
        return admitted._replace(config=config)

    def _verdict_on(self, config: FileConfig, line: int) -> tuple[Verdict, str, str]:
        """Return the verdict, the problem of the entry, and the path of an existing file."""
        checksum = config.hash_config
        if self._known and config.id in self._known:
            unused = f"; this {checksum.algorithm} hash is not used" if checksum else ""
            return Verdict.DUPLICATE, f"already in the list{unused}", ""
        if self._earlier and (other := self._earlier.get(config.id)) is not None:
            verdict, difference = _repeated(checksum, other)
            return verdict, f"already in the list{difference}", ""
        # Computing the id would cost more than everything else here.
        identity = hash(_identity(config))
        if (first := self._first_line.get(identity)) is not None:
            verdict, difference = _repeated(checksum, self._checksums.get(identity, ""))
            return verdict, f"already in the list, line {first}{difference}", ""
        self._first_line[identity] = line
        if checksum is not None:
            self._checksums[identity] = note_checksum(checksum)
        folder = self._options.folder if self._options.finds_files else None
        strategy = config.file_exists_strategy or self._options.exists or FileExistsStrategy.SKIP
        # With a size or a checksum, the download compares the file, so that a wrong one does not
        # pass.
        is_compared = strategy is FileExistsStrategy.SKIP and (
            config.hash_config or config.pieces or config.sidecar or config.size_bytes is not None
        )
        if folder is not None and strategy.keeps_existing and not is_compared:
            name = config.get_destination_filename()
            if rules := self._options.rules:
                path = str(folder_for(config, folder, rules, name, config.type) / name)
            else:  # without `Path`, which would double the time of a long list
                subdir = config.destination_subdir
                path = f"{config.download_dir or folder}/{f'{subdir}/' if subdir else ''}{name}"
            if os.path.isfile(path):
                return Verdict.ON_DISK, f"already on disk: {name}", path
        return Verdict.OK, "", ""


def note_checksum(checksum: HashConfig | None) -> str:
    """Return enough of a checksum to distinguish it from others, to save memory in a long list."""
    if checksum is None:
        return ""
    return f"{checksum.algorithm}:{checksum.expected_hash[:_MAX_DIGEST_START]}"


def _repeated(checksum: HashConfig | None, first: str) -> tuple[Verdict, str]:
    """Return the verdict on a repeated entry, and how its checksum differs from the first one.

    The first entry may be running already, so the checksum cannot be added to it.
    """
    if checksum is None or (start := note_checksum(checksum)) == first:
        return Verdict.DUPLICATE, ""
    algorithm = first.partition(":")[0]
    if algorithm and checksum.algorithm.is_weaker_than(HashAlgorithm(algorithm)):
        return Verdict.DUPLICATE, f"; its {checksum.algorithm} hash is not used"
    shown = f"{start}…"
    return Verdict.INVALID, f", with {f'{first}…' if first else 'no checksum'} instead of {shown}"


def _is_damaged(outside: Untrusted) -> bool:
    """Return True if a request has a substitute for bytes: two names could become one."""
    parts = (outside.filename, outside.destination_subdir, outside.headers, outside.wishes)
    return SUBSTITUTE in outside.url or (
        any(parts) and any(SUBSTITUTE in str(part) for part in parts)
    )


def _with_values(outside: Untrusted, values: Sequence[str]) -> Untrusted:
    """Replace `#1` in the destination by the first value of the pattern, and so on."""

    def fill(text: str | None) -> str | None:
        return text and _PLACEHOLDER.sub(
            lambda match: (
                values[int(match[1]) - 1] if 0 < int(match[1]) <= len(values) else match[0]
            ),
            text,
        )

    return outside._replace(
        filename=fill(outside.filename), destination_subdir=fill(outside.destination_subdir)
    )


def _shown(text: str, *, is_valid: bool) -> str:
    text = text[:_MAX_REDACTED_LENGTH]
    text = text if is_valid else _without_logins(text)
    text = redact(text)  # before shortening, because half a login looks like a host
    return printable(shorten(text, _MAX_SHOWN_LENGTH))


def _without_logins(text: str) -> str:
    """Hide the logins in an invalid line, whether it is one URL or has words that look like one."""
    if "@" not in text:
        return text
    if _ADDRESS.match(text):  # its login may contain white space
        return redact_unreadable(text)
    return _WORD.sub(
        lambda word: redact_unreadable(word[0]) if has_login(word[0]) else word[0], text
    )


def _note(candidate: Candidate, admitted: Admitted | None) -> str:
    """Return a note on ignored options of the entry, or on its start time."""
    ignored = admitted.ignored if admitted else ()
    start = admitted.config.start_at if admitted else None
    if not (candidate.ignored or ignored or candidate.wants or start):  # the usual case
        return ""
    names = list(dict.fromkeys((*candidate.ignored, *ignored)))
    notes = [f"ignored: {at_most(names, ', ', _MAX_IGNORED)}"] if names else []
    notes += [_LITERAL_PATTERN] if candidate.wants == "patterns" else []
    if start and start > (now := time.time()):
        notes.append(f"waits until {start_text(start, datetime.fromtimestamp(now))}")
    return printable(redact("; ".join(notes)))


def _length(candidate: Candidate) -> int:
    """Return the number of characters to store or examine for each URL of a pattern or command."""
    outside = candidate.outside
    headers, wishes = outside.headers or (), (outside.wishes or {}).values()
    return (
        len(outside.url)
        + len(outside.destination_subdir or "")
        + sum(len(name) + len(value) for name, value in headers)
        + sum(len(wish) for wish in wishes if isinstance(wish, str))
        + sum(map(len, candidate.ignored))
    )


def _identity(config: FileConfig) -> str:
    """Return a text that is as unique as the id, but cheap if there is only a URL."""
    folder, name = config.destination_subdir, config.filename
    url = config.url.partition("#")[0]
    if config.download_dir is not None:
        folder = f"{config.download_dir}/{folder or ''}"
    if folder is None and (name is None or name == filename_from_url(config.url)):
        return url
    return f"{url} {folder or ''} {name or ''}"
