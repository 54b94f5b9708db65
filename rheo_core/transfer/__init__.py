"""Transfer: fetch the bytes of a URL into a file."""

from .committing import Commit, commit, give_final_name, make_names_durable
from .connection_permit import ConnectionPermit
from .context import TransferContext, TransferOptions
from .disk_space import reserve_of
from .host_limits import HostLimiter
from .part_file import PartFile
from .part_listings import PartListings
from .part_names import PartNames
from .part_owner import PartOwner, exact_source_of, source_of
from .pieces import check_pieces, gaps
from .rate_limits import RateLimits, Throttle, TokenBucket
from .remote_size import size_at_server
from .response_head import RangeRefusedError, ResponseHead
from .segments import WrittenRange
from .sidecar import fetch_checksum
from .transfer import Transfer
from .unverified import keep_unverified, reject, take_out_bad_pieces

__all__ = [
    "Commit",
    "ConnectionPermit",
    "HostLimiter",
    "PartFile",
    "PartListings",
    "PartNames",
    "PartOwner",
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
    "give_final_name",
    "keep_unverified",
    "make_names_durable",
    "reject",
    "reserve_of",
    "size_at_server",
    "source_of",
    "take_out_bad_pieces",
]
