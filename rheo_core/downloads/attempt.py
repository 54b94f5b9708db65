"""Attempt: one try of a download: choose its path, fetch the file, give it its final name."""

import asyncio
import os
from collections.abc import Iterator
from enum import Enum, auto
from pathlib import Path
from typing import NamedTuple, TypeVar

from rheo_core.domain.exceptions import (
    DestinationError,
    DownloadError,
    FileExistsError,
    FileValidationError,
)
from rheo_core.domain.file_config import host_of
from rheo_core.domain.file_exists import FileExistsStrategy
from rheo_core.domain.filenames import is_numbered, number_filename
from rheo_core.domain.hash_validation import HashConfig
from rheo_core.infrastructure.file_metadata import FileMetadata, source_at
from rheo_core.infrastructure.files import folds_names
from rheo_core.infrastructure.identity import Identity, identity_at
from rheo_core.tracking import DownloadRecord
from rheo_core.transfer import (
    Connection,
    PartFile,
    ResponseHead,
    Transfer,
    commit,
    fetch_checksum,
    source_of,
)

from .attempt_context import AttemptContext
from .destination import check_inside, fitted, is_surely_short, numbered, writable_path
from .existing import check_at_server, find_existing, is_checkable
from .name_numbers import UNKNOWN_OWNER
from .verification import Verification, compute_hash, is_hashed

T = TypeVar("T")


