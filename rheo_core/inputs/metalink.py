"""Metalink 4 (RFC 5854) and Metalink 3: files with mirrors, sizes, hashes and piece hashes."""

from collections.abc import Iterator
from itertools import islice
from typing import Any
from xml.etree.ElementTree import ParseError
from xml.parsers.expat import errors

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from rheo_core.domain.file_config import MAX_MIRRORS
from rheo_core.domain.hash_algorithms import STRONGEST_FIRST
from rheo_core.domain.hash_validation import HashAlgorithm, HashConfig, PieceHashes
from rheo_core.domain.text import printable, redact_url
from rheo_core.domain.untrusted import MAX_CHECKED_URLS, Untrusted
from rheo_core.domain.urls import usable_urls

from .reader_api import (
    MAX_DOCUMENT_LENGTH,
    Candidate,
    InputError,
    Lines,
    ReadOptions,
    destination_fields,
    problem_of,
)

_CUT_SHORT = (  # errors of expat for a text that ends too early
    errors.codes[errors.XML_ERROR_NO_ELEMENTS],
    errors.codes[errors.XML_ERROR_UNCLOSED_TOKEN],
)
# Places of elements in Metalink 4 (RFC 5854 4.1) and in Metalink 3. In other places they have other
# meanings: the hash of a signature is not that of the file.
_FILES = {("file",), ("files", "file")}  # within the root element
_HASHES = {("hash",), ("verification", "hash")}  # this and the following ones: within the file
_PIECES = {("pieces",), ("verification", "pieces")}
_URLS = {("url",), ("resources", "url")}
_TORRENT = "bittorrent"
"""Type of a URL in Metalink 3 that leads to a torrent, not to the file itself."""
_CHUNK = 64 << 10  # characters
_MAX_DEPTH = 100
"""Maximum nesting of elements; the formats need 5. The time grows with its square."""
_MAX_DIGITS = 18
"""Maximum digits of a size. A longer one is cut, but still refused as impossible."""
_LOWEST_RANK = 1_000_000  # after all priorities that RFC 5854 4.2.15 allows


def read(lines: Lines, options: ReadOptions) -> Iterator[Candidate]:
    """Yield the files of a Metalink, which is the rest of the text.

    Raises:
        InputError: it is not well-formed XML, has a DTD, is too large, or names no file.
    """
    files = _Files(lines.number)
    parser = DefusedXMLParser(target=files, forbid_dtd=True)
    files.parser = parser
    count = 0
    is_read = False
    try:
        for chunk in _chunks(lines):
            parser.feed(chunk)
            count += len(files.done)
            yield from files.take()
        is_read = True
        parser.close()
        count += len(files.done)
        yield from files.take()
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise InputError(lines.number if is_read else files.line, _explain(error)) from None
    if not count:
        raise InputError(files.first, "the Metalink contains no file")


def _chunks(lines: Lines) -> Iterator[str]:
    """Yield the text in large parts, because expat 2.5 examines the whole open element for each.

    Raises:
        ValueError: it is too long.
    """
    waiting: list[str] = []
    size = before = 0
    for line in lines:
        waiting.append(line if line.endswith("\n") else f"{line}\n")
        size += len(line)
        if size > MAX_DOCUMENT_LENGTH:
            raise ValueError(f"a Metalink may have at most {MAX_DOCUMENT_LENGTH:,} characters")
        if size - before >= _CHUNK:
            yield "".join(waiting)
            waiting, before = [], size
    yield "".join(waiting)


def _explain(error: Exception) -> str:
    if isinstance(error, DefusedXmlException):
        return "the Metalink has a document type or entities, which are not allowed"
    if isinstance(error, UnicodeError):
        return "the Metalink contains characters that are not valid Unicode"
    if isinstance(error, ParseError) and error.code in _CUT_SHORT:
        return "the Metalink is incomplete: it ends inside an element"
    if isinstance(error, ParseError):
        return f"the Metalink is not well-formed XML: {printable(str(error).partition(':')[0])}"
    return problem_of(error) if isinstance(error, ValueError) else str(error)


