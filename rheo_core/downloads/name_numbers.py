"""NameNumbers: number downloads that ask for the same file name (`a.zip`, `a (1).zip`)."""

from collections.abc import Hashable, Iterator, Set
from functools import cached_property
from itertools import count
from pathlib import Path

from rheo_core.domain.file_config import FileConfig
from rheo_core.domain.hash_validation import HashConfig
from rheo_core.infrastructure.user_key import user_key
from rheo_core.tracking import DownloadRecord
from rheo_core.transfer import PartOwner, exact_source_of, source_of

from .file_naming import Folders

_HASH = (1 << 60) - 1
"""Bits of a hash that are kept. Python stores such a number in 32 bytes, and a whole hash in 48."""
UNKNOWN_OWNER = ""
"""Owner of a file whose download is unknown."""


class NameNumbers:
    """Numbers downloads that ask for the same name, in the order in which they are added.

    This way, a second run of a list finds the files of the first one, no matter which download
    begins first. Only hashes are kept, because lists are long.
    """

    def __init__(self, folders: Folders) -> None:
        self._folders = folders
        self._first: dict[int, int] = {}  # name -> source of the first download
        self._more: dict[int, dict[int, int]] = {}  # name -> sources of the others -> number
        self._sources: set[int] | None = None  # of all downloads; None: not needed yet
        # Sources of downloads that ended without a file, whose bytes may be kept. Each takes less
        # memory than a download that did not fail, which has an entry in `_first`.
        self._ended: set[int] = set()
        self._passed: dict[Path, dict[int, Set[str]]] = {}  # path -> number -> owners of its file
        self._parts: dict[Path, dict[str, int]] = {}  # path -> link -> number of its part file
        self._listed: set[Path] = set()  # paths with all of their part files in `_parts`

    def add(self, record: DownloadRecord) -> None:
        """Number a new download."""
        name, source = self._numbers_of(record.config)
        if self._first.setdefault(name, source) != source and not self._may_differ:
            more = self._more.setdefault(name, {})
            last = next(reversed(more.values()), 0)
            record.name_number = more.setdefault(source, last + 1)
        if self._sources is not None:
            self._sources.add(source)

    def note_ended(self, record: DownloadRecord) -> None:
        """Note a download that has no number, but perhaps a part file."""
        self._ended.add(_number_of(self.source_of(record.config.url)))

    def release(self, record: DownloadRecord) -> None:
        """Give back the number of a download that ended without a file."""
        self.note_ended(record)
        name, source = self._numbers_of(record.config)
        more = self._more.get(name, {})
        more.pop(source, None)
        if not more and self._first.get(name) == source:
            del self._first[name]
        if self._parts:  # its part file is removed or moved, or the next look finds it again
            path, link = self._folders.path_of(record.config), self.source_of(record.config.url)
            number = self._parts.get(path, {}).pop(link, None)
            if number is not None:
                self._passed.get(path, {}).pop(number, None)

    def source_of(self, url: str) -> str:
        """Return the source in the attribute of a URL's finished file."""
        return exact_source_of(url, self._key)

    def part_owner(self, config: FileConfig, checksum: HashConfig | None = None) -> PartOwner:
        """Return the owner of the part file of a download.

        Args:
            config: the download.
            checksum: of the whole file, from the user or a checksum file.
        """
        fetched = "" if config.source == config.url else self.source_of(config.source)
        is_verified = checksum is not None or config.pieces is not None
        return PartOwner(source_of(config.url), self.source_of(config.url), fetched, is_verified)

    def has_source(self, source: str) -> bool:
        """Return True if a download of this run has a source."""
        return _number_of(source) in self._all_sources()

    def has_link(self, link: str) -> bool:
        """Return True if a download of this run has a link, also if it ended without a file."""
        return _number_of(link) in self._ended or self.has_source(link)

    def _all_sources(self) -> set[int]:
        if self._sources is None:
            self._sources = {*self._first.values(), *(s for m in self._more.values() for s in m)}
        return self._sources

    def pass_over(self, path: Path, number: int, owners: Set[str]) -> None:
        """Remember that a download cannot use the existing file of a number.

        Without this, n links with the same name check n * n files.

        Args:
            path: path without a number.
            number: number of the file; 0: none.
            owners: sources of the downloads that the file belongs to, or `UNKNOWN_OWNER`.
        """
        self._passed.setdefault(path, {})[number] = owners

    def note_part(self, path: Path, number: int, link: str) -> None:
        """Remember which link began the part file of a number.

        Args:
            path: path without a number.
            number: number of the file; 0: none.
            link: the link; empty: unknown.
        """
        if link:
            self._parts.setdefault(path, {})[link] = number

    def note_all_parts(self, path: Path) -> None:
        """Remember that all part files of a name were noted."""
        self._listed.add(path)

    def has_all_parts(self, path: Path) -> bool:
        """Return True if all part files of a name were noted."""
        return path in self._listed

    def number_begun_by(self, link: str, path: Path) -> int | None:
        """Return the number of the part file that a link began; None: not noted."""
        return self._parts.get(path, {}).get(link)

    def numbers(self, path: Path, owners: Set[str]) -> Iterator[int]:
        """Yield the numbers from 0, without those that `pass_over` recorded.

        Args:
            path: path without a number.
            owners: owners of files that the download may use; their numbers are not left out.
        """
        passed = self._passed.get(path, {})
        return (
            number
            for number in count()
            if number not in passed or not owners.isdisjoint(passed[number])
        )

    @property
    def _may_differ(self) -> bool:
        """True if the types of responses may lead files of one name to different folders."""
        return any(rule.type for rule in self._folders.rules)

    @cached_property
    def _key(self) -> bytes:
        return user_key(warns=False)  # without a stored one, this run still knows its files

    def _numbers_of(self, config: FileConfig) -> tuple[int, int]:
        """Return numbers for name and source of a download."""
        return self._name_of(config), _number_of(self.source_of(config.url))

    def _name_of(self, config: FileConfig) -> int:
        if self._folders.rules:
            return _number_of(self._folders.path_of(config))
        name = config.get_destination_filename()
        return _number_of((config.download_dir, config.destination_subdir, name))


def _number_of(value: Hashable) -> int:
    return hash(value) & _HASH
