"""Checksum lists such as SHA256SUMS: download the files that they name."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urljoin

from rheo_core.domain.checksum_lines import NAMELESS, ChecksumLine, read_checksum_line
from rheo_core.domain.hash_algorithms import HashAlgorithm
from rheo_core.domain.hash_validation import HashConfig
from rheo_core.domain.untrusted import Untrusted

from .reader_api import Candidate, Lines, ReadOptions, base_of, destination_fields, problem_of

_FORM = "checksum list"
_NO_BASE = "a checksum list contains names, not URLs; give the address of the list"
_ARMOUR = "-----BEGIN PGP SIGNED MESSAGE-----"
_END = "-----END PGP SIGNATURE-----"
_MAX_HELD = 10_000
"""Files that wait for further lines about them. A list with several algorithms has the lines of a
file next to each other, or a section for each algorithm."""
_URL = re.compile(r"https?://", re.IGNORECASE)


def sniff(text: str) -> bool:
    """Check whether a line gives the checksum of a file, or is the head of a signed list."""
    if text == _ARMOUR:
        return True
    line = read_checksum_line(text)
    return line is not None and line.name != NAMELESS


def read(lines: Lines, options: ReadOptions) -> Iterator[Candidate]:
    """Yield the files that these lines name, with all their checksums. Do not check signatures.

    If the URL of the list is missing, yield one candidate that says so.

    Raises:
        InputError: it is not an http(s) URL.
    """
    held: dict[str, Candidate] = {}
    for name, candidate in _listed(lines, options):
        if name in held:
            held[name] = _with_more(held[name], candidate)
            continue
        if len(held) == _MAX_HELD:
            yield from held.values()
            held.clear()
        held[name] = candidate
    yield from held.values()


def _with_more(first: Candidate, candidate: Candidate) -> Candidate:
    """Add the checksum of a later line to the first line about a file, or its mistake.

    A name may be repeated any number of times: equal checksums are kept once, and nothing is kept
    after a mistake or two checksums that differ.
    """
    known = first.outside.hash_config or []
    if first.problem or len(known) > len(HashAlgorithm):  # two of them are of one algorithm
        return first
    new = [each for each in candidate.outside.hash_config or () if each not in known]
    if not (new or candidate.problem):
        return first
    outside = first.outside._replace(hash_config=[*known, *new])
    return first._replace(outside=outside, problem=candidate.problem)


def _listed(lines: Lines, options: ReadOptions) -> Iterator[tuple[str, Candidate]]:
    """Yield the file of each line: its name, and a candidate."""
    base = base_of(options, lines.number + 1)
    is_signed = has_reported = False
    for line in lines:
        text = line.strip()
        if text == _ARMOUR:
            is_signed = True
        elif text == _END:
            is_signed = False
        elif not text or text[0] == "#":
            continue
        elif (listed := read_checksum_line(text)) is not None and listed.name != NAMELESS:
            if base is None and not _URL.match(listed.name):
                if not has_reported:
                    candidate = Candidate(
                        lines.number, text, problem=_NO_BASE, form=_FORM, wants="base"
                    )
                    yield "", candidate
                has_reported = True
                continue
            yield listed.name, _candidate(lines.number, text, listed, base or "")
        elif not is_signed:
            lines.give_back(line)
            return


def _candidate(number: int, text: str, line: ChecksumLine, base: str) -> Candidate:
    place: dict[str, Any] = {}
    url = line.name
    try:
        if not _URL.match(url):
            place = destination_fields(line.name, "name")
            url = urljoin(base, quote(line.name.replace("\\", "/")))
        if line.algorithm is None:
            raise ValueError(
                f"a checksum of {len(line.digest)} characters does not match any known algorithm"
            )
        checksum = HashConfig(algorithm=line.algorithm, expected_hash=line.digest)
    except ValueError as error:
        return Candidate(number, text, problem=problem_of(error), form=_FORM)
    return Candidate(number, text, Untrusted(url, hash_config=[checksum], **place), form=_FORM)
