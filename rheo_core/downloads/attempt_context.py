"""AttemptContext: the parts of the manager that all attempts share."""

from dataclasses import dataclass

from rheo_core.infrastructure.disk import DiskThreads, TurnBatch
from rheo_core.infrastructure.http import Requester
from rheo_core.infrastructure.identity import Identity
from rheo_core.transfer import Commit, HostLimiter, PartListings, RateLimits, TransferOptions

from .destination import DestinationResolver
from .file_naming import Folders
from .lifecycle import Lifecycle
from .name_numbers import NameNumbers
from .path_check import PathCheck, PathCheckRequest
from .path_locks import PathLocks
from .progress import ProgressReporter
from .validation import BaseFileValidator


@dataclass(frozen=True, slots=True)
class AttemptContext:
    """Shared by all attempts of a manager."""

    requester: Requester
    disk: DiskThreads
    reading: DiskThreads  # for long reads, so that no write waits behind them
    path_checks: TurnBatch[PathCheckRequest, PathCheck]
    commits: TurnBatch[Commit, Identity]
    hosts: HostLimiter
    limits: RateLimits
    options: TransferOptions
    lifecycle: Lifecycle
    reporter: ProgressReporter
    resolver: DestinationResolver
    folders: Folders
    locks: PathLocks
    validator: BaseFileValidator | None  # None: use the part file's own hash
    names: NameNumbers
    part_listings: PartListings
    written: dict[Identity, str]  # file -> source of the download that wrote or skipped it
    keep_unverified: bool  # keep files that failed their check for the user
