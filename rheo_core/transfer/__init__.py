"""Transfer of bytes from a URL to a file."""

from .committing import commit
from .context import TransferContext, TransferOptions
from .host_limits import Connection, HostLimiter
from .part_file import PartFile
from .pieces import check_pieces, gaps
from .rate_limits import RateLimits, Throttle, TokenBucket
from .remote_size import size_at_server
from .reserve import reserve_of
from .response_head import RangeRefusedError, ResponseHead
from .segments import WrittenRange
from .sidecar import fetch_checksum
from .state import exact_source_of, source_of
from .transfer import Transfer
from .unverified import keep_unverified, reject, take_out_bad_pieces

__all__ = [
    "Connection",
    "HostLimiter",
    "PartFile",
    "RangeRefusedError",
    "RateLimits",
    "ResponseHead",
    "Throttle",
    "TokenBucket",
    "Transfer",
    "TransferContext",
    "TransferOptions",
    "WrittenRange",
    "check_pieces",
    "commit",
    "exact_source_of",
    "fetch_checksum",
    "gaps",
    "keep_unverified",
    "reject",
    "reserve_of",
    "size_at_server",
    "source_of",
    "take_out_bad_pieces",
]
