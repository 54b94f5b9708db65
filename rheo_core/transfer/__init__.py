"""How bytes get from a URL into a file."""

from .hosts import Hosts
from .limits import Limits, Throttle, TokenBucket
from .part_file import PartFile
from .plan import Plan
from .sidecar import fetch_checksum
from .state import source_of
from .transfer import Transfer, TransferOptions

__all__ = [
    "Hosts",
    "Limits",
    "PartFile",
    "Plan",
    "Throttle",
    "TokenBucket",
    "Transfer",
    "TransferOptions",
    "fetch_checksum",
    "source_of",
]