class Attempt:
    """One try of a download. It holds its paths and part files until `close`."""

    def __init__(self, context: AttemptContext, record: DownloadRecord) -> None:
        self._context = context
        self._record = record
        self._parts: list[PartFile] = []
        self._source = source_of(record.config.url)
        self._exact_source = context.names.source_of(record.config.url)
        self._expected: HashConfig | None = None  # from the user or a sidecar
        self._locked: set[Path] = set()
        self._occupant: _Occupant | None = None  # of the path that was claimed last
        self._expected_path: Path | None = None  # the path before any reply, if it is used
        self._existing: Path | None = None  # the file that stands for this download
        self._named: str | None = None  # the name in the reply
        self._has_reply = False  # it is open, and counts as a connection to its host
        self._is_asked_for = False  # the user or a server asked for the name claimed last
        self._is_nth = False  # it is the name of the n-th link, which nobody asked for
        self._strategy = record.config.file_exists_strategy or context.resolver.default_strategy

    async def run(self, requested: Path) -> None:
        """Download the file to `requested`, or to the name that the server gives it.

        Raises:
            DownloadError: the attempt failed. Its bytes are kept if they can be used again.
        """
        record, context = self._record, self._context
        self._expected = await self._look_up_checksum()
        try:
            part = await self._fetch_named(requested)
        except _FileIsThereError as error:
            return context.lifecycle.skipped(record, error.path)
        await compute_hash(context, record, part)
        context.written[await self._commit(part)] = record.id
        return context.lifecycle.completed(record)

    async def close(self) -> None:
        """Release paths and part files. Bytes that another attempt can use stay."""
        cancellation: asyncio.CancelledError | None = None
        try:
            for part in self._parts:
                if part.is_open or part.is_buffering:
                    try:
                        await self._context.disk.run(part.release, keep=self._record.keep_partial)
                    except asyncio.CancelledError as error:  # the next one must not stay open
                        cancellation = error
        finally:
            for path in self._locked:
                self._context.locks.release(path)
        if cancellation is not None:
            raise cancellation

    async def _look_up_checksum(self) -> HashConfig | None:
        """Return the user's checksum, or that of a checksum file if the user asks for it.

        Raises:
            FileValidationError: no checksum file names the download.
        """
        config = self._record.config
        if config.hash_config is not None or not config.sidecar:
            return config.hash_config
        for url in dict.fromkeys((config.source, config.url)):
            checksum = await self._fetch_checksum(url)
            if checksum is not None:
                return checksum
        raise FileValidationError(
            "no checksum found: no .sha256 or .sha512 file, SHA256SUMS or SHA512SUMS on the "
            "server lists the file"
        )

    async def _fetch_checksum(self, url: str) -> HashConfig | None:
        context, record = self._context, self._record
        place: Connection | None = None

        def explain(reason: str) -> None:
            context.lifecycle.explain(record, reason or "looking for its checksum file")

        def connect(host: str) -> Connection:
            nonlocal place
            place = context.hosts.connection(host, explain, record.id, keeps_reservation=True)
            return place

        explain("")
        try:
            return await fetch_checksum(
                context.requester,
                url,
                context.options.timeouts,
                connect,
                context.options.tuning.sidecar_seconds,
                record.config.options_for(url),
            )
        except DownloadError:
            if place is not None and place.host != host_of(record.config.source):
                record.stats.redirect_host = place.host
            raise

    async def _fetch_named(self, path: Path) -> PartFile:
        """Fetch all bytes. If the name in a reply needs more than a look, close the reply first."""
        while True:
            self._has_reply = False
            try:
                return await self._fetch(await self._open(path))
            except _ReplyIsOpenError as error:
                path = error.path

    async def _fetch(self, part: PartFile) -> PartFile:
        """Fetch all bytes and verify them; return the part file to commit."""
        record, context = self._record, self._context

        async def place(head: ResponseHead) -> PartFile:
            nonlocal part
            self._named, self._has_reply = head.name, True
            path = self._better_place(part.destination, head)
            if path == part.destination and self._occupant is _Occupant.SPECIAL:
                raise _special_problem(path)
            if path != part.destination:
                if part.is_open:
                    await context.disk.run(part.discard)
                # Two downloads that got each other's name would wait for each other.
                self._unlock(part.destination)
                part = await self._open(path)
            return part

        transfer = Transfer(
            context.requester,
            context.disk,
            context.hosts,
            context.limits,
            context.options,
            record,
            place,
            lambda: context.lifecycle.started(record),
            lambda reason: context.lifecycle.explain(record, reason),
            verified_at_end=record.config.pieces is not None or is_hashed(context, self._expected),
        )
        part = await transfer.run(part)
        context.reporter.report(record, last=True)
        return await Verification(context, record, transfer, self._expected).run(part)

    def _better_place(self, path: Path, head: ResponseHead) -> Path:
        """Return the path of the file, now that a reply tells its name and type.

        The user's name wins over the server's. The folder stays if it is not the one that was
        chosen before the reply, because the download began there under other settings.
        """
        config, folders = self._record.config, self._context.folders
        named = head.name if config.filename is None else None
        if folders.rules and path.parent == folders.path_of(config).parent:
            name = named or config.get_destination_filename()
            folder = folders.folder_of(config, name, head.type or config.type)
            if folder != path.parent:
                return writable_path(folder / name)
        return path if named is None else writable_path(path.with_name(named))

    async def _open(self, requested: Path) -> PartFile:
        """Claim a path and open its part file.

        Raises:
            _FileIsThereError: nothing is to be downloaded.
        """
        disk = self._context.disk
        expected = self._record.name_number and self._context.folders.path_of(self._record.config)
        is_expected = requested == expected
        if not is_surely_short(requested.name):
            requested = await disk.run(fitted, requested)
        self._expected_path = requested if is_expected else None
        subdir = self._record.config.destination_subdir
        if subdir is not None:
            await disk.run(check_inside, requested, subdir)
        part = self._part(requested)
        path = await self._claim(requested, part)
        if path is None:
            await disk.run(part.discard)  # not needed any more
            assert self._existing is not None
            raise _FileIsThereError(self._existing)
        if path != requested:
            part = self._part(path)
            await self._adopt(part, requested)
        record = self._record
        if self._occupant is _Occupant.SPECIAL and (self._named or record.config.filename):
            raise _special_problem(path)  # else the server may give another name
        if not part.is_open and (path != requested or self._occupant is not _Occupant.NOTHING):
            self._context.lifecycle.explain(self._record, "checking the bytes on the disk")
            await self._context.reading.run_stoppable(part.open)
        record.destination = path
        record.final_name = path.name
        record.resume_from(part.state.offset)
        self._context.lifecycle.explain(record, "")
        return part

    async def _adopt(self, part: PartFile, requested: Path) -> None:
        """Continue with the bytes of an earlier attempt under a name that is taken now."""
        was_locked = requested in self._locked
        async with self._context.locks.turn(requested):
            if await self._try_lock(requested):
                await self._context.disk.submit_maybe_inline(part.adopt, requested)
                if not was_locked:
                    self._unlock(requested)

    def _part(self, path: Path) -> PartFile:
        part = self._new_part(path)
        self._parts.append(part)
        return part

    def _new_part(self, path: Path) -> PartFile:
        options, config = self._context.options, self._record.config
        part = PartFile(
            path,
            self._source,
            durable=options.durable,
            pieces=config.pieces,
            key=options.key,
            is_read_back=self._expected is not None,
        )
        if config.compute_hash is not None:
            part.hashing.use(config.compute_hash)
        return part

    async def _claim(self, path: Path, part: PartFile | None = None) -> Path | None:
        """Lock the path of the file; None if `_existing` stands for it.

        Two links of one name are two files. A file that another download of this run wrote or
        began is neither skipped nor overwritten: the next number is used. A file of this number
        is not overwritten either, unless this link wrote it: nobody asked for that name. If
        nothing is at `path` yet, `part` is prepared for it.
        """
        self._is_asked_for = self._is_nth = False
        if self._strategy is FileExistsStrategy.ERROR:
            return await self._claim_strictly(path)
        async with self._context.locks.turn(path):  # else two would pass over each other's names
            if await self._has_begun_at_first_name(path):
                return path
            claimed = await self._claim_number(path, part)
        if claimed is None:
            await self._check_existing(path)
        return claimed

    async def _check_existing(self, path: Path) -> None:
        """Ask the server for the size of the existing file, if that is the only way to check it.

        The caller lets others take their turn meanwhile: they may have the connections of the host.
        """
        if self._record.config.check_existing and not is_checkable(self._record, self._expected):
            if self._has_reply:
                raise _ReplyIsOpenError(path)
            assert self._existing is not None
            await check_at_server(self._context, self._record, self._existing)

    async def _claim_number(self, path: Path, part: PartFile | None) -> Path | None:
        existing: list[Path] = []
        taken: list[Path] = []  # names that other downloads of this run hold
        is_renamed = self._strategy is FileExistsStrategy.RENAME
        is_checked = is_checkable(self._record, self._expected)
        owners = self._usable_owners()
        numbers = self._numbers(path, owners)
        for index, number in enumerate(numbers):
            candidate = numbered(path, number)
            was_locked = candidate in self._locked
            self._is_asked_for = not index and self._is_name_asked_for(candidate.name)
            self._is_nth = not index and candidate.name == self._nth_name()
            if not await self._try_lock(candidate):
                is_kept = self._strategy is FileExistsStrategy.SKIP
                if is_kept and await self._is_own_file(candidate):  # another passes over it now
                    existing = [candidate]
                    break
                taken.append(candidate)
                continue
            is_requested = part is not None and candidate == path
            looking = part if part is not None and is_requested else self._new_part(candidate)
            look = await self._context.disk.submit_maybe_inline(
                _look_at, looking, prepare=is_requested
            )
            self._occupant = occupant = look.occupant
            if occupant is _Occupant.NOTHING and is_requested and is_renamed:
                return await self._begun_at(numbered(path, next(numbers))) or candidate
            if occupant is _Occupant.OURS or (occupant is _Occupant.NOTHING and not existing):
                return candidate
            if occupant is _Occupant.SPECIAL and not index and not is_renamed:
                return candidate
            if occupant is _Occupant.NOTHING:  # after the last existing file; none is ours
                self._unlock(candidate)  # the next link of this name goes there
                break
            if occupant is not _Occupant.FILE:
                continue
            is_own = look.source == self._exact_source
            is_anothers = self._is_anothers(look)
            is_replaced = self._strategy is FileExistsStrategy.OVERWRITE and not is_anothers
            if is_replaced and self._may_replace(look.source):
                return candidate
            if is_anothers or self._strategy is not FileExistsStrategy.SKIP:
                self._context.names.pass_over(path, number, self._owners_of(look))
                if not was_locked:  # else our part file has this name
                    self._unlock(candidate)  # the owner of the file must find it
                continue
            if is_own:
                existing = [candidate]
                break
            if existing and not is_checked:  # it may stand for another link of this name
                others = {*self._owners_of(look), UNKNOWN_OWNER}
                self._context.names.pass_over(path, number, others)
                if not was_locked:
                    self._unlock(candidate)
                continue
            existing.append(candidate)
            if not is_checked:
                if not look.source:
                    break  # further ones would tell nothing
                owners.discard(UNKNOWN_OWNER)  # only our own file would be better
        paths = (*existing, *taken)
        self._existing = await find_existing(self._context, self._record, paths, self._expected)
        return None

    def _numbers(self, path: Path, owners: set[str]) -> Iterator[int]:
        """Yield the numbers that the name of the file may have, the best one first; 0: none.

        The n-th link of one name begins with the n-th name.
        """
        is_renamed = self._strategy is FileExistsStrategy.RENAME
        is_nth = path == self._expected_path and not is_renamed
        first = self._record.name_number if is_nth else 0
        yield first
        others = self._context.names.numbers(path, owners)
        yield from (number for number in others if number != first)

    def _usable_owners(self) -> set[str]:
        """Return the owners of existing files that this download may use."""
        match self._strategy:
            case FileExistsStrategy.RENAME:
                return set()
            case FileExistsStrategy.SKIP:
                return {self._record.id, self._exact_source, UNKNOWN_OWNER}
        return {self._record.id, self._exact_source}

    def _nth_name(self) -> str | None:
        """Return the name for the n-th link of a name; None for the first link."""
        number, name = self._record.name_number, self._record.config.get_destination_filename()
        return number_filename(name, number) if number else None

    def _is_name_asked_for(self, name: str) -> bool:
        """Return True if the user or a server asked for a name that no earlier attempt numbered."""
        if not is_numbered(name) or name == self._named:
            return True
        return name == self._record.config.get_destination_filename()

    def _may_replace(self, source: str | None) -> bool:
        """Return True if `overwrite` may replace a file with this source; see `source_at`.

        Without attributes, the n-th file of an earlier run is known by its name alone.
        """
        is_known = self._is_asked_for or source == self._exact_source
        return is_known or (self._is_nth and source is None)

    async def _has_begun_at_first_name(self, path: Path) -> bool:
        """Lock `path` if an earlier run, of this link alone, began there; return success."""
        return self._record.name_number > 0 and await self._begun_at(path) is not None

    async def _begun_at(self, path: Path) -> Path | None:
        """Lock a path if an earlier run began there."""
        look = await self._context.disk.submit_maybe_inline(
            _look_at, self._new_part(path), prepare=False
        )
        if look.occupant is not _Occupant.OURS or not await self._try_lock(path):
            return None
        self._occupant = look.occupant
        return path

    async def _claim_strictly(self, path: Path) -> Path | None:
        locks, lifecycle = self._context.locks, self._context.lifecycle
        if not await self._try_lock(path):
            if self._has_reply:
                raise _ReplyIsOpenError(path)
            lifecycle.explain(self._record, "another download is writing this file")
            # That one may need the reserved connection, and would wait for it for ever.
            self._context.hosts.end_reservation(self._record.id)
            await locks.acquire(path)
            self._locked.add(path)
            lifecycle.explain(self._record, "")
        return await self._context.resolver.resolve(path, self._strategy)

    async def _try_lock(self, path: Path) -> bool:
        locks = self._context.locks
        if path in self._locked:
            return True
        if not locks.try_acquire(path):
            return False
        if locks.has_other_spelling(path):
            try:
                is_same_file = await self._context.disk.run(folds_names, path.parent)
            except BaseException:
                locks.release(path)
                raise
            if is_same_file:
                locks.release(path)
                return False
        self._locked.add(path)
        return True

    def _unlock(self, path: Path) -> None:
        if path in self._locked:
            self._locked.discard(path)
            self._context.locks.release(path)

    async def _is_own_file(self, path: Path) -> bool:
        """Return True if this download wrote an existing file."""
        source = await self._context.disk.submit_maybe_inline(source_at, path)
        return source == self._exact_source

    def _is_anothers(self, look: "_Look") -> bool:
        """Return True if a file belongs to another download of this run."""
        context, mine = self._context, self._record.id
        if look.identity is not None and context.written.get(look.identity, mine) != mine:
            return True
        is_other = look.source not in (None, "", self._exact_source)
        return is_other and context.names.has_source(look.source or "")

    def _owners_of(self, look: "_Look") -> set[str]:
        """Return the id and the source of the download that a file belongs to, if known."""
        owners = set[str]()
        if look.identity is not None and look.identity in self._context.written:
            owners.add(self._context.written[look.identity])
        if look.source:
            owners.add(look.source)
        return owners or {UNKNOWN_OWNER}

    async def _commit(self, part: PartFile) -> Identity:
        """Give the whole file its final name; return its identity."""
        assert part.state.total is not None
        size = part.state.total
        while True:
            overwrite = await self._may_overwrite(part.destination)
            disk = self._context.disk
            submit = disk.submit_maybe_inline if part.is_buffering else disk.submit
            work = submit(commit, part, size, overwrite=overwrite, metadata=self._metadata(part))
            try:
                return await _uninterrupted(work)
            except FileExistsError:  # another program took the name first
                if overwrite or self._strategy.keeps_existing:
                    await self._context.disk.run(part.checkpoint, part.state.written)
                    raise
            part.destination = await self._claim(part.destination) or part.destination
            self._record.destination = part.destination
            self._record.final_name = part.destination.name

    async def _may_overwrite(self, path: Path) -> bool:
        """Return True if a file that is at `path` when the download is complete may be replaced."""
        if self._strategy is not FileExistsStrategy.OVERWRITE:
            return False
        if self._is_asked_for:
            return True
        return self._may_replace(await self._context.disk.submit_maybe_inline(source_at, path))

    def _metadata(self, part: PartFile) -> FileMetadata:
        options = self._context.options
        return FileMetadata(
            modified=part.state.modified if options.server_time else None,
            origin=self._record.config.url if options.origin else None,
            source=self._exact_source,
        )


