"""PathClaim: decide between skip, overwrite, rename and error, and lock the path of the file.

`existing_file_check.py` compares the file that is there.
"""

from collections.abc import Iterator
from pathlib import Path

from rheo_core.domain.exceptions import DestinationError
from rheo_core.domain.file_exists import FileExistsStrategy
from rheo_core.domain.filenames import number_filename, split_number
from rheo_core.domain.hash_validation import HashConfig
from rheo_core.infrastructure.file_metadata import source_at
from rheo_core.infrastructure.files import folds_names
from rheo_core.tracking import DownloadRecord
from rheo_core.transfer import PartFile

from .attempt_context import AttemptContext
from .existing_file_check import check_at_server, find_existing, is_checkable
from .file_naming import numbered
from .name_numbers import UNKNOWN_OWNER
from .path_check import Occupant, PathCheck, PathCheckRequest


class ResponseIsOpenError(Exception):
    """A claim has to wait for another download, or to ask the server.

    The connection of the open response may be the only one that the host may have.
    """

    def __init__(self, path: Path) -> None:
        self.path = path


class PathClaim:
    """Chooses the path for the file of one attempt, and keeps its locks until `release`.

    Attributes:
        strategy: of the download, for a file at the path claimed last.
        checksum: from the user or a checksum file.
        name_in_response: the name that the server gave, if any.
        has_response: a response is open, and counts as a connection to its host.
        expected_path: the path before any response, if it is used. It is the only path that the
            user asked for, with its folder and name.
        occupant: contents of the path that was claimed last.
        existing: the file that counts as this download's file, if `claim` returned None.
        may_borrow: this download may continue the bytes of another link, until a response offers
            another file.
        lender: that link, if it began the file at the path claimed last; otherwise empty.
        source: of the download, as in the attribute of its finished file; see `exact_source_of`.
    """

    def __init__(self, context: AttemptContext, record: DownloadRecord) -> None:
        self._context = context
        self._record = record
        self.strategy = context.resolver.default_strategy
        self.checksum: HashConfig | None = None
        self.name_in_response: str | None = None
        self.has_response = False
        self.expected_path: Path | None = None
        self.occupant: Occupant | None = None
        self.existing: Path | None = None
        self.may_borrow = True
        self.lender = ""
        self.source = context.names.source_of(record.config.url)
        self._locked: list[Path] = []  # mostly one
        self._best: Path | None = None  # claimed last, if it has the best number

    async def claim(self, path: Path, part: PartFile | None = None) -> Path | None:
        """Lock the path of the file; None if `existing` counts as the file.

        Two links with one name are two files. A file that another download of this run wrote or
        began is neither skipped nor overwritten; the link gets the next number. A numbered file is
        not overwritten either, unless this link wrote it, because nobody asked for that name. If
        nothing is at `path` yet, `part` is prepared for it.

        Raises:
            ResponseIsOpenError: close the response, and claim the path again.
        """
        self._best, self.lender = None, ""
        plain, number = self._without_number(path)
        default = self._context.resolver.default_strategy
        self.strategy = self._record.config.strategy_at(plain, default)
        if self.strategy is FileExistsStrategy.ERROR:
            return await self._claim_strictly(path)
        async with self._context.locks.turn(plain):  # otherwise two would skip each other's names
            if self._record.name_number and await self._begun_at(path):  # of this link alone
                return path
            claimed = await self._claim_number(plain, number, part)
        if claimed is None:
            await self._check_existing(path)
        return claimed

    async def may_overwrite(self, path: Path) -> bool:
        """Return True if the complete download may replace a file at `path`."""
        if self.strategy is not FileExistsStrategy.OVERWRITE:
            return False
        if self._is_asked_for(path):
            return True
        return self._may_replace(path, await self._context.disk.run(source_at, path))

    def holds(self, path: Path) -> bool:
        """Return True if this attempt has locked `path`."""
        return path in self._locked

    async def try_lock(self, path: Path) -> bool:
        """Lock `path` if no other download holds it, in any spelling; return success."""
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
        self._locked.append(path)
        return True

    def unlock(self, path: Path) -> None:
        """Release `path` if this attempt has locked it."""
        if path in self._locked:
            self._locked.remove(path)
            self._context.locks.release(path)

    def release(self) -> None:
        """Release all paths."""
        for path in self._locked:
            self._context.locks.release(path)
        self._locked.clear()

    async def _claim_strictly(self, path: Path) -> Path | None:
        locks, lifecycle = self._context.locks, self._context.lifecycle
        if not await self.try_lock(path):
            if self.has_response:
                raise ResponseIsOpenError(path)
            lifecycle.explain(self._record, "another download is writing this file")
            # The other download may need the reserved connection, and would wait for ever.
            self._context.hosts.end_reservation(self._record.id)
            await locks.acquire(path)
            self._locked.append(path)
            lifecycle.explain(self._record, "")
        claimed = await self._context.resolver.resolve(path, self.strategy)
        if claimed is not None:
            self._note(await self._check(claimed))
        return claimed

    async def _check_existing(self, path: Path) -> None:
        """Ask the server for the size of the existing file, if that is the only way to check it.

        Meanwhile, the caller lets others continue, because they may hold the connections of the
        host.
        """
        if self._record.config.check_existing and not is_checkable(self._record, self.checksum):
            if self.has_response:
                raise ResponseIsOpenError(path)
            assert self.existing is not None
            await check_at_server(self._context, self._record, self.existing)

    def _without_number(self, path: Path) -> tuple[Path, int]:
        """Return a path without the number that an earlier claim gave it, and the number; 0: none.

        A name from a response stays as it is. The next response brings it again without a number.
        """
        if " (" not in str(path):  # true for most, and faster than asking for the name
            return path, 0
        name, number = self._record.config.get_destination_filename(), split_number(path.name)[1]
        if not number or number_filename(name, number) != path.name:
            return path, 0
        return path.with_name(name), number

    async def _claim_number(self, path: Path, former: int, part: PartFile | None) -> Path | None:
        """Claim the best number of a name; None if `existing` counts as the file.

        Args:
            path: path without a number.
            former: number that the file had in an earlier claim, which is tried first; 0: none.
            part: part file to prepare for that number; None to prepare none.
        """
        existing: list[Path] = []
        taken: list[Path] = []  # names that other downloads of this run hold
        is_certain = is_checked = is_checkable(self._record, self.checksum)
        names, owners = self._context.names, self._usable_owners()
        numbers = self._numbers(path, former, owners)
        for index, number in enumerate(numbers):
            candidate = numbered(path, number)
            was_locked = self.holds(candidate)  # our part file has this name
            self._best = None if index else candidate
            if not await self.try_lock(candidate):
                if await self._passes_over_own(candidate):
                    existing, is_certain = [candidate], True
                    break
                taken.append(candidate)
                continue
            check = await self._check(candidate, part if number == former else None)
            self._note(check)
            may_take = self._may_take(
                candidate, check, is_best=not index, has_existing=bool(existing)
            )
            if check.is_free and may_take:  # true for most; there are no part files to look at
                return candidate
            if may_take or check.occupant is Occupant.SHARED:
                return await self._own_or(candidate, path, check, was_locked=was_locked)
            if check.occupant is Occupant.NOTHING:  # after the last existing file; none is ours
                self.unlock(candidate)  # the next link of this name goes there
                break
            if check.occupant is Occupant.ANOTHERS and check.link:
                names.note_part(path, number, check.link)
                names.pass_over(path, number, {check.link})
            if check.occupant is not Occupant.FILE:
                if check.occupant is not Occupant.SPECIAL and not was_locked:
                    self.unlock(candidate)  # so that the owner of the part file finds it
                continue
            others = self._kept_for_others(check, is_spare=bool(existing) and not is_checked)
            if others:
                names.pass_over(path, number, others)
                if not was_locked:
                    self.unlock(candidate)  # so that the owner of the file finds it
                continue
            if check.source == self.source:
                existing, is_certain = [candidate], True
                break
            existing.append(candidate)
            if not is_checked:
                if not check.source:
                    break  # the following ones add nothing
                owners.discard(UNKNOWN_OWNER)  # only our own file would be better
        if not is_certain and (own := await self._begun_elsewhere(path)):
            return own
        paths = (*existing, *taken)
        self.existing = await find_existing(self._context, self._record, paths, self.checksum)
        return None

    async def _own_or(
        self, candidate: Path, path: Path, check: PathCheck, *, was_locked: bool
    ) -> Path:
        """Return the path where an earlier run of this link began, or else `candidate`.

        Args:
            candidate: locked path that the file may have.
            path: path without a number.
            check: contents of `candidate`.
            was_locked: keep the lock of `candidate` even if it is not used.
        """
        is_own = check.occupant is Occupant.OURS or check.source == self.source
        own = None if is_own else await self._begun_elsewhere(path)
        if own is None:
            return candidate
        if not was_locked:
            self.unlock(candidate)
        return own

    def _numbers(self, path: Path, former: int, owners: set[str]) -> Iterator[int]:
        """Yield the numbers that the name of the file may have, the best one first; 0: none.

        The n-th link with the same name begins with the n-th name.
        """
        nth = self._record.name_number
        is_renamed = self.strategy is FileExistsStrategy.RENAME
        if nth and (is_renamed or path != self.expected_path):
            nth = 0
        first = former or nth
        yield first
        others = self._context.names.numbers(path, owners)
        yield from (number for number in others if number != first)

    def _usable_owners(self) -> set[str]:
        """Return the owners of part files and existing files that this download may use."""
        if self.strategy is FileExistsStrategy.SKIP:
            return {self.source, UNKNOWN_OWNER}
        return {self.source}

    @property
    def _is_nth(self) -> bool:
        """True if the path claimed last has the name of the n-th link, which nobody asked for."""
        number, name = self._record.name_number, self._record.config.get_destination_filename()
        return bool(number and self._best and self._best.name == number_filename(name, number))

    def _is_asked_for(self, path: Path) -> bool:
        """Return True if the user chose to replace the file at the path claimed last.

        Unless the user named the file, its path is known before any response. Otherwise a server
        would choose which file is replaced.
        """
        only = self._record.config.overwrite_only
        if only is not None:
            return path == only
        return self._best is not None and self._best == self.expected_path

    def _may_take(self, path: Path, check: PathCheck, *, is_best: bool, has_existing: bool) -> bool:
        """Return True if the file may have a path with these contents.

        Args:
            path: the path.
            check: the contents.
            is_best: the path has the best number.
            has_existing: a better number has a file that may count as the download's file.
        """
        match check.occupant:
            case Occupant.NOTHING:
                return not has_existing
            case Occupant.OURS:
                return True
            case Occupant.SPECIAL:
                return is_best and self.strategy is not FileExistsStrategy.RENAME
            case Occupant.FILE if self.strategy is FileExistsStrategy.OVERWRITE:
                return not self._is_anothers(check) and self._may_replace(path, check.source)
        return False

    def _may_replace(self, path: Path, source: str | None) -> bool:
        """Return True if `overwrite` may replace a file with this source; see `source_at`.

        Without attributes, rheo recognises the n-th file of an earlier run only by its name.
        """
        if self._is_asked_for(path):
            return True
        if self._record.config.overwrite_only is not None:
            return False
        return source == self.source or (self._is_nth and source is None)

    def _kept_for_others(self, check: PathCheck, *, is_spare: bool) -> set[str]:
        """Return the owners of an existing file; none if it may count as this download's file.

        Args:
            check: the file.
            is_spare: another file already may count as this download's file.
        """
        if self._is_anothers(check) or self.strategy is not FileExistsStrategy.SKIP:
            return self._owners_of(check)
        if is_spare and check.source != self.source:  # it may belong to another link with this name
            return {*self._owners_of(check), UNKNOWN_OWNER}
        return set()

    def _is_anothers(self, check: PathCheck) -> bool:
        """Return True if a file belongs to another download of this run."""
        context = self._context
        if check.identity in context.written and context.written[check.identity] != self.source:
            return True
        is_other = check.source not in (None, "", self.source)
        return is_other and context.names.has_source(check.source or "")

    def _owners_of(self, check: PathCheck) -> set[str]:
        """Return the sources of the downloads that a file belongs to, as far as they are known."""
        owners = set[str]()
        if check.identity is not None and check.identity in self._context.written:
            owners.add(self._context.written[check.identity])
        if check.source:
            owners.add(check.source)
        return owners or {UNKNOWN_OWNER}

    async def _passes_over_own(self, path: Path) -> bool:
        """Return True if another download holds the lock of our file, because it skips it."""
        if self.strategy is not FileExistsStrategy.SKIP:
            return False
        source = await self._context.disk.run(source_at, path)
        return source == self.source

    async def _begun_at(self, path: Path) -> Path | None:
        """Lock a path if an earlier run began there."""
        check = await self._check(path)
        if check.occupant is not Occupant.OURS or not await self.try_lock(path):
            return None
        self._note(check)
        return path

    async def _begun_elsewhere(self, path: Path) -> Path | None:
        """Lock the path, with any number, where an earlier run of this exact link began.

        Args:
            path: path without a number.
        """
        names = self._context.names
        numbers = await self._context.part_listings.numbers(path)
        if not numbers:
            return None
        if not names.has_all_parts(path):  # otherwise n links check n * n part files
            for number in sorted({0, *numbers}):
                check = await self._check(numbered(path, number))
                names.note_part(path, number, check.link)
            names.note_all_parts(path)
        own_number = names.number_begun_by(self.source, path)
        own = None if own_number is None else await self._begun_at(numbered(path, own_number))
        if own is not None:
            self._best = None
        return own

    def _note(self, check: PathCheck) -> None:
        self.occupant = check.occupant
        self.lender = check.link if check.may_borrow else ""

    async def _check(self, path: Path, part: PartFile | None = None) -> PathCheck:
        """Check a path; prepare `part` for it if nothing is there."""
        context, prepare = self._context, part is not None
        if part is None:
            owner = context.names.part_owner(self._record.config, self.checksum)
            part = PartFile(path, owner, key=context.options.key)
        is_free = context.part_listings.is_free(part.folder)
        follow = self.strategy is not FileExistsStrategy.OVERWRITE or not self._is_asked_for(path)
        check = await context.disk.submit_to(
            context.path_checks, PathCheckRequest(part, prepare, is_free, follow)
        )
        if check.may_borrow and not (self.may_borrow and not context.names.has_link(check.link)):
            is_part = check.occupant is Occupant.SHARED
            occupant = Occupant.ANOTHERS if is_part else check.occupant
            check = check._replace(occupant=occupant, may_borrow=False)
        return check


def special_problem(path: Path) -> DestinationError:
    """Return the error for a path that does not belong to a regular file."""
    return DestinationError(path, "exists and is not a regular file")
