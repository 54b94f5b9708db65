"""How bytes get from a URL into a file."""

from .committing import commit
from .hosts import Connection, Hosts
from .limits import Limits, Throttle, TokenBucket
from .part_file import PartFile
from .pieces import gaps
from .plan import Plan, RangeRefusedError
from .rejected import keep_rejected, reject, take_out_bad_pieces
from .reserve import reserve_of
from .sidecar import fetch_checksum
from .state import source_of
from .supply import TransferOptions
from .transfer import Transfer

__all__ = [
    "Connection",
    "Hosts",
    "Limits",
    "PartFile",
    "Plan",
    "RangeRefusedError",
    "Throttle",
    "TokenBucket",
    "Transfer",
    "TransferOptions",
    "commit",
    "fetch_checksum",
    "gaps",
    "keep_rejected",
    "reject",
    "reserve_of",
    "source_of",
    "take_out_bad_pieces",
]