class _Occupant(Enum):
    """Contents of the path for a file."""

    NOTHING = auto()
    OURS = auto()  # the beginning of this very download
    ANOTHERS = auto()  # the beginning of another one
    FILE = auto()
    SPECIAL = auto()  # a folder, a device, or a link that leads to no file


class _Look(NamedTuple):
    """Result of a look at a path."""

    occupant: _Occupant
    identity: Identity | None = None  # of a file
    source: str | None = None  # of the download that wrote the file, if it is known


def _look_at(part: PartFile, *, prepare: bool) -> _Look:
    owner = part.owner()
    path = part.destination
    if os.path.lexists(path):
        occupant = _Occupant.FILE if path.is_file() else _Occupant.SPECIAL
        return _Look(occupant, identity_at(path), source_at(path))
    if owner is None:
        if prepare:
            part.prepare()
        return _Look(_Occupant.NOTHING)
    return _Look(_Occupant.OURS if owner == part.source else _Occupant.ANOTHERS)


def _special_problem(path: Path) -> DestinationError:
    return DestinationError(path, "exists and is not a regular file")


class _FileIsThereError(Exception):
    """A file stands for the download, and the strategy is SKIP."""

    def __init__(self, path: Path) -> None:
        self.path = path


class _ReplyIsOpenError(Exception):
    """A claim has to wait for another download, or to ask the server.

    The connection of the open reply may be the only one that the host may have.
    """

    def __init__(self, path: Path) -> None:
        self.path = path


async def _uninterrupted(work: "asyncio.Future[T]") -> T:
    """Await work that cannot be undone; ignore cancellations meanwhile."""
    while not work.done():
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            continue
        except Exception:
            break
    return work.result()