class _Element:
    """An open element with the text directly in it."""

    def __init__(self, name: str, attributes: dict[str, str]) -> None:
        self.name = name  # "" in another namespace, so that nothing inside is recognised
        self.attributes = attributes
        self.text: list[str] = []


class _Pieces:
    """Content of a `<pieces>` element (RFC 5854 4.1.3)."""

    def __init__(self, attributes: dict[str, str]) -> None:
        self.type = attributes.get("type", "").strip()
        self.length = attributes.get("length", "")
        self.hashes: list[tuple[str, str]] = []  # number in Metalink 3, or ""; hash


class _File:
    """Content of a `<file>` element."""

    def __init__(self, line: int, name: str) -> None:
        self.line = line
        self.name = name
        self.sizes: list[str] = []
        self.hashes: list[tuple[str, str]] = []  # type and digest
        self.pieces: list[_Pieces] = []
        self.urls: list[tuple[int, str]] = []  # rank (the smallest goes first) and URL


class _Files:
    """Target of the XML parser that collects files; `done` contains the complete ones."""

    def __init__(self, before: int) -> None:
        self.parser: Any = None
        self.done: list[Candidate] = []
        self.first = before + 1
        self._before = before
        self._open: list[_Element] = []
        self._namespace = ""
        self._file: _File | None = None
        self._depth = 0  # of the file element

    @property
    def line(self) -> int:
        """Number of the current line."""
        return self._before + int(self.parser.parser.CurrentLineNumber)

    def take(self) -> list[Candidate]:
        """Return the complete files and forget them."""
        done, self.done = self.done, []
        return done

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Handle the start of an element."""
        namespace, _, name = tag.rpartition("}")
        if len(self._open) == _MAX_DEPTH:
            raise ValueError("the Metalink is nested too deeply")
        if not self._open:
            self._namespace = namespace
        self._open.append(_Element(name if namespace == self._namespace else "", attributes))
        if self._file is None:
            if self._below(1) in _FILES:
                self._file = _File(self.line, attributes.get("name", ""))
                self._depth = len(self._open)
        elif self._below(self._depth) in _PIECES:
            self._file.pieces.append(_Pieces(attributes))

    def _below(self, depth: int) -> tuple[str, ...]:
        """Return the names of the open elements below the first `depth`."""
        return tuple(element.name for element in self._open[depth:])

    def data(self, text: str) -> None:
        """Handle characters of the innermost open element."""
        self._open[-1].text.append(text)

    def end(self, tag: str) -> None:
        """Handle the end of an element. Ignore elements in unexpected places."""
        place, element = self._below(self._depth), self._open.pop()
        if (file := self._file) is None:
            return
        text, attributes = "".join(element.text).strip(), element.attributes
        if not place:
            self._file = None
            self.done.append(_candidate(file))
        elif place == ("size",):
            file.sizes.append(text)
        elif place in _HASHES:
            file.hashes.append((attributes.get("type", "").strip(), text))
        elif place[:-1] in _PIECES and place[-1] == "hash":
            file.pieces[-1].hashes.append((attributes.get("piece", ""), text))
        elif place in _URLS and attributes.get("type", "").strip().lower() != _TORRENT:
            file.urls.append((_rank(attributes), text))

    def close(self) -> None:
        """Handle the end of the document."""


def _algorithm(kind: str) -> HashAlgorithm | None:
    """Return the algorithm for the `type` of a hash, such as `sha-256`; None if it is unknown."""
    name = kind.lower().replace("-", "")
    return HashAlgorithm(name) if name in frozenset(HashAlgorithm) else None


def _rank(attributes: dict[str, str]) -> int:
    """Return the rank of a URL: in Metalink 4 a low priority, in Metalink 3 a high preference."""
    for name, sign in (("priority", 1), ("preference", -1)):
        value = attributes.get(name, "")
        if value.isascii() and value.isdigit() and len(value) <= 6:
            return sign * int(value)
    return _LOWEST_RANK


def _candidate(file: _File) -> Candidate:
    form, text = "Metalink", printable(file.name[:200])
    urls = [url for _, url in sorted(file.urls, key=lambda ranked: ranked[0])]
    usable = usable_urls(islice(urls, MAX_CHECKED_URLS), MAX_MIRRORS + 1)
    try:
        if not usable:
            raise ValueError(f"{text!r} has no http or https URL in the Metalink")
        fields: dict[str, Any] = destination_fields(file.name, "name")
        if sizes := {_number(size, "size") for size in file.sizes if size}:
            if len(sizes) > 1:
                shown = " and ".join(format(size, ",") for size in sorted(sizes)[:2])
                raise ValueError(f"the file has two different sizes: {shown}")
            fields["size_bytes"] = sizes.pop()
        fields["hash_config"] = _hashes(file.hashes)
        fields["pieces"] = _pieces(file.pieces)
    except ValueError as error:
        return Candidate(file.line, text, problem=problem_of(error), form=form)
    if len(usable) > 1:
        form = f"Metalink, {len(usable)} mirrors"
    urls.pop(next(at for at, url in enumerate(urls) if usable_urls([url], 1)))
    outside = Untrusted(usable[0], mirrors=urls, **fields)
    text = f"{text}  {redact_url(usable[0])}"
    return Candidate(file.line, text, outside, form=form, ignored=_unused_hashes(file))


def _unused_hashes(file: _File) -> list[str]:
    """Return notes on unused hashes: with an unknown type, or without a value.

    RFC 5854 requires the type.
    """
    hashes = [("hash", kind, bool(digest)) for kind, digest in file.hashes]
    pieces = [("pieces", each.type, bool(each.hashes)) for each in file.pieces]
    return [
        f"{name} of type {printable(kind[:40])!r}{'' if has_value else ' without a value'}"
        if kind
        else f"{name} without a type"
        for name, kind, has_value in hashes + pieces
        if not has_value or _algorithm(kind) is None
    ]


def _number(text: str, what: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"{what} {printable(text[:40])!r} is not a number of bytes")
    return int(text) if len(text) <= _MAX_DIGITS else 10**_MAX_DIGITS


def _hashes(hashes: list[tuple[str, str]]) -> list[HashConfig]:
    """Return the hashes of known types."""
    return [
        HashConfig(algorithm=algorithm, expected_hash=digest)
        for kind, digest in hashes
        if digest and (algorithm := _algorithm(kind)) is not None
    ]


def _pieces(elements: list[_Pieces]) -> PieceHashes | None:
    """Return the piece hashes of the strongest known algorithm. SHA-1 suffices to find damage.

    Raises:
        ValueError: there are several of this algorithm, or their values are not valid.
    """
    for algorithm in STRONGEST_FIRST:
        own = [each for each in elements if each.hashes and _algorithm(each.type) is algorithm]
        if len(own) > 1:
            raise ValueError(f"the file has {len(own):,} lists of {algorithm} piece hashes")
        for pieces in own:
            length = _number(pieces.length, "length of a piece")
            hashes = _in_order(pieces.hashes)
            return PieceHashes(algorithm=algorithm, length=length, hashes=hashes)
    return None


def _in_order(hashes: list[tuple[str, str]]) -> tuple[str, ...]:
    """Return the digests in order. Metalink 3 numbers them, Metalink 4 does not."""
    by_number = {number or str(place): digest for place, (number, digest) in enumerate(hashes)}
    digests = tuple(by_number.get(str(place), "") for place in range(len(hashes)))
    if missing := digests.count(""):
        raise ValueError(f"{missing:,} of {len(hashes):,} piece hashes are missing or empty")
    return digests
